"""What a request turned out to mean: for the verdict on what was sent, and for the server's logs and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from xds.protocol.messages import Response
from xds.protocol.status import Rejection
from xds.snapshot.resource import ResourceType


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The proxy took the response."""

    type: ResourceType
    response: Response


@dataclass(frozen=True, slots=True)
class Rejected:
    """The proxy refused the response."""

    type: ResourceType
    response: Response
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Resumed:
    """The proxy brought these versions by name, which it accepted on another stream."""

    type: ResourceType
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unserved:
    """A type was asked for, for the first time on this stream, that this server doesn't have."""

    type_url: str


Event: TypeAlias = Acknowledged | Rejected | Resumed | Unserved
