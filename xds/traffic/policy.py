"""Policies: the treatment of requests and answers on a route, beyond the choice of a backend."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """The treatment of a route's requests. Equal policies are equal values.

    Attributes:
        upstream_host: The Host of the backend's request. Empty: the client's.
    """

    upstream_host: str = ""


NO_POLICY: Final = Policy()
