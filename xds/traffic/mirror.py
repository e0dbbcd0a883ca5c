"""Mirrors: copies of requests to a second backend, whose answers are dropped."""

from dataclasses import dataclass

from xds.traffic.backends import BackendKey


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of each request that reaches a backend of the route.

    Attributes:
        backend: Gets the copies.
        host: The Host of a copy.
    """

    backend: BackendKey
    host: str

    def __str__(self) -> str:
        return f"{self.backend} as {self.host}"
