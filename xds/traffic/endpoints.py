"""Endpoints of backends, by zone."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Health(StrEnum):
    HEALTHY = "healthy"
    DRAINING = "draining"
    """The endpoint terminates and still serves: existing connections stay, new requests go elsewhere."""


class Endpoint(NamedTuple):
    address: str
    port: int
    health: Health


@dataclass(frozen=True, slots=True)
class Locality:
    """The endpoints of one zone, sorted.

    Attributes:
        zone: Empty for endpoints without a zone.
        priority: Endpoints of 1 serve while those of 0 are not healthy, and serve the sessions that they have.
    """

    zone: str
    endpoints: tuple[Endpoint, ...]
    priority: int = 0
