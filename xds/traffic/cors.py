"""CORS: the scripts of other sites that browsers let read answers, and the proxy's answer to preflights.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from xds.traffic.regex import compiled

PREFLIGHT_METHOD: Final = "OPTIONS"
PREFLIGHT_STATUS: Final = 204
REJECTED_STATUS: Final = 403
ASKED_METHOD: Final = "access-control-request-method"

ANY_ORIGIN: Final = "**"
NO_ORIGIN: Final = "-"
"""In place of origins, if none is allowed. No browser has such an origin."""

_WILDCARD: Final = re.compile(r"\*\*?")


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins that are allowed, and the headers of answers to them.

    Attributes:
        origins: Origins, in groups whose `pattern` is one expression each. The name of a host may begin with `*.`, for
            one label, or with `**.`, for any number, or be `**`. ANY_ORIGIN: any. Empty: any, and requests without one.
        methods: As in the header; empty: no such header. With credentials, `*` stands for the method that a preflight
            asks for.
        headers: Likewise.
        exposed_headers: As in the header. Empty: no such header.
        credentials: Whether scripts may send cookies and passwords along.
        max_age_seconds: The time for which browsers remember the answer to a preflight.
        is_strict: Whether only requests that ask for a method are preflights, and preflights of other origins are
            rejected. False: all requests with OPTIONS are preflights, and the backend answers those of other origins.
    """

    origins: tuple[tuple[str, ...], ...]
    methods: str
    headers: str
    exposed_headers: str
    credentials: bool
    max_age_seconds: int
    is_strict: bool = False

    def preflight_status(self, method: str, header: Callable[[str], str | None]) -> int | None:
        """The proxy's answer to a preflight; None for other requests.

        Args:
            method: Of the request.
            header: Looks up a header of the request by its name in lower case.
        """
        origin = header("origin")
        if method != PREFLIGHT_METHOD or (self.is_strict and (origin is None or header(ASKED_METHOD) is None)):
            return None
        rejected = REJECTED_STATUS if self.is_strict else None
        return PREFLIGHT_STATUS if self.allows(origin) else rejected

    def allows(self, origin: str | None) -> bool:
        """Whether answers to an origin have the headers. None: a request without one."""
        if not self.origins:
            return True
        return origin is not None and any(compiled(pattern(group)).fullmatch(origin) for group in self.origins)

    def __str__(self) -> str:
        origins = ",".join(each for group in self.origins for each in group) or "*"
        words = [f"{self.methods or 'no method'} from {origins}"]
        words += [f"headers {self.headers}"] if self.headers else []
        words += [f"exposes {self.exposed_headers}"] if self.exposed_headers else []
        words += ["credentials"] if self.credentials else []
        words += ["strict"] if self.is_strict else []
        return "; ".join((*words, f"{self.max_age_seconds} s"))


@lru_cache(maxsize=1024)
def pattern(origins: tuple[str, ...]) -> str:
    """The expression of RE2 for some origins, each whole and whatever the case of letters."""
    return f"(?i){'|'.join(map(_expression, origins))}"


def _expression(origin: str) -> str:
    if origin == ANY_ORIGIN:
        return ".+"
    # The class has no other case of k and s: U+212A and U+017F.
    return _WILDCARD.sub(lambda found: _LABELS[found[0]], origin.replace(".", r"\."))


_LABELS: Final = {"*": "(?-i:[A-Za-z0-9-]+)", "**": "(?-i:[A-Za-z0-9.-]+)"}


def is_comparable(origin: str, max_regex_size: int) -> bool:
    """Whether proxies can compare an origin: as text without a wildcard, else by an expression of limited size."""
    return "*" not in origin or compiled(pattern((origin,))).programsize <= max_regex_size


@lru_cache(maxsize=256)
def grouped(origins: tuple[str, ...], max_regex_size: int) -> tuple[tuple[str, ...], ...]:
    """The origins in as few expressions as proxies accept, in order.

    Args:
        origins: At least one; each `is_comparable`.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
    """
    groups = [origins[:1]]
    for origin in origins[1:]:
        joined = (*groups[-1], origin)
        if compiled(pattern(joined)).programsize <= max_regex_size:
            groups[-1] = joined
        else:
            groups.append((origin,))
    return tuple(groups)
