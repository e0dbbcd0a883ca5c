"""The state of one stream as shown outside: for `xds proxies` and `xds why`, metrics and logs."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.protocol.messages import Node, Rejection, Variant
from xds.snapshot.resource import ResourceType

BEHIND_SECONDS: Final = 5.0
"""A proxy with a response unanswered for so long is behind. A busy Envoy answers within a second."""


@dataclass(frozen=True, slots=True)
class VersionStamp:
    """A version, and the time of its sending or ACK in seconds of the caller's clock."""

    version: str
    at: float


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """The state of one type on one stream.

    Attributes:
        subscribed: Number of subscribed names.
        sent: The last response; None: none was sent.
        acknowledged: The last ACK; None: there was none.
        last_rejection: The last NACK; None: there was none.
        rejected_count: Resources rejected by the proxy and unchanged since.
        rejected_names: Names of these resources, sorted.
        pending: Changed resources that are not sent yet.
        on_trial: Subscribed resources of which other proxies rejected the wanted version, and this one has the last
            good version.
    """

    type: ResourceType
    subscribed: int
    wildcard: bool
    sent: VersionStamp | None
    acknowledged: VersionStamp | None
    last_rejection: Rejection | None
    rejected_count: int
    in_flight: bool
    pending: int
    rejected_names: tuple[str, ...] = ()
    on_trial: int = 0

    @property
    def settled(self) -> bool:
        """Whether every change is sent and answered."""
        return not (self.in_flight or self.pending)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one stream.

    Attributes:
        node: None: no request has come yet.
        since: The start of the stream, in seconds of the caller's clock.
        unserved: Requested type URLs that this server doesn't serve.
    """

    variant: Variant
    node: Node | None
    since: float
    types: tuple[TypeStatus, ...]
    unserved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """The facts that show whether a stream makes progress.

    Attributes:
        node: None: no request has come yet.
        since: The start of the stream, in seconds of the caller's clock.
        subscribed: Types with at least one request.
        unanswered: Types with a response in flight, each with its time of sending.
    """

    node: Node | None
    since: float
    subscribed: Collection[ResourceType]
    unanswered: tuple[tuple[ResourceType, float], ...]


class DeliveryState(StrEnum):
    """The state of one resource of the snapshot at one proxy."""

    SYNCED = "synced"
    """Acknowledged in its present version."""
    IN_FLIGHT = "in flight"
    """Sent and not answered yet."""
    PENDING = "pending"
    """Not sent yet."""
    REJECTED = "rejected"
    """Rejected by this proxy, which keeps its former version."""
    ON_TRIAL = "on trial"
    """Rejected by other proxies of its build and accepted by none: until asked, the proxy has the last good version."""
    NOT_SUBSCRIBED = "not subscribed"
    """Not covered by the proxy's subscriptions."""


@dataclass(frozen=True, slots=True)
class OutOfSync:
    """A resource that a proxy doesn't have as in the snapshot. `message` is that of a NACK, else empty."""

    type: ResourceType
    name: str
    state: DeliveryState
    message: str = ""
