"""What a request turned out to mean, for the server's logs, metrics, index and Kubernetes Events."""

from dataclasses import dataclass
from typing import TypeAlias

from xds.protocol.subscription import Subscription
from xds.snapshot.resource import ResourceType


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The proxy took the response; `revision` is that of the store when it was made."""

    type: ResourceType
    nonce: str
    version: str
    revision: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The proxy refused the response, in its own words. `resources` are names and versions of what was new in it:
    which of them it refused, and whether it took the others, only the words may tell.
    """

    type: ResourceType
    nonce: str
    version: str
    revision: int
    message: str
    resources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What the stream asks for of this type is not what it was: the server's index has to follow."""

    type: ResourceType
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Unserved:
    """A type was asked for, for the first time on this stream, that this server doesn't have."""

    type_url: str


Event: TypeAlias = Acknowledged | Rejected | Subscribed | Unserved
