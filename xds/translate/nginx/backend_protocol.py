"""backend-protocol: the protocol of requests to backends."""

from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.upstream import BackendProtocol
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import one_of
from xds.translate.nginx.reader import AnnotationReader

_FCGI: Final = "FCGI"
_AUTO_HTTP: Final = "AUTO_HTTP"


@dataclass(frozen=True, slots=True)
class SpokenProtocol:
    """The protocol of requests to the backends of an Ingress.

    Attributes:
        plain: Of requests that came by plain HTTP; None: the one that the port of the Service names.
        tls: Of requests that came by TLS; None: the same.
    """

    plain: BackendProtocol | None = None
    tls: BackendProtocol | None = None


_PROTOCOLS: Final = {
    "HTTP": SpokenProtocol(BackendProtocol.HTTP1),
    "HTTPS": SpokenProtocol(BackendProtocol.WSS),
    "GRPC": SpokenProtocol(BackendProtocol.H2C),
    "GRPCS": SpokenProtocol(BackendProtocol.GRPCS),
    _AUTO_HTTP: SpokenProtocol(BackendProtocol.HTTP1, BackendProtocol.WSS),
}
"""By the word in upper case. nginx speaks HTTP/1.1 to backends, over TLS too."""


def _word(value: str) -> str:
    word = value.strip(" ").upper()
    if word not in _PROTOCOLS and word != _FCGI:
        raise InvalidValueError
    return word


PROTOCOL: Final = Annotation(
    "backend-protocol",
    "protocols",
    Grammar("HTTP, HTTPS, GRPC, GRPCS or AUTO_HTTP", _word),
    "the appProtocol of the Service's port, else HTTP",
    note="but for FCGI, with which the paths answer 503: Envoy speaks no FastCGI",
)
HTTP_VERSION: Final = Annotation(
    "proxy-http-version",
    "protocols",
    one_of("1.0", "1.1"),
    "1.1",
    verdict=Verdict.APPROXIMATE,
    note="1.0 is refused, as Envoy speaks no HTTP/1.0 to backends",
)
ANNOTATIONS: Final = (PROTOCOL, HTTP_VERSION)


def read(reader: AnnotationReader) -> SpokenProtocol | None:
    """The protocol; None, with a problem, for one that Envoy doesn't speak.

    The annotation precedes the appProtocol of the Service's port: the annotation is about the paths of its Ingress.
    """
    if reader.get(HTTP_VERSION) == "1.0":
        message = "proxy-http-version 1.0 has no effect here: Envoy speaks HTTP/1.1 to backends"
        remedy = "Remove the annotation. Nearly every backend understands HTTP/1.1."
        reader.report(HTTP_VERSION.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    word = reader.get(PROTOCOL)
    if word != _FCGI:
        return _PROTOCOLS[word] if word else SpokenProtocol()
    reason = Reason.BACKEND_PROTOCOL_UNSUPPORTED
    message = f"annotation {shown(PROTOCOL.full_name)} asks for FastCGI, so the paths of the Ingress answer 503"
    reader.report(PROTOCOL.full_name, reason, message, reason.remedy)
    return None
