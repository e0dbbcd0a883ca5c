"""Mirrors: copies of requests to a second backend, whose answers are dropped."""

from dataclasses import dataclass
from typing import Final

from xds.traffic.backends import BackendKey

EVERY_REQUEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of each request that reaches a backend of the route.

    Attributes:
        backend: Gets the copies.
        host: The Host of a copy; empty: the Host of the backend's request.
        millionths: The share of requests that are copied, chosen at random, of EVERY_REQUEST.
    """

    backend: BackendKey
    host: str = ""
    millionths: int = EVERY_REQUEST

    def __str__(self) -> str:
        of = "" if self.millionths == EVERY_REQUEST else f" of {self.millionths / 10_000:g} % of requests"
        return f"{self.backend} as {self.host}{of}" if self.host else f"{self.backend}{of}"
