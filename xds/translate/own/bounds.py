"""request-timeout, idle-timeout, retries and max-body-size: bounds of requests."""

import re
from datetime import timedelta
from typing import Final

from xds.traffic.bodies import Bodies
from xds.traffic.retries import NO_RETRIES, Retries
from xds.translate.nginx import bodies, retries, timeouts
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.own.durations import duration

_FAMILY: Final = "bounds of requests"
_OFF: Final = "off"
_LONGEST: Final = timedelta(days=365)
_SIZE: Final = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|)")
_UNITS: Final = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_RETRIES: Final = re.compile(r"([0-9]{1,2})(?:,(connect|5xx|gateway|reset))?")
_STATUSES: Final = {"5xx": tuple(range(500, 600)), "gateway": (502, 503, 504)}
_MAX_RETRIES: Final = 10


def _timeout(text: str) -> timedelta:
    """The duration; zero for none."""
    if text.strip() == _OFF:
        return timedelta(0)
    found = duration(text)
    if not timedelta(0) < found <= _LONGEST:
        raise InvalidValueError("it is zero, or more than a year")
    return found


def _size(text: str) -> Bodies:
    if text.strip() == _OFF:
        return Bodies()
    matched = _SIZE.fullmatch(text.strip())
    size = int(matched[1]) * _UNITS[matched[2]] if matched else 0
    if not 0 < size <= bodies.MAX_BYTES:
        raise InvalidValueError
    return Bodies(size)


def _retries(text: str) -> Retries:
    matched = _RETRIES.fullmatch(text.strip())
    if matched is None or int(matched[1]) > _MAX_RETRIES:
        raise InvalidValueError
    tries, on = int(matched[1]) + 1, matched[2]
    if tries == 1:
        return NO_RETRIES
    return Retries(tries, on_error=on == "reset", on_unsent=True, on_statuses=_STATUSES.get(on, ()))


_DURATION: Final = Grammar("a duration like 500ms, 15s, 2m or 1h, or off", _timeout)

REQUEST_TIMEOUT: Final = Annotation("request-timeout", _FAMILY, _DURATION, _OFF, prefix=OWN_PREFIX)
IDLE_TIMEOUT: Final = Annotation(
    "idle-timeout",
    _FAMILY,
    _DURATION,
    "1h",
    prefix=OWN_PREFIX,
    instead=(timeouts.READ.full_name, timeouts.SEND.full_name),
)
RETRIES: Final = Annotation(
    "retries",
    _FAMILY,
    Grammar(f"a number of retries up to {_MAX_RETRIES}, and after a comma connect, 5xx, gateway or reset", _retries),
    "2,connect, and reset for GET, HEAD, OPTIONS, TRACE and DELETE without a body",
    prefix=OWN_PREFIX,
    instead=(retries.NEXT_UPSTREAM.full_name, retries.TRIES.full_name),
)
MAX_BODY_SIZE: Final = Annotation(
    "max-body-size",
    _FAMILY,
    Grammar("a number of bytes, or a number with Ki, Mi or Gi, or off", _size),
    _OFF,
    prefix=OWN_PREFIX,
    instead=(bodies.BODY_SIZE.full_name,),
)
ANNOTATIONS: Final = (REQUEST_TIMEOUT, IDLE_TIMEOUT, RETRIES, MAX_BODY_SIZE)


def request_timeout(reader: AnnotationReader) -> timedelta | None:
    """The time for a whole answer; None for no bound."""
    return reader.get(REQUEST_TIMEOUT) or None


def idle_timeout(reader: AnnotationReader) -> timedelta | None:
    """The silence that ends a request, zero for none; None without a valid annotation."""
    return reader.get(IDLE_TIMEOUT)


def bodies_of(reader: AnnotationReader) -> Bodies | None:
    """The bound of bodies; None without a valid annotation."""
    return reader.get(MAX_BODY_SIZE)


def retries_of(reader: AnnotationReader) -> Retries | None:
    """The retries; None without a valid annotation."""
    return reader.get(RETRIES)
