"""ssl-passthrough under our own name, and the PROXY protocol for backends of connections that are passed through."""

from typing import Final

from xds.traffic.upstream import ProxyHeader
from xds.translate.nginx import passthrough
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, AnyAnnotation, Grammar, InvalidValueError, Scope
from xds.translate.nginx.grammars import BOOLEAN


def _header(value: str) -> ProxyHeader:
    try:
        return ProxyHeader(value.strip().lower())
    except ValueError:
        raise InvalidValueError from None


PASSTHROUGH: Final = Annotation(
    passthrough.PASSTHROUGH.name,
    "passthrough",
    BOOLEAN,
    "false",
    Scope.HOST,
    prefix=OWN_PREFIX,
    instead=(passthrough.PASSTHROUGH.full_name,),
)
PROXY_PROTOCOL: Final = Annotation(
    "tls-passthrough-proxy-protocol",
    "passthrough",
    Grammar("v1 or v2, the version of the header that tells the client's address to the backend", _header),
    "no header",
    Scope.HOST,
    prefix=OWN_PREFIX,
)
ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (PASSTHROUGH, PROXY_PROTOCOL)
