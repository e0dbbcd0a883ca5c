"""Values of the control plane as messages of the debug API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from xds.api.v1 import debug_pb2 as pb
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Level
from xds.protocol.messages import Node, Rejection, Variant
from xds.protocol.status import OutOfSync, Status, TypeStatus, VersionStamp
from xds.protocol.stuck import Stuck
from xds.server.debug.rendering import content_as_json
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision, Store

WallClock = Callable[[float], Timestamp]
"""Converts a reading of the event loop's clock to the time of day."""

_LEVELS = {Level.ERROR: pb.LEVEL_ERROR, Level.WARNING: pb.LEVEL_WARNING}
_VARIANTS = {Variant.DELTA: pb.VARIANT_DELTA, Variant.SOTW: pb.VARIANT_SOTW}


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """One ADS stream.

    Attributes:
        peer: The proxy's address, e.g. `ipv4:10.0.0.7:51234` or `ipv6:[fd00::7]:51234`.
        stuck: The reasons why the proxy makes no progress; empty: it does.
    """

    peer: str
    stream: Status
    stuck: tuple[Stuck, ...] = ()


@dataclass(frozen=True, slots=True)
class ProxyFigures:
    """The state of one ADS stream, for counts.

    Attributes:
        is_in_sync: Whether the proxy has accepted everything.
        is_behind: Whether a response has been unanswered for long.
        is_stuck: Whether the proxy makes no progress, as of the watchdog's last check.
        is_rejecting: Whether the proxy has rejected a resource which has not changed since.
    """

    is_in_sync: bool = False
    is_behind: bool = False
    is_stuck: bool = False
    is_rejecting: bool = False


@dataclass(frozen=True, slots=True)
class ProxyDelivery:
    """The delivery of some resources to one ADS stream.

    Attributes:
        peer: The proxy's address, as in `ProxyStatus`.
        node: None before the first request.
        out_of_sync: The resources that the proxy does not have as they are in the snapshot.
    """

    peer: str
    node: Node | None
    out_of_sync: tuple[OutOfSync, ...]


def wall_clock(monotonic_now: float, wall_now: float) -> WallClock:
    """A converter, exact to milliseconds, since the two clocks can't be read at the same instant.

    Args:
        monotonic_now: Seconds of the event loop's clock.
        wall_now: The same instant in seconds since the epoch.
    """

    def at(seconds: float) -> Timestamp:
        timestamp = Timestamp()
        timestamp.FromMilliseconds(round((wall_now - monotonic_now + seconds) * 1000))
        return timestamp

    return at


def snapshot(store: Store, at: WallClock) -> pb.Snapshot:
    versions = [
        pb.TypeVersion(type_url=type_, version=store.version(type_), resources=len(store.resources(type_)))
        for type_ in ResourceType
    ]
    return pb.Snapshot(revision=revision(store.history[-1], at), types=versions)


def revision(value: Revision, at: WallClock) -> pb.Revision:
    return pb.Revision(number=value.number, read_at=at(value.read_at), committed_at=at(value.committed_at))


def resource(value: Resource, *, full: bool) -> pb.Resource:
    """Slow if `full`: see `rendering.content`."""
    return pb.Resource(
        type_url=value.type,
        name=value.name,
        version=value.version,
        size=len(value.body),
        json=content_as_json(value) if full else "",
    )


def change(value: ResourceChange, *, full: bool) -> pb.ResourceChange:
    """Slow if `full`: see `rendering.content`."""
    return pb.ResourceChange(
        type_url=value.type,
        name=value.name,
        old=resource(value.old, full=full) if value.old else None,
        new=resource(value.new, full=full) if value.new else None,
    )


def reference(value: ObjectRef) -> pb.ObjectReference:
    return pb.ObjectReference(kind=value.kind, namespace=value.namespace, name=value.name)


def problem(value: Problem) -> pb.Problem:
    return pb.Problem(
        object=reference(value.object),
        reason=value.reason,
        message=value.message,
        remedy=value.remedy,
        field=str(value.field),
        location=value.location,
        level=_LEVELS[value.reason.level],
    )


def proxy(status: ProxyStatus, at: WallClock, replica: str = "") -> pb.Proxy:
    node = status.stream.node or Node("")
    return pb.Proxy(
        replica=replica,
        node_id=node.id,
        node_cluster=node.cluster,
        user_agent=node.user_agent,
        peer=status.peer,
        variant=_VARIANTS[status.stream.variant],
        connected_at=at(status.stream.since),
        types=[_proxy_type(type_, at) for type_ in status.stream.types],
        unserved_types=status.stream.unserved,
        stuck=[pb.Stuck(reason=each.reason, type_url=each.type or "", since=at(each.since)) for each in status.stuck],
    )


def _proxy_type(status: TypeStatus, at: WallClock) -> pb.ProxyType:
    sent, acked = status.sent, status.acknowledged
    return pb.ProxyType(
        type_url=status.type,
        wildcard=status.wildcard,
        subscribed_names=status.subscribed,
        sent_version=_version(sent),
        sent_at=at(sent.at) if sent else None,
        acked_version=_version(acked),
        acked_at=at(acked.at) if acked else None,
        rejection=_rejection(status.last_rejection, at) if status.last_rejection else None,
        rejected_resources=status.rejected_count,
        rejected_names=status.rejected_names,
        in_flight=status.in_flight,
        pending_changes=status.pending,
        in_sync=status.settled and not status.rejected_count and not status.on_trial,
        on_trial_resources=status.on_trial,
    )


def _version(stamp: VersionStamp | None) -> str:
    return stamp.version if stamp else ""


def _rejection(value: Rejection, at: WallClock) -> pb.Rejection:
    resources = [pb.ResourceVersion(name=name, version=version) for name, version in value.resources]
    return pb.Rejection(version=value.version, message=value.message, rejected_at=at(value.at), resources=resources)


def revision_summary(value: Revision, at: WallClock) -> pb.RevisionSummary:
    return pb.RevisionSummary(
        revision=revision(value, at),
        changes=[_type_changes(type_, value.by_type[type_]) for type_ in ResourceType if value.by_type.get(type_)],
        unfinished=value.unfinished,
    )


def _type_changes(type_: ResourceType, changes: Sequence[ResourceChange]) -> pb.TypeChanges:
    added, removed = sum(each.old is None for each in changes), sum(each.new is None for each in changes)
    return pb.TypeChanges(type_url=type_, added=added, changed=len(changes) - added - removed, removed=removed)
