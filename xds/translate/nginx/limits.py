"""limit-rps, limit-rpm and their kin: how many requests of one client address are answered."""

from functools import lru_cache
from typing import Final

from xds.traffic.rate_limits import MAX_BURST, Rate, RateLimits
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import INTEGER
from xds.translate.nginx.networks import networks
from xds.translate.nginx.reader import AnnotationReader

FAMILY: Final = "limits"

_COUNTED_APART: Final = (
    "counts are separate for each proxy (in ingress-nginx: replica), for plain HTTP and for each certificate; a rate "
    "that no Ingress had before starts all counts anew, and may take 10 s to hold; with a bad value the Ingress is "
    "served without the limit, and not left out"
)


def _positive(value: str) -> int:
    if (number := INTEGER.parse(value)) < 1:
        raise InvalidValueError
    return number


MAX_NETWORKS: Final = 1000
"""Each route of the Ingress holds all networks."""


@lru_cache(maxsize=256)
def _networks(value: str) -> tuple[str, ...]:
    if value.count(",") >= MAX_NETWORKS:
        raise InvalidValueError(f"more than {MAX_NETWORKS} networks")
    return networks(value)


RPS: Final = Annotation("limit-rps", FAMILY, INTEGER, "0", verdict=Verdict.APPROXIMATE, note=_COUNTED_APART)
RPM: Final = Annotation("limit-rpm", FAMILY, INTEGER, "0", verdict=Verdict.APPROXIMATE, note=_COUNTED_APART)
MULTIPLIER: Final = Annotation("limit-burst-multiplier", FAMILY, Grammar("a whole number from 1 on", _positive), "5")
_LIST: Final = Grammar("addresses or CIDR networks, with commas between", _networks)
ALLOWLIST: Final = Annotation("limit-allowlist", FAMILY, _LIST)
WHITELIST: Final = Annotation("limit-whitelist", FAMILY, _LIST)
ANNOTATIONS: Final = (RPS, RPM, MULTIPLIER, ALLOWLIST, WHITELIST)

_DEFAULT_MULTIPLIER: Final = 5


def read(reader: AnnotationReader, instead: Rate | None = None) -> RateLimits | None:
    """The limits; None without one. limit-allowlist precedes its old name.

    Args:
        reader: Of the Ingress.
        instead: Counts in place of limit-rps and limit-rpm.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/ratelimit
    """
    per_second, per_minute, multiplier = reader.get(RPS), reader.get(RPM), reader.get(MULTIPLIER)
    unlimited = reader.get(ALLOWLIST if reader.text(ALLOWLIST) else WHITELIST)
    rates = (
        [instead]
        if instead
        else [
            Rate(requests, period, min(requests * (multiplier or _DEFAULT_MULTIPLIER), MAX_BURST))
            for requests, period in ((per_second, 1), (per_minute, 60))
            if requests and requests > 0
        ]
    )
    if not rates or reader.ingress is None:
        return None
    return RateLimits(reader.ingress, tuple(sorted(rates)), unlimited or ())
