import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResourceView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_VIEW_UNSPECIFIED: _ClassVar[ResourceView]
    RESOURCE_VIEW_BASIC: _ClassVar[ResourceView]
    RESOURCE_VIEW_FULL: _ClassVar[ResourceView]

class Variant(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VARIANT_UNSPECIFIED: _ClassVar[Variant]
    VARIANT_DELTA: _ClassVar[Variant]
    VARIANT_SOTW: _ClassVar[Variant]

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_ERROR: _ClassVar[Level]
    LEVEL_WARNING: _ClassVar[Level]

class Connection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONNECTION_UNSPECIFIED: _ClassVar[Connection]
    CONNECTION_FORWARDED: _ClassVar[Connection]
    CONNECTION_TERMINATED: _ClassVar[Connection]
    CONNECTION_CLOSED: _ClassVar[Connection]
    CONNECTION_REFUSED: _ClassVar[Connection]

class DeliveryState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_STATE_UNSPECIFIED: _ClassVar[DeliveryState]
    DELIVERY_STATE_SYNCED: _ClassVar[DeliveryState]
    DELIVERY_STATE_IN_FLIGHT: _ClassVar[DeliveryState]
    DELIVERY_STATE_PENDING: _ClassVar[DeliveryState]
    DELIVERY_STATE_REJECTED: _ClassVar[DeliveryState]
    DELIVERY_STATE_NOT_SUBSCRIBED: _ClassVar[DeliveryState]
    DELIVERY_STATE_ON_TRIAL: _ClassVar[DeliveryState]

class AnnotationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANNOTATION_STATUS_UNSPECIFIED: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_IN_EFFECT: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_NO_DIFFERENCE: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_CLOSES: _ClassVar[AnnotationStatus]
    ANNOTATION_STATUS_NOT_USED: _ClassVar[AnnotationStatus]

class Acceptance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCEPTANCE_UNSPECIFIED: _ClassVar[Acceptance]
    ACCEPTANCE_NOT_OURS: _ClassVar[Acceptance]
    ACCEPTANCE_ACCEPTED: _ClassVar[Acceptance]
    ACCEPTANCE_PARTLY: _ClassVar[Acceptance]
    ACCEPTANCE_NOT_SERVED: _ClassVar[Acceptance]

class UnitStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNIT_STATUS_UNSPECIFIED: _ClassVar[UnitStatus]
    UNIT_STATUS_SERVED: _ClassVar[UnitStatus]
    UNIT_STATUS_SAME: _ClassVar[UnitStatus]
    UNIT_STATUS_NO_ENDPOINTS: _ClassVar[UnitStatus]
    UNIT_STATUS_BROKEN: _ClassVar[UnitStatus]
    UNIT_STATUS_SHADOWED: _ClassVar[UnitStatus]
    UNIT_STATUS_LEFT_OUT: _ClassVar[UnitStatus]
    UNIT_STATUS_CLOSED: _ClassVar[UnitStatus]

class IngressOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INGRESS_ORDER_UNSPECIFIED: _ClassVar[IngressOrder]
    INGRESS_ORDER_WORST: _ClassVar[IngressOrder]
    INGRESS_ORDER_NEWEST: _ClassVar[IngressOrder]

class CertificateUse(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CERTIFICATE_USE_UNSPECIFIED: _ClassVar[CertificateUse]
    CERTIFICATE_USE_SERVED: _ClassVar[CertificateUse]
    CERTIFICATE_USE_CONTROL_PLANE: _ClassVar[CertificateUse]
    CERTIFICATE_USE_CLIENT_CA: _ClassVar[CertificateUse]
RESOURCE_VIEW_UNSPECIFIED: ResourceView
RESOURCE_VIEW_BASIC: ResourceView
RESOURCE_VIEW_FULL: ResourceView
VARIANT_UNSPECIFIED: Variant
VARIANT_DELTA: Variant
VARIANT_SOTW: Variant
LEVEL_UNSPECIFIED: Level
LEVEL_ERROR: Level
LEVEL_WARNING: Level
CONNECTION_UNSPECIFIED: Connection
CONNECTION_FORWARDED: Connection
CONNECTION_TERMINATED: Connection
CONNECTION_CLOSED: Connection
CONNECTION_REFUSED: Connection
DELIVERY_STATE_UNSPECIFIED: DeliveryState
DELIVERY_STATE_SYNCED: DeliveryState
DELIVERY_STATE_IN_FLIGHT: DeliveryState
DELIVERY_STATE_PENDING: DeliveryState
DELIVERY_STATE_REJECTED: DeliveryState
DELIVERY_STATE_NOT_SUBSCRIBED: DeliveryState
DELIVERY_STATE_ON_TRIAL: DeliveryState
ANNOTATION_STATUS_UNSPECIFIED: AnnotationStatus
ANNOTATION_STATUS_IN_EFFECT: AnnotationStatus
ANNOTATION_STATUS_NO_DIFFERENCE: AnnotationStatus
ANNOTATION_STATUS_CLOSES: AnnotationStatus
ANNOTATION_STATUS_NOT_USED: AnnotationStatus
ACCEPTANCE_UNSPECIFIED: Acceptance
ACCEPTANCE_NOT_OURS: Acceptance
ACCEPTANCE_ACCEPTED: Acceptance
ACCEPTANCE_PARTLY: Acceptance
ACCEPTANCE_NOT_SERVED: Acceptance
UNIT_STATUS_UNSPECIFIED: UnitStatus
UNIT_STATUS_SERVED: UnitStatus
UNIT_STATUS_SAME: UnitStatus
UNIT_STATUS_NO_ENDPOINTS: UnitStatus
UNIT_STATUS_BROKEN: UnitStatus
UNIT_STATUS_SHADOWED: UnitStatus
UNIT_STATUS_LEFT_OUT: UnitStatus
UNIT_STATUS_CLOSED: UnitStatus
INGRESS_ORDER_UNSPECIFIED: IngressOrder
INGRESS_ORDER_WORST: IngressOrder
INGRESS_ORDER_NEWEST: IngressOrder
CERTIFICATE_USE_UNSPECIFIED: CertificateUse
CERTIFICATE_USE_SERVED: CertificateUse
CERTIFICATE_USE_CONTROL_PLANE: CertificateUse
CERTIFICATE_USE_CLIENT_CA: CertificateUse

class ResourceFilter(_message.Message):
    __slots__ = ("types", "names")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, types: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("type_url", "name", "version", "size", "json")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    name: str
    version: str
    size: int
    json: str
    def __init__(self, type_url: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., size: _Optional[int] = ..., json: _Optional[str] = ...) -> None: ...

class ResourceChange(_message.Message):
    __slots__ = ("type_url", "name", "old", "new")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    name: str
    old: Resource
    new: Resource
    def __init__(self, type_url: _Optional[str] = ..., name: _Optional[str] = ..., old: _Optional[_Union[Resource, _Mapping]] = ..., new: _Optional[_Union[Resource, _Mapping]] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("number", "read_at", "committed_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    READ_AT_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    read_at: _timestamp_pb2.Timestamp
    committed_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., read_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., committed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TypeVersion(_message.Message):
    __slots__ = ("type_url", "version", "resources")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    version: str
    resources: int
    def __init__(self, type_url: _Optional[str] = ..., version: _Optional[str] = ..., resources: _Optional[int] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("revision", "types")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    revision: Revision
    types: _containers.RepeatedCompositeFieldContainer[TypeVersion]
    def __init__(self, revision: _Optional[_Union[Revision, _Mapping]] = ..., types: _Optional[_Iterable[_Union[TypeVersion, _Mapping]]] = ...) -> None: ...

class ListResourcesRequest(_message.Message):
    __slots__ = ("filter", "view")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    filter: ResourceFilter
    view: ResourceView
    def __init__(self, filter: _Optional[_Union[ResourceFilter, _Mapping]] = ..., view: _Optional[_Union[ResourceView, str]] = ...) -> None: ...

class ListResourcesResponse(_message.Message):
    __slots__ = ("snapshot", "resources")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ...) -> None: ...

class DiffSnapshotsRequest(_message.Message):
    __slots__ = ("from_revision", "to_revision", "filter", "view")
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    TO_REVISION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    from_revision: int
    to_revision: int
    filter: ResourceFilter
    view: ResourceView
    def __init__(self, from_revision: _Optional[int] = ..., to_revision: _Optional[int] = ..., filter: _Optional[_Union[ResourceFilter, _Mapping]] = ..., view: _Optional[_Union[ResourceView, str]] = ...) -> None: ...

class DiffSnapshotsResponse(_message.Message):
    __slots__ = ("start", "end", "changes")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    start: Revision
    end: Revision
    changes: _containers.RepeatedCompositeFieldContainer[ResourceChange]
    def __init__(self, start: _Optional[_Union[Revision, _Mapping]] = ..., end: _Optional[_Union[Revision, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ResourceChange, _Mapping]]] = ...) -> None: ...

class WatchSnapshotRequest(_message.Message):
    __slots__ = ("filter", "view")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    filter: ResourceFilter
    view: ResourceView
    def __init__(self, filter: _Optional[_Union[ResourceFilter, _Mapping]] = ..., view: _Optional[_Union[ResourceView, str]] = ...) -> None: ...

class WatchSnapshotResponse(_message.Message):
    __slots__ = ("revision", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: Revision
    changes: _containers.RepeatedCompositeFieldContainer[ResourceChange]
    def __init__(self, revision: _Optional[_Union[Revision, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ResourceChange, _Mapping]]] = ...) -> None: ...

class ListProxiesRequest(_message.Message):
    __slots__ = ("all_replicas",)
    ALL_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    all_replicas: bool
    def __init__(self, all_replicas: _Optional[bool] = ...) -> None: ...

class ListProxiesResponse(_message.Message):
    __slots__ = ("proxies", "unreachable", "replicas")
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    proxies: _containers.RepeatedCompositeFieldContainer[Proxy]
    unreachable: _containers.RepeatedCompositeFieldContainer[Replica]
    replicas: int
    def __init__(self, proxies: _Optional[_Iterable[_Union[Proxy, _Mapping]]] = ..., unreachable: _Optional[_Iterable[_Union[Replica, _Mapping]]] = ..., replicas: _Optional[int] = ...) -> None: ...

class Proxy(_message.Message):
    __slots__ = ("node_id", "node_cluster", "user_agent", "peer", "variant", "connected_at", "types", "unserved_types", "stuck", "replica")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_TYPES_FIELD_NUMBER: _ClassVar[int]
    STUCK_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    node_cluster: str
    user_agent: str
    peer: str
    variant: Variant
    connected_at: _timestamp_pb2.Timestamp
    types: _containers.RepeatedCompositeFieldContainer[ProxyType]
    unserved_types: _containers.RepeatedScalarFieldContainer[str]
    stuck: _containers.RepeatedCompositeFieldContainer[Stuck]
    replica: str
    def __init__(self, node_id: _Optional[str] = ..., node_cluster: _Optional[str] = ..., user_agent: _Optional[str] = ..., peer: _Optional[str] = ..., variant: _Optional[_Union[Variant, str]] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., types: _Optional[_Iterable[_Union[ProxyType, _Mapping]]] = ..., unserved_types: _Optional[_Iterable[str]] = ..., stuck: _Optional[_Iterable[_Union[Stuck, _Mapping]]] = ..., replica: _Optional[str] = ...) -> None: ...

class Stuck(_message.Message):
    __slots__ = ("reason", "type_url", "since")
    REASON_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    type_url: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[str] = ..., type_url: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ProxyType(_message.Message):
    __slots__ = ("type_url", "wildcard", "subscribed_names", "sent_version", "sent_at", "acked_version", "acked_at", "rejection", "in_flight", "in_sync", "rejected_resources", "pending_changes", "rejected_names", "on_trial_resources")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    WILDCARD_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_NAMES_FIELD_NUMBER: _ClassVar[int]
    SENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    ACKED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_AT_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    REJECTED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PENDING_CHANGES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_NAMES_FIELD_NUMBER: _ClassVar[int]
    ON_TRIAL_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    wildcard: bool
    subscribed_names: int
    sent_version: str
    sent_at: _timestamp_pb2.Timestamp
    acked_version: str
    acked_at: _timestamp_pb2.Timestamp
    rejection: Rejection
    in_flight: bool
    in_sync: bool
    rejected_resources: int
    pending_changes: int
    rejected_names: _containers.RepeatedScalarFieldContainer[str]
    on_trial_resources: int
    def __init__(self, type_url: _Optional[str] = ..., wildcard: _Optional[bool] = ..., subscribed_names: _Optional[int] = ..., sent_version: _Optional[str] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., acked_version: _Optional[str] = ..., acked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ..., in_flight: _Optional[bool] = ..., in_sync: _Optional[bool] = ..., rejected_resources: _Optional[int] = ..., pending_changes: _Optional[int] = ..., rejected_names: _Optional[_Iterable[str]] = ..., on_trial_resources: _Optional[int] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("version", "message", "rejected_at", "resources")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_AT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    version: str
    message: str
    rejected_at: _timestamp_pb2.Timestamp
    resources: _containers.RepeatedCompositeFieldContainer[ResourceVersion]
    def __init__(self, version: _Optional[str] = ..., message: _Optional[str] = ..., rejected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resources: _Optional[_Iterable[_Union[ResourceVersion, _Mapping]]] = ...) -> None: ...

class ResourceVersion(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ListProblemsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListProblemsResponse(_message.Message):
    __slots__ = ("problems",)
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...

class ObjectReference(_message.Message):
    __slots__ = ("kind", "namespace", "name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    namespace: str
    name: str
    def __init__(self, kind: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("object", "reason", "message", "remedy", "field", "location", "level")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    object: ObjectReference
    reason: str
    message: str
    remedy: str
    field: str
    location: str
    level: Level
    def __init__(self, object: _Optional[_Union[ObjectReference, _Mapping]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ..., field: _Optional[str] = ..., location: _Optional[str] = ..., level: _Optional[_Union[Level, str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("url", "method", "headers", "source", "address")
    URL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    url: str
    method: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    source: str
    address: str
    def __init__(self, url: _Optional[str] = ..., method: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., source: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("status", "outcome", "location", "cluster", "steps", "problems", "resources", "proxies", "pending", "connection")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    status: int
    outcome: str
    location: str
    cluster: str
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    resources: _containers.RepeatedCompositeFieldContainer[Dependency]
    proxies: _containers.RepeatedCompositeFieldContainer[ProxyDelivery]
    pending: bool
    connection: Connection
    def __init__(self, status: _Optional[int] = ..., outcome: _Optional[str] = ..., location: _Optional[str] = ..., cluster: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., resources: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., proxies: _Optional[_Iterable[_Union[ProxyDelivery, _Mapping]]] = ..., pending: _Optional[bool] = ..., connection: _Optional[_Union[Connection, str]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("stage", "text", "objects", "routes")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    stage: str
    text: str
    objects: _containers.RepeatedCompositeFieldContainer[ObjectReference]
    routes: _containers.RepeatedCompositeFieldContainer[TriedRoute]
    def __init__(self, stage: _Optional[str] = ..., text: _Optional[str] = ..., objects: _Optional[_Iterable[_Union[ObjectReference, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[TriedRoute, _Mapping]]] = ...) -> None: ...

class TriedRoute(_message.Message):
    __slots__ = ("path_type", "path", "ingress", "service", "taken", "why")
    PATH_TYPE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    path_type: str
    path: str
    ingress: ObjectReference
    service: ObjectReference
    taken: bool
    why: str
    def __init__(self, path_type: _Optional[str] = ..., path: _Optional[str] = ..., ingress: _Optional[_Union[ObjectReference, _Mapping]] = ..., service: _Optional[_Union[ObjectReference, _Mapping]] = ..., taken: _Optional[bool] = ..., why: _Optional[str] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("type_url", "name", "version")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    name: str
    version: str
    def __init__(self, type_url: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ProxyDelivery(_message.Message):
    __slots__ = ("node_id", "peer", "in_sync", "out_of_sync")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_SYNC_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    peer: str
    in_sync: bool
    out_of_sync: _containers.RepeatedCompositeFieldContainer[OutOfSync]
    def __init__(self, node_id: _Optional[str] = ..., peer: _Optional[str] = ..., in_sync: _Optional[bool] = ..., out_of_sync: _Optional[_Iterable[_Union[OutOfSync, _Mapping]]] = ...) -> None: ...

class OutOfSync(_message.Message):
    __slots__ = ("type_url", "name", "message", "state")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    name: str
    message: str
    state: DeliveryState
    def __init__(self, type_url: _Optional[str] = ..., name: _Optional[str] = ..., message: _Optional[str] = ..., state: _Optional[_Union[DeliveryState, str]] = ...) -> None: ...

class WhyIngressRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class WhyIngressResponse(_message.Message):
    __slots__ = ("ingress", "acceptance", "claim", "units", "problems", "resources", "proxies", "pending", "since", "annotations")
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    ingress: ObjectReference
    acceptance: Acceptance
    claim: str
    units: _containers.RepeatedCompositeFieldContainer[Unit]
    problems: _containers.RepeatedCompositeFieldContainer[DatedProblem]
    resources: _containers.RepeatedCompositeFieldContainer[Dependency]
    proxies: _containers.RepeatedCompositeFieldContainer[ProxyDelivery]
    pending: bool
    since: _timestamp_pb2.Timestamp
    annotations: _containers.RepeatedCompositeFieldContainer[Annotation]
    def __init__(self, ingress: _Optional[_Union[ObjectReference, _Mapping]] = ..., acceptance: _Optional[_Union[Acceptance, str]] = ..., claim: _Optional[str] = ..., units: _Optional[_Iterable[_Union[Unit, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[DatedProblem, _Mapping]]] = ..., resources: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., proxies: _Optional[_Iterable[_Union[ProxyDelivery, _Mapping]]] = ..., pending: _Optional[bool] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., annotations: _Optional[_Iterable[_Union[Annotation, _Mapping]]] = ...) -> None: ...

class WhyObjectRequest(_message.Message):
    __slots__ = ("object",)
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    object: ObjectReference
    def __init__(self, object: _Optional[_Union[ObjectReference, _Mapping]] = ...) -> None: ...

class WhyObjectResponse(_message.Message):
    __slots__ = ("object", "acceptance", "role", "units", "problems", "resources", "proxies", "pending", "since")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    object: ObjectReference
    acceptance: Acceptance
    role: str
    units: _containers.RepeatedCompositeFieldContainer[Unit]
    problems: _containers.RepeatedCompositeFieldContainer[DatedProblem]
    resources: _containers.RepeatedCompositeFieldContainer[Dependency]
    proxies: _containers.RepeatedCompositeFieldContainer[ProxyDelivery]
    pending: bool
    since: _timestamp_pb2.Timestamp
    def __init__(self, object: _Optional[_Union[ObjectReference, _Mapping]] = ..., acceptance: _Optional[_Union[Acceptance, str]] = ..., role: _Optional[str] = ..., units: _Optional[_Iterable[_Union[Unit, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[DatedProblem, _Mapping]]] = ..., resources: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., proxies: _Optional[_Iterable[_Union[ProxyDelivery, _Mapping]]] = ..., pending: _Optional[bool] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Annotation(_message.Message):
    __slots__ = ("name", "value", "status", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    status: AnnotationStatus
    text: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., status: _Optional[_Union[AnnotationStatus, str]] = ..., text: _Optional[str] = ...) -> None: ...

class Unit(_message.Message):
    __slots__ = ("field", "text", "why", "senior", "cluster", "healthy_endpoints", "draining_endpoints", "expires", "status", "object")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    SENIOR_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    field: str
    text: str
    why: str
    senior: ObjectReference
    cluster: str
    healthy_endpoints: int
    draining_endpoints: int
    expires: _timestamp_pb2.Timestamp
    status: UnitStatus
    object: ObjectReference
    def __init__(self, field: _Optional[str] = ..., text: _Optional[str] = ..., why: _Optional[str] = ..., senior: _Optional[_Union[ObjectReference, _Mapping]] = ..., cluster: _Optional[str] = ..., healthy_endpoints: _Optional[int] = ..., draining_endpoints: _Optional[int] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[UnitStatus, str]] = ..., object: _Optional[_Union[ObjectReference, _Mapping]] = ...) -> None: ...

class DatedProblem(_message.Message):
    __slots__ = ("problem", "since")
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    problem: Problem
    since: _timestamp_pb2.Timestamp
    def __init__(self, problem: _Optional[_Union[Problem, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListPortsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPortsResponse(_message.Message):
    __slots__ = ("ports", "pending")
    PORTS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ports: _containers.RepeatedCompositeFieldContainer[Port]
    pending: bool
    def __init__(self, ports: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., pending: _Optional[bool] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("name", "source", "field", "text", "status", "why", "service", "cluster", "healthy_endpoints", "draining_endpoints", "losers", "rejecting_proxies", "rejection")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    LOSERS_FIELD_NUMBER: _ClassVar[int]
    REJECTING_PROXIES_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: ObjectReference
    field: str
    text: str
    status: UnitStatus
    why: str
    service: ObjectReference
    cluster: str
    healthy_endpoints: int
    draining_endpoints: int
    losers: _containers.RepeatedCompositeFieldContainer[ObjectReference]
    rejecting_proxies: int
    rejection: str
    def __init__(self, name: _Optional[str] = ..., source: _Optional[_Union[ObjectReference, _Mapping]] = ..., field: _Optional[str] = ..., text: _Optional[str] = ..., status: _Optional[_Union[UnitStatus, str]] = ..., why: _Optional[str] = ..., service: _Optional[_Union[ObjectReference, _Mapping]] = ..., cluster: _Optional[str] = ..., healthy_endpoints: _Optional[int] = ..., draining_endpoints: _Optional[int] = ..., losers: _Optional[_Iterable[_Union[ObjectReference, _Mapping]]] = ..., rejecting_proxies: _Optional[int] = ..., rejection: _Optional[str] = ...) -> None: ...

class ListGatewaysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGatewaysResponse(_message.Message):
    __slots__ = ("gateways", "pending")
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    gateways: _containers.RepeatedCompositeFieldContainer[GatewaySummary]
    pending: bool
    def __init__(self, gateways: _Optional[_Iterable[_Union[GatewaySummary, _Mapping]]] = ..., pending: _Optional[bool] = ...) -> None: ...

class GatewaySummary(_message.Message):
    __slots__ = ("gateway", "class_name", "addresses", "acceptance", "conditions", "listeners", "routes")
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    gateway: ObjectReference
    class_name: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    acceptance: Acceptance
    conditions: _containers.RepeatedCompositeFieldContainer[GatewayCondition]
    listeners: int
    routes: _containers.RepeatedCompositeFieldContainer[ObjectReference]
    def __init__(self, gateway: _Optional[_Union[ObjectReference, _Mapping]] = ..., class_name: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., acceptance: _Optional[_Union[Acceptance, str]] = ..., conditions: _Optional[_Iterable[_Union[GatewayCondition, _Mapping]]] = ..., listeners: _Optional[int] = ..., routes: _Optional[_Iterable[_Union[ObjectReference, _Mapping]]] = ...) -> None: ...

class GatewayCondition(_message.Message):
    __slots__ = ("type", "status", "reason", "message", "failed")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    type: str
    status: str
    reason: str
    message: str
    failed: bool
    def __init__(self, type: _Optional[str] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., failed: _Optional[bool] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("replica", "id", "version", "started_at", "source", "leadership", "snapshot", "pending", "ingresses", "problems", "proxies", "next_certificate", "gateways")
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LEADERSHIP_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    INGRESSES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    replica: str
    id: str
    version: str
    started_at: _timestamp_pb2.Timestamp
    source: Source
    leadership: Leadership
    snapshot: Snapshot
    pending: bool
    ingresses: IngressCounts
    problems: ProblemCounts
    proxies: ProxyCounts
    next_certificate: Certificate
    gateways: GatewayCounts
    def __init__(self, replica: _Optional[str] = ..., id: _Optional[str] = ..., version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[_Union[Source, _Mapping]] = ..., leadership: _Optional[_Union[Leadership, _Mapping]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., pending: _Optional[bool] = ..., ingresses: _Optional[_Union[IngressCounts, _Mapping]] = ..., problems: _Optional[_Union[ProblemCounts, _Mapping]] = ..., proxies: _Optional[_Union[ProxyCounts, _Mapping]] = ..., next_certificate: _Optional[_Union[Certificate, _Mapping]] = ..., gateways: _Optional[_Union[GatewayCounts, _Mapping]] = ...) -> None: ...

class GatewayCounts(_message.Message):
    __slots__ = ("accepted", "partly_accepted", "not_served", "routes", "faulty_routes")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PARTLY_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    NOT_SERVED_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    FAULTY_ROUTES_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    partly_accepted: int
    not_served: int
    routes: int
    faulty_routes: int
    def __init__(self, accepted: _Optional[int] = ..., partly_accepted: _Optional[int] = ..., not_served: _Optional[int] = ..., routes: _Optional[int] = ..., faulty_routes: _Optional[int] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "current", "why", "behind_since")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    BEHIND_SINCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    current: bool
    why: str
    behind_since: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., current: _Optional[bool] = ..., why: _Optional[str] = ..., behind_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Leadership(_message.Message):
    __slots__ = ("elects", "leads", "holder")
    ELECTS_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    elects: bool
    leads: bool
    holder: str
    def __init__(self, elects: _Optional[bool] = ..., leads: _Optional[bool] = ..., holder: _Optional[str] = ...) -> None: ...

class IngressCounts(_message.Message):
    __slots__ = ("accepted", "partly_accepted", "not_served", "not_ours", "without_endpoints")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PARTLY_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    NOT_SERVED_FIELD_NUMBER: _ClassVar[int]
    NOT_OURS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    partly_accepted: int
    not_served: int
    not_ours: int
    without_endpoints: int
    def __init__(self, accepted: _Optional[int] = ..., partly_accepted: _Optional[int] = ..., not_served: _Optional[int] = ..., not_ours: _Optional[int] = ..., without_endpoints: _Optional[int] = ...) -> None: ...

class ProblemCounts(_message.Message):
    __slots__ = ("errors", "warnings")
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    errors: int
    warnings: int
    def __init__(self, errors: _Optional[int] = ..., warnings: _Optional[int] = ...) -> None: ...

class ProxyCounts(_message.Message):
    __slots__ = ("connected", "in_sync", "behind", "stuck", "rejecting")
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    STUCK_FIELD_NUMBER: _ClassVar[int]
    REJECTING_FIELD_NUMBER: _ClassVar[int]
    connected: int
    in_sync: int
    behind: int
    stuck: int
    rejecting: int
    def __init__(self, connected: _Optional[int] = ..., in_sync: _Optional[int] = ..., behind: _Optional[int] = ..., stuck: _Optional[int] = ..., rejecting: _Optional[int] = ...) -> None: ...

class ListIngressesRequest(_message.Message):
    __slots__ = ("namespace", "host", "states", "text", "without_endpoints", "with_problems", "order", "page_size", "page_token", "skip")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    WITH_PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    host: str
    states: _containers.RepeatedScalarFieldContainer[Acceptance]
    text: str
    without_endpoints: bool
    with_problems: bool
    order: IngressOrder
    page_size: int
    page_token: str
    skip: int
    def __init__(self, namespace: _Optional[str] = ..., host: _Optional[str] = ..., states: _Optional[_Iterable[_Union[Acceptance, str]]] = ..., text: _Optional[str] = ..., without_endpoints: _Optional[bool] = ..., with_problems: _Optional[bool] = ..., order: _Optional[_Union[IngressOrder, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., skip: _Optional[int] = ...) -> None: ...

class ListIngressesResponse(_message.Message):
    __slots__ = ("ingresses", "next_page_token", "total", "counts", "pending")
    INGRESSES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ingresses: _containers.RepeatedCompositeFieldContainer[IngressSummary]
    next_page_token: str
    total: int
    counts: IngressCounts
    pending: bool
    def __init__(self, ingresses: _Optional[_Iterable[_Union[IngressSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ..., counts: _Optional[_Union[IngressCounts, _Mapping]] = ..., pending: _Optional[bool] = ...) -> None: ...

class IngressSummary(_message.Message):
    __slots__ = ("ingress", "acceptance", "class_name", "claim", "hosts", "addresses", "errors", "warnings", "units", "unserved_units", "units_without_endpoints", "created_at")
    INGRESS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_UNITS_FIELD_NUMBER: _ClassVar[int]
    UNITS_WITHOUT_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ingress: ObjectReference
    acceptance: Acceptance
    class_name: str
    claim: str
    hosts: _containers.RepeatedCompositeFieldContainer[IngressHost]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    errors: int
    warnings: int
    units: int
    unserved_units: int
    units_without_endpoints: int
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, ingress: _Optional[_Union[ObjectReference, _Mapping]] = ..., acceptance: _Optional[_Union[Acceptance, str]] = ..., class_name: _Optional[str] = ..., claim: _Optional[str] = ..., hosts: _Optional[_Iterable[_Union[IngressHost, _Mapping]]] = ..., addresses: _Optional[_Iterable[str]] = ..., errors: _Optional[int] = ..., warnings: _Optional[int] = ..., units: _Optional[int] = ..., unserved_units: _Optional[int] = ..., units_without_endpoints: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class IngressHost(_message.Message):
    __slots__ = ("host", "tls")
    HOST_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    host: str
    tls: bool
    def __init__(self, host: _Optional[str] = ..., tls: _Optional[bool] = ...) -> None: ...

class ListCertificatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCertificatesResponse(_message.Message):
    __slots__ = ("certificates",)
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    certificates: _containers.RepeatedCompositeFieldContainer[Certificate]
    def __init__(self, certificates: _Optional[_Iterable[_Union[Certificate, _Mapping]]] = ...) -> None: ...

class Certificate(_message.Message):
    __slots__ = ("use", "secret", "file", "names", "not_before", "not_after", "hosts", "is_default")
    USE_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    use: CertificateUse
    secret: ObjectReference
    file: str
    names: _containers.RepeatedScalarFieldContainer[str]
    not_before: _timestamp_pb2.Timestamp
    not_after: _timestamp_pb2.Timestamp
    hosts: _containers.RepeatedScalarFieldContainer[str]
    is_default: bool
    def __init__(self, use: _Optional[_Union[CertificateUse, str]] = ..., secret: _Optional[_Union[ObjectReference, _Mapping]] = ..., file: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hosts: _Optional[_Iterable[str]] = ..., is_default: _Optional[bool] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions",)
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[RevisionSummary]
    def __init__(self, revisions: _Optional[_Iterable[_Union[RevisionSummary, _Mapping]]] = ...) -> None: ...

class RevisionSummary(_message.Message):
    __slots__ = ("revision", "changes", "unfinished")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    revision: Revision
    changes: _containers.RepeatedCompositeFieldContainer[TypeChanges]
    unfinished: bool
    def __init__(self, revision: _Optional[_Union[Revision, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[TypeChanges, _Mapping]]] = ..., unfinished: _Optional[bool] = ...) -> None: ...

class TypeChanges(_message.Message):
    __slots__ = ("type_url", "added", "changed", "removed")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    added: int
    changed: int
    removed: int
    def __init__(self, type_url: _Optional[str] = ..., added: _Optional[int] = ..., changed: _Optional[int] = ..., removed: _Optional[int] = ...) -> None: ...

class ListReplicasRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListReplicasResponse(_message.Message):
    __slots__ = ("replicas",)
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedCompositeFieldContainer[Replica]
    def __init__(self, replicas: _Optional[_Iterable[_Union[Replica, _Mapping]]] = ...) -> None: ...

class Replica(_message.Message):
    __slots__ = ("address", "self", "status", "error", "remedy")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SELF_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    address: str
    self: bool
    status: GetStatusResponse
    error: str
    remedy: str
    def __init__(self_, address: _Optional[str] = ..., self: _Optional[bool] = ..., status: _Optional[_Union[GetStatusResponse, _Mapping]] = ..., error: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class GetDiagnosticsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetDiagnosticsResponse(_message.Message):
    __slots__ = ("metrics", "log_lines", "settings", "versions")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    metrics: str
    log_lines: _containers.RepeatedScalarFieldContainer[str]
    settings: _containers.RepeatedCompositeFieldContainer[Setting]
    versions: _containers.RepeatedCompositeFieldContainer[ComponentVersion]
    def __init__(self, metrics: _Optional[str] = ..., log_lines: _Optional[_Iterable[str]] = ..., settings: _Optional[_Iterable[_Union[Setting, _Mapping]]] = ..., versions: _Optional[_Iterable[_Union[ComponentVersion, _Mapping]]] = ...) -> None: ...

class Setting(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ComponentVersion(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...
