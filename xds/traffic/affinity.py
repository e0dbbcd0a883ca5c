"""Affinity: requests of one session go to one endpoint, by a cookie."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from xds.traffic.backends import BackendKey

_MARK_BYTES: Final = 5


class SameSite(StrEnum):
    """Whether browsers send a cookie with requests that another site causes.

    Source: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.2.7
    """

    NONE = "None"
    LAX = "Lax"
    STRICT = "Strict"


@dataclass(frozen=True, slots=True)
class Affinity:
    """A cookie that names the endpoint of a session. The first answer of a session sets the cookie.

    Attributes:
        cookie: The name.
        path: The attribute Path; empty: the path of the route, which is to be filled in.
        domain: The attribute Domain; empty: none.
        max_age: Seconds for which a browser keeps the cookie; None: until the browser ends. From 0 down, browsers drop
            the cookie at once.
        same_site: None: no such attribute.
        secure: Whether the attribute Secure is also set by plain HTTP. By HTTPS the attribute is always set.
        moves_on_failure: Whether a request that fails is tried at another endpoint, which the session then has.
        lifetime: The time after which a proxy heeds the cookie no more, and a browser drops it. None: no bound.
        header: The name of a header in place of the cookie, of requests and answers alike; empty: the cookie counts.
    """

    cookie: str
    path: str = ""
    domain: str = ""
    max_age: int | None = None
    same_site: SameSite | None = None
    secure: bool = False
    moves_on_failure: bool = False
    lifetime: timedelta | None = None
    header: str = ""

    @property
    def mark_cookie(self) -> str:
        """The name of the cookie that tells which share of a route's requests the session belongs to."""
        return f"{self.cookie}.canary"

    def at(self, path: str) -> "Affinity":
        """The affinity with a path, unless it has one."""
        return self if self.path else replace(self, path=path)

    def attributes(self, *, tls: bool) -> dict[str, str]:
        """The attributes of either cookie, in the order of ingress-nginx, for clients by TLS or by plain HTTP.

        HttpOnly is not among them. An attribute without a value has an empty one.
        """
        found = {} if self.max_age is None else {"Max-Age": str(self.max_age)}
        if self.domain:
            found["Domain"] = self.domain
        found["Path"] = self.path or "/"
        if self.secure or tls:
            found["Secure"] = ""
        if self.same_site:
            found["SameSite"] = self.same_site
        return found


def mark_of(backend: BackendKey) -> str:
    """The value of the mark cookie for a backend. Tells clients nothing, and differs for another Service or port."""
    return hashlib.blake2s(f"{backend.service_key}/{backend.port}".encode(), digest_size=_MARK_BYTES).hexdigest()
