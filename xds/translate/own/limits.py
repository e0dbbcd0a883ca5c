"""rate-limit: how many requests of one client address are answered."""

import re
from typing import Final

from xds.traffic.rate_limits import MAX_BURST, Rate
from xds.translate.nginx import limits
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.grammars import NATURAL
from xds.translate.nginx.reader import AnnotationReader

_RATE: Final = re.compile(r"([0-9]+)/([smh])(?:,[ ]*burst=([0-9]+))?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def _rate(text: str) -> Rate:
    matched = _RATE.fullmatch(text.strip())
    if matched is None:
        raise InvalidValueError
    requests = NATURAL.parse(matched[1])
    burst = NATURAL.parse(matched[3]) if matched[3] else requests
    if not requests:
        raise InvalidValueError("0 would let nobody in")
    return Rate(requests, _SECONDS[matched[2]], min(burst, MAX_BURST))


RATE_LIMIT: Final = Annotation(
    "rate-limit",
    "limits",
    Grammar("N/s, N/m or N/h of a client address, with ,burst=N if more or less than N may come at once", _rate),
    prefix=OWN_PREFIX,
    instead=tuple(each.full_name for each in (limits.RPS, limits.RPM, limits.MULTIPLIER)),
)
ANNOTATIONS: Final = (RATE_LIMIT,)


def read(reader: AnnotationReader) -> Rate | None:
    """The rate; None where the annotation doesn't decide. limit-allowlist holds beside it."""
    return reader.get(RATE_LIMIT)
