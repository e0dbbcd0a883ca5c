"""proxy-read-timeout and proxy-send-timeout: the silence that ends a request."""

from datetime import timedelta
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.actions import DirectAnswer
from xds.traffic.timeouts import Timeouts
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.connections import CONNECT_TIMEOUT
from xds.translate.nginx.grammars import SECONDS, is_zero
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "timeouts and retries"
_BOTH_SIDES: Final = "WebSockets, and uploads that pause, end after the silence of all tries together"

READ: Final = Annotation(
    "proxy-read-timeout",
    _FAMILY,
    SECONDS,
    "an hour, or 60 with --compatibility ingress-nginx",
    verdict=Verdict.APPROXIMATE,
    note=_BOTH_SIDES,
)
SEND: Final = Annotation(
    "proxy-send-timeout",
    _FAMILY,
    SECONDS,
    "an hour, or 60 with --compatibility ingress-nginx",
    verdict=Verdict.APPROXIMATE,
    note="the longer one of proxy-read-timeout and proxy-send-timeout ends uploads and WebSockets; 0 is a bad value, "
    "which in ingress-nginx fails each request",
)
ANNOTATIONS: Final = (READ, SEND)

_CLIENT_BODY: Final = "client-body-timeout"
_USUAL: Final = 60
"""Seconds of ingress-nginx for silence of any kind. The usual time for uploads prolongs no shorter one for answers."""

_LONGEST: Final = timedelta(days=365)


def read(reader: AnnotationReader) -> Timeouts:
    received = None if is_zero(reader.text(READ)) else reader.get(READ)
    sent = reader.get(SEND)
    if sent == _USUAL and not reader.text(SEND):
        sent = None
    from_client = int(reader.setting(_CLIENT_BODY) or _USUAL)
    return Timeouts(_bounded(received or 0), _bounded(max(sent or 0, from_client if from_client != _USUAL else 0)))


def failing(reader: AnnotationReader) -> DirectAnswer | None:
    """The answer of paths with a timeout of 0, in which no backend answers; None for others."""
    for annotation in (READ, CONNECT_TIMEOUT):
        if is_zero(reader.text(annotation)):
            message = f"{annotation.name} is 0, so the paths answer 504, as in ingress-nginx"
            remedy = "Write the seconds that a backend may take. For no bound, write a large number."
            reader.report(annotation.full_name, Reason.ANNOTATION_INVALID, message, remedy)
            return DirectAnswer(504)
    return None


def _bounded(seconds: int) -> timedelta | None:
    return min(timedelta(seconds=seconds), _LONGEST) if seconds else None
