"""Authorizers: services that decide on requests (auth-url)."""

from dataclasses import dataclass

from xds.traffic.backends import BackendKey


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A service that is asked about each request.

    Attributes:
        backend: The service.
    """

    backend: BackendKey
