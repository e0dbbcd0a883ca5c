"""proxy-read-timeout and proxy-send-timeout: the silence that ends a request."""

from datetime import timedelta
from typing import Final

from xds.traffic.timeouts import Timeouts
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.grammars import SECONDS
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "timeouts and retries"
_BOTH_SIDES: Final = "WebSockets, and uploads that pause, end after the silence of all tries together"

READ: Final = Annotation(
    "proxy-read-timeout",
    _FAMILY,
    SECONDS,
    "an hour, or 60 with --compatibility ingress-nginx",
    verdict=Verdict.APPROXIMATE,
    note=f"{_BOTH_SIDES}; 0 is a bad value, which in ingress-nginx fails each request",
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
    received, sent = reader.get(READ), reader.get(SEND)
    if sent == _USUAL and not reader.text(SEND):
        sent = None
    from_client = int(reader.setting(_CLIENT_BODY) or _USUAL)
    return Timeouts(_bounded(received or 0), _bounded(max(sent or 0, from_client if from_client != _USUAL else 0)))


def _bounded(seconds: int) -> timedelta | None:
    return min(timedelta(seconds=seconds), _LONGEST) if seconds else None
