"""proxy-connect-timeout and connection-proxy-header: connections to backends."""

from datetime import timedelta
from typing import Final

from xds.traffic.upstream import DEFAULT_UPSTREAM
from xds.translate.nginx.annotation import Annotation
from xds.translate.nginx.grammars import NATURAL, one_of
from xds.translate.nginx.reader import AnnotationReader

CONNECT_TIMEOUT: Final = Annotation("proxy-connect-timeout", "timeouts and retries", NATURAL, "5")
CONNECTION: Final = Annotation("connection-proxy-header", "headers", one_of("close", "keep-alive"))
ANNOTATIONS: Final = (CONNECT_TIMEOUT, CONNECTION)

_LONGEST: Final = timedelta(days=1)


def connect_timeout(reader: AnnotationReader) -> timedelta:
    """The time for a connection. 0, with which nginx would answer no request at all, counts as bad."""
    seconds = reader.get(CONNECT_TIMEOUT)
    if seconds == 0:
        reader.report_invalid(CONNECT_TIMEOUT, "no connection comes about in no time")
    return min(timedelta(seconds=seconds), _LONGEST) if seconds else DEFAULT_UPSTREAM.connect_timeout


def connection(reader: AnnotationReader) -> str:
    """The Connection header of requests to backends; empty: none. With either value no WebSocket comes about."""
    return reader.get(CONNECTION) or ""
