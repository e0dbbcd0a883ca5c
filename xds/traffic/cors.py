"""CORS: the scripts of other sites that browsers let read answers, and the proxy's answer to preflights.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from dataclasses import dataclass
from functools import lru_cache

from xds.traffic.regex import compiled

PREFLIGHT_METHOD = "OPTIONS"
PREFLIGHT_STATUS = 204


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins that are allowed, and the headers of answers to them.

    Attributes:
        origins: Origins, in groups whose `pattern` is one expression each. The name of a host may begin with `*.`, for
            one label. Empty: any origin, and requests without one.
        methods: As in the header.
        headers: As in the header.
        exposed_headers: As in the header. Empty: no such header.
        credentials: Whether scripts may send cookies and passwords along.
        max_age_seconds: The time for which browsers remember the answer to a preflight.
    """

    origins: tuple[tuple[str, ...], ...]
    methods: str
    headers: str
    exposed_headers: str
    credentials: bool
    max_age_seconds: int

    def allows(self, origin: str | None) -> bool:
        """Whether answers to an origin have the headers. None: a request without one."""
        if not self.origins:
            return True
        return origin is not None and any(compiled(pattern(group)).fullmatch(origin) for group in self.origins)

    def __str__(self) -> str:
        origins = ",".join(each for group in self.origins for each in group) or "*"
        words = [f"{self.methods} from {origins}", f"headers {self.headers}"]
        words += [f"exposes {self.exposed_headers}"] if self.exposed_headers else []
        words += ["credentials"] if self.credentials else []
        return "; ".join((*words, f"{self.max_age_seconds} s"))


@lru_cache(maxsize=1024)
def pattern(origins: tuple[str, ...]) -> str:
    """The expression of RE2 for some origins, each whole and whatever the case of letters."""
    return f"(?i){'|'.join(map(_expression, origins))}"


def _expression(origin: str) -> str:
    # The class has no other case of k and s: U+212A and U+017F.
    return origin.replace(".", r"\.").replace("*", "(?-i:[A-Za-z0-9-]+)")
