"""Policies: the treatment of requests and answers on a route, beyond the choice of a backend."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """The treatment of a route's requests. Equal policies are equal values.

    Attributes:
        idle_seconds: Longest silence of the backend, and of a connection that an upgrade took over. None: the
            listener's.
        upstream_host: The Host of the backend's request. Empty: the client's.
        forwarded_prefix: The header x-forwarded-prefix of the backend's request. Empty: the client's.
    """

    idle_seconds: int | None = None
    upstream_host: str = ""
    forwarded_prefix: str = ""


NO_POLICY: Final = Policy()
