"""The kinds of the Gateway API: of each the fields in use, under their names in the standard and experimental channels.

Absent fields have the defaults of the CustomResourceDefinitions, which an API server fills in and a folder doesn't.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1.6)
"""

from typing import ClassVar, Final

from msgspec import field

from xds.kube.objects import KubeObject, Metadata, Part
from xds.problems.problem import Key

GROUP: Final = "gateway.networking.k8s.io"
_VERSION: Final = f"{GROUP}/v1"
_BETA: Final = (f"{GROUP}/v1beta1",)


class GatewayMetadata(Metadata, frozen=True):
    """Metadata with the number of the spec, which conditions repeat as `observedGeneration`."""

    generation: int = 0


class GatewayObject(KubeObject, frozen=True):
    """An object of the Gateway API. The kinds exist in a cluster once their CustomResourceDefinitions are installed."""

    api_version: ClassVar[str] = _VERSION
    optional: ClassVar[bool] = True

    metadata: GatewayMetadata


class LabelSelectorRequirement(Part, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] | None = None


class LabelSelector(Part, frozen=True):
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[LabelSelectorRequirement, ...] | None = None


class ParametersReference(Part, frozen=True):
    group: str
    kind: str
    name: str
    namespace: str = ""


# GatewayClass


class GatewayClassSpec(Part, frozen=True):
    controller_name: str
    parameters_ref: ParametersReference | None = None


class GatewayClass(GatewayObject, frozen=True):
    kind: ClassVar[str] = "GatewayClass"
    older_versions: ClassVar[tuple[str, ...]] = _BETA
    plural: ClassVar[str] = "gatewayclasses"
    namespaced: ClassVar[bool] = False

    spec: GatewayClassSpec


# Gateway and ListenerSet


class ObjectReference(Part, frozen=True):
    """A reference to a Secret, ConfigMap or other object; an empty namespace is that of the referrer."""

    name: str
    group: str = ""
    kind: str = "Secret"
    namespace: str = ""


class ListenerTLSConfig(Part, frozen=True):
    mode: str = "Terminate"
    certificate_refs: tuple[ObjectReference, ...] | None = None
    options: dict[str, str] | None = None


class AllowedNamespaces(Part, frozen=True):
    """Attributes: from_: `All`, `Same`, `Selector` or `None`; empty: the default of the field."""

    from_: str = field(default="", name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Part, frozen=True):
    kind: str
    group: str = GROUP


class AllowedRoutes(Part, frozen=True):
    namespaces: AllowedNamespaces = AllowedNamespaces("Same")
    kinds: tuple[RouteGroupKind, ...] | None = None


class Listener(Part, frozen=True):
    name: str
    port: int
    protocol: str
    hostname: str | None = None
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(Part, frozen=True):
    value: str = ""
    type: str = "IPAddress"


class GatewayInfrastructure(Part, frozen=True):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    parameters_ref: ParametersReference | None = None


class FrontendValidation(Part, frozen=True):
    ca_certificate_refs: tuple[ObjectReference, ...] = field(default=(), name="caCertificateRefs")
    mode: str = "AllowValidOnly"


class FrontendTLS(Part, frozen=True):
    validation: FrontendValidation | None = None


class FrontendTLSOfPort(Part, frozen=True):
    port: int
    tls: FrontendTLS = FrontendTLS()


class FrontendTLSConfig(Part, frozen=True):
    default: FrontendTLS = FrontendTLS()
    per_port: tuple[FrontendTLSOfPort, ...] | None = None


class GatewayBackendTLS(Part, frozen=True):
    client_certificate_ref: ObjectReference | None = None


class GatewayTLSConfig(Part, frozen=True):
    backend: GatewayBackendTLS | None = None
    frontend: FrontendTLSConfig | None = None


class AllowedListeners(Part, frozen=True):
    namespaces: AllowedNamespaces = AllowedNamespaces("None")


class GatewaySpec(Part, frozen=True):
    gateway_class_name: str
    listeners: tuple[Listener, ...] | None = None
    addresses: tuple[GatewayAddress, ...] | None = None
    infrastructure: GatewayInfrastructure | None = None
    allowed_listeners: AllowedListeners = AllowedListeners()
    tls: GatewayTLSConfig | None = None


class GatewayRecord(Part, frozen=True):
    """The part of `status` that is read back: the addresses that a Gateway has."""

    addresses: tuple[GatewayAddress, ...] | None = None


class Gateway(GatewayObject, frozen=True):
    kind: ClassVar[str] = "Gateway"
    older_versions: ClassVar[tuple[str, ...]] = _BETA
    plural: ClassVar[str] = "gateways"

    spec: GatewaySpec
    status: GatewayRecord = GatewayRecord()


class ParentGatewayReference(Part, frozen=True):
    name: str
    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""


class ListenerSetSpec(Part, frozen=True):
    parent_ref: ParentGatewayReference
    listeners: tuple[Listener, ...] | None = None


class ListenerSet(GatewayObject, frozen=True):
    kind: ClassVar[str] = "ListenerSet"
    plural: ClassVar[str] = "listenersets"

    spec: ListenerSetSpec


# Routes


class ParentReference(Part, frozen=True, omit_defaults=True):
    name: str
    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""
    section_name: str = ""
    port: int | None = None


class BackendRef(Part, frozen=True):
    name: str
    group: str = ""
    kind: str = "Service"
    namespace: str = ""
    port: int | None = None
    weight: int = 1


class HTTPHeader(Part, frozen=True):
    name: str
    value: str


class HTTPHeaderFilter(Part, frozen=True):
    set: tuple[HTTPHeader, ...] | None = None
    add: tuple[HTTPHeader, ...] | None = None
    remove: tuple[str, ...] | None = None


class Fraction(Part, frozen=True):
    numerator: int
    denominator: int = 100


class HTTPRequestMirrorFilter(Part, frozen=True):
    backend_ref: BackendRef
    percent: int | None = None
    fraction: Fraction | None = None


class HTTPPathModifier(Part, frozen=True):
    type: str
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class HTTPRequestRedirectFilter(Part, frozen=True):
    scheme: str | None = None
    hostname: str | None = None
    path: HTTPPathModifier | None = None
    port: int | None = None
    status_code: int = 302


class HTTPURLRewriteFilter(Part, frozen=True):
    hostname: str | None = None
    path: HTTPPathModifier | None = None


class HTTPCORSFilter(Part, frozen=True):
    allow_origins: tuple[str, ...] | None = None
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] | None = None
    allow_headers: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age: int = 5


class LocalObjectReference(Part, frozen=True):
    group: str
    kind: str
    name: str


class HTTPRouteFilter(Part, frozen=True):
    """A filter of an HTTPRoute or a GRPCRoute; the field of the type is set. `externalAuth` isn't read."""

    type: str
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = field(default=None, name="urlRewrite")
    cors: HTTPCORSFilter | None = None
    extension_ref: LocalObjectReference | None = None


class HTTPBackendRef(BackendRef, frozen=True):
    filters: tuple[HTTPRouteFilter, ...] | None = None


class HTTPPathMatch(Part, frozen=True):
    type: str = "PathPrefix"
    value: str = "/"


class HTTPValueMatch(Part, frozen=True):
    """A header or a query parameter."""

    name: str
    value: str
    type: str = "Exact"


class HTTPRouteMatch(Part, frozen=True):
    path: HTTPPathMatch = HTTPPathMatch()
    headers: tuple[HTTPValueMatch, ...] | None = None
    query_params: tuple[HTTPValueMatch, ...] | None = None
    method: str | None = None


class HTTPRouteTimeouts(Part, frozen=True):
    """Durations of https://gateway-api.sigs.k8s.io/geps/gep-2257/, such as `1h30m` or `500ms`."""

    request: str | None = None
    backend_request: str | None = None


class HTTPRouteRetry(Part, frozen=True):
    codes: tuple[int, ...] | None = None
    attempts: int | None = None
    backoff: str | None = None


class CookieConfig(Part, frozen=True):
    lifetime_type: str = "Session"


class SessionPersistence(Part, frozen=True):
    session_name: str | None = None
    absolute_timeout: str | None = None
    idle_timeout: str | None = None
    type: str = "Cookie"
    cookie_config: CookieConfig | None = None


class HTTPRouteRule(Part, frozen=True):
    name: str = ""
    matches: tuple[HTTPRouteMatch, ...] | None = None
    filters: tuple[HTTPRouteFilter, ...] | None = None
    backend_refs: tuple[HTTPBackendRef, ...] | None = None
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None


class RouteSpec(Part, frozen=True):
    """The fields of every kind of route."""

    parent_refs: tuple[ParentReference, ...] | None = None


class HTTPRouteSpec(RouteSpec, frozen=True):
    hostnames: tuple[str, ...] | None = None
    rules: tuple[HTTPRouteRule, ...] | None = None


class HTTPRoute(GatewayObject, frozen=True):
    kind: ClassVar[str] = "HTTPRoute"
    older_versions: ClassVar[tuple[str, ...]] = _BETA
    plural: ClassVar[str] = "httproutes"

    spec: HTTPRouteSpec = HTTPRouteSpec()


class GRPCMethodMatch(Part, frozen=True):
    type: str = "Exact"
    service: str | None = None
    method: str | None = None


class GRPCRouteMatch(Part, frozen=True):
    method: GRPCMethodMatch | None = None
    headers: tuple[HTTPValueMatch, ...] | None = None


class GRPCRouteRule(Part, frozen=True):
    name: str = ""
    matches: tuple[GRPCRouteMatch, ...] | None = None
    filters: tuple[HTTPRouteFilter, ...] | None = None
    backend_refs: tuple[HTTPBackendRef, ...] | None = None
    session_persistence: SessionPersistence | None = None


class GRPCRouteSpec(RouteSpec, frozen=True):
    hostnames: tuple[str, ...] | None = None
    rules: tuple[GRPCRouteRule, ...] | None = None


class GRPCRoute(GatewayObject, frozen=True):
    kind: ClassVar[str] = "GRPCRoute"
    plural: ClassVar[str] = "grpcroutes"

    spec: GRPCRouteSpec = GRPCRouteSpec()


class Layer4RouteRule(Part, frozen=True):
    name: str = ""
    backend_refs: tuple[BackendRef, ...] | None = None


class TLSRouteSpec(RouteSpec, frozen=True):
    hostnames: tuple[str, ...] | None = None
    rules: tuple[Layer4RouteRule, ...] | None = None


class TLSRoute(GatewayObject, frozen=True):
    kind: ClassVar[str] = "TLSRoute"
    plural: ClassVar[str] = "tlsroutes"

    spec: TLSRouteSpec = TLSRouteSpec()


class Layer4RouteSpec(RouteSpec, frozen=True):
    rules: tuple[Layer4RouteRule, ...] | None = None


class TCPRoute(GatewayObject, frozen=True):
    kind: ClassVar[str] = "TCPRoute"
    plural: ClassVar[str] = "tcproutes"

    spec: Layer4RouteSpec = Layer4RouteSpec()


class UDPRoute(GatewayObject, frozen=True):
    kind: ClassVar[str] = "UDPRoute"
    plural: ClassVar[str] = "udproutes"

    spec: Layer4RouteSpec = Layer4RouteSpec()


# Grants and policies


class ReferenceGrantFrom(Part, frozen=True):
    group: str
    kind: str
    namespace: str


class ReferenceGrantTo(Part, frozen=True):
    group: str
    kind: str
    name: str | None = None


class ReferenceGrantSpec(Part, frozen=True):
    from_: tuple[ReferenceGrantFrom, ...] = field(default=(), name="from")
    to: tuple[ReferenceGrantTo, ...] = ()


class ReferenceGrant(GatewayObject, frozen=True):
    kind: ClassVar[str] = "ReferenceGrant"
    older_versions: ClassVar[tuple[str, ...]] = _BETA
    plural: ClassVar[str] = "referencegrants"

    spec: ReferenceGrantSpec = ReferenceGrantSpec()


class PolicyTargetReference(Part, frozen=True):
    group: str
    kind: str
    name: str
    section_name: str = ""


class SubjectAltName(Part, frozen=True):
    type: str
    hostname: str = ""
    uri: str = ""


class BackendTLSValidation(Part, frozen=True):
    hostname: str
    ca_certificate_refs: tuple[LocalObjectReference, ...] | None = field(default=None, name="caCertificateRefs")
    well_known_ca_certificates: str | None = field(default=None, name="wellKnownCACertificates")
    subject_alt_names: tuple[SubjectAltName, ...] | None = None


class BackendTLSPolicySpec(Part, frozen=True):
    validation: BackendTLSValidation
    target_refs: tuple[PolicyTargetReference, ...] = ()
    options: dict[str, str] | None = None


class BackendTLSPolicy(GatewayObject, frozen=True):
    kind: ClassVar[str] = "BackendTLSPolicy"
    plural: ClassVar[str] = "backendtlspolicies"

    spec: BackendTLSPolicySpec


Route = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute

ROUTE_KINDS: Final[tuple[type[Route], ...]] = (HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute)


class Namespace(KubeObject, frozen=True):
    """A namespace, of which the labels count. Read only where the Gateway API is installed."""

    kind: ClassVar[str] = "Namespace"
    api_version: ClassVar[str] = "v1"
    plural: ClassVar[str] = "namespaces"
    namespaced: ClassVar[bool] = False
    name_is_label: ClassVar[bool] = True
    optional: ClassVar[bool] = True


GATEWAY_KINDS: Final[tuple[type[KubeObject], ...]] = (
    GatewayClass,
    Gateway,
    ListenerSet,
    *ROUTE_KINDS,
    ReferenceGrant,
    BackendTLSPolicy,
    Namespace,
)
"""The kinds that sources read where the Gateway API is installed."""


def namespace_of(reference_namespace: str, referrer: Key) -> str:
    """The namespace of a reference; without one, that of the referrer."""
    return reference_namespace or referrer.namespace
