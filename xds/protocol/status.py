"""What one stream looks like from outside: for `xds proxies`, metrics and logs."""

from collections.abc import Collection
from dataclasses import dataclass

from xds.protocol.messages import Node, Variant
from xds.snapshot.resource import ResourceType


@dataclass(frozen=True, slots=True)
class VersionStamp:
    """A version, and when it was sent or acknowledged, in seconds of the caller's clock."""

    version: str
    at: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """A response that the proxy refused: its version, the proxy's words, and names and versions of what was new in it.
    `culprits` are those of them that are known to be refused for their own sake: by the words, or as they came alone.
    """

    version: str
    at: float
    message: str
    resources: tuple[tuple[str, str], ...]
    culprits: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type on one stream. `rejected` is the last rejection, and `rejecting` counts the resources that the proxy
    refused and that didn't change since, `refused` names them; `waiting` counts what it has still to be told.
    """

    type: ResourceType
    subscribed: int
    wildcard: bool
    sent: VersionStamp | None
    acknowledged: VersionStamp | None
    rejected: Rejection | None
    rejecting: int
    in_flight: bool
    waiting: int
    refused: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether the proxy has been told all that there is, and has answered."""
        return not (self.in_flight or self.waiting)


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """Whether one stream gets on: the types that were `asked` for, and of those whose last response is `unanswered`,
    when it was sent. `node` is None before its first request.
    """

    node: Node | None
    since: float
    asked: Collection[ResourceType]
    unanswered: tuple[tuple[ResourceType, float], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """One stream. `node` is None before its first request; `unserved` are type URLs that it asked for in vain."""

    variant: Variant
    node: Node | None
    since: float
    types: tuple[TypeStatus, ...]
    unserved: tuple[str, ...]
