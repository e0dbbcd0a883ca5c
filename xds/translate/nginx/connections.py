"""proxy-connect-timeout and connection-proxy-header: connections to backends."""

from datetime import timedelta
from typing import Final

from xds.traffic.upstream import DEFAULT_UPSTREAM
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.grammars import SECONDS, is_zero, one_of
from xds.translate.nginx.reader import AnnotationReader

CONNECT_TIMEOUT: Final = Annotation("proxy-connect-timeout", "timeouts and retries", SECONDS, "5")
CONNECTION: Final = Annotation(
    "connection-proxy-header",
    "headers",
    one_of("close", "keep-alive"),
    verdict=Verdict.APPROXIMATE,
    note="backends to which HTTP/2 is or may be spoken get none, as HTTP/2 forbids the header",
)
ANNOTATIONS: Final = (CONNECT_TIMEOUT, CONNECTION)

_LONGEST: Final = timedelta(days=1)


def connect_timeout(reader: AnnotationReader) -> timedelta:
    """The time for a connection."""
    seconds = None if is_zero(reader.text(CONNECT_TIMEOUT)) else reader.get(CONNECT_TIMEOUT)
    return min(timedelta(seconds=seconds), _LONGEST) if seconds else DEFAULT_UPSTREAM.connect_timeout


def connection(reader: AnnotationReader) -> str:
    """The Connection header of requests to backends; empty: none. With either value no WebSocket comes about."""
    return reader.get(CONNECTION) or ""
