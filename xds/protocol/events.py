"""What a request turned out to mean, for the server's logs and metrics."""

from dataclasses import dataclass
from typing import TypeAlias

from xds.protocol.status import Rejection
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
    """The proxy refused the response; `revision` is that of the store when it was made."""

    type: ResourceType
    nonce: str
    revision: int
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Unserved:
    """A type was asked for, for the first time on this stream, that this server doesn't have."""

    type_url: str


Event: TypeAlias = Acknowledged | Rejected | Unserved
