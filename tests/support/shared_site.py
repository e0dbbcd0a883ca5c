"""Ingresses and routes of a Gateway on the same hosts."""

from typing import Any, Final

from tests.support.authority import Authority
from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener, parent
from tests.support.objects import ingress, path, rule, secret_of, service, tls
from tests.support.route_table_annotations import annotated
from xds.kube.objects import KubeObject
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

SHARED: Final = "192.0.2.100"
OPTIONS: Final = TranslateOptions(
    gateway=GatewayOptions(listener_address="127.0.0.1", shared_addresses=frozenset({SHARED, "127.0.0.1"})),
    is_compatible=True,
)
SERVICES: Final = tuple(service(name) for name in ("old", "new", "wide", "any"))

_ISSUED: Final = Authority("edge").issue("*.example.com", "*.b.example.com")
_REGEX: Final = annotated(use_regex="true")
_TLS: Final = tls("tls.example.com", secret="cert")
_TERMINATED: Final = {"mode": "Terminate", "certificateRefs": [{"name": "cert"}]}
_EDGE: Final = gateway(
    listener(),
    listener("shop.example.com", name="https", port=443, protocol="HTTPS", tls=_TERMINATED),
    listener("*.example.com", name="wide", port=443, protocol="HTTPS", tls=_TERMINATED),
    addresses=[{"type": "IPAddress", "value": SHARED}],
)

_EDGES: Final = parent()


def _at(prefix: str, name: str) -> dict[str, Any]:
    return to(name, matches=[{"path": {"value": prefix}}])


OBJECTS: Final[tuple[KubeObject, ...]] = (
    gateway_class(),
    _EDGE,
    secret_of("cert", _ISSUED.certificate, _ISSUED.private_key),
    ingress("shop", rule("shop.example.com", path("/a", "old")), created=1),
    ingress("narrow", rule("*.b.example.com", path("/", "old")), created=1),
    ingress("regex", rule("regex.example.com", path("/a.*", "old")), annotations=_REGEX, created=1),
    ingress("open", rule(None, path("/open", "old")), created=1),
    ingress("secured", rule("tls.example.com", path("/", "old")), tls=[_TLS], created=1),
    http_route(_at("/a", "new"), _at("/a/b", "new"), hostnames=["shop.example.com"], parentRefs=_EDGES, name="shop"),
    http_route(_at("/", "wide"), _at("/wide", "wide"), hostnames=["*.example.com"], parentRefs=_EDGES, name="wide"),
    http_route(_at("/abc", "new"), _at("/z", "new"), hostnames=["regex.example.com"], parentRefs=_EDGES, name="regex"),
    http_route(_at("/any", "any"), parentRefs=_EDGES, name="any"),
)
"""Each may be deleted, and come back."""

HOSTS: Final = (
    "shop.example.com",
    "x.y.z.example.com",
    "regex.example.com",
    "tls.example.com",
    "x.example.com",
    "x.b.example.com",
    "x.y.b.example.com",
    "x.y.example.com",
    "example.com",
    "other.test",
)
PATHS: Final = ("/", "/a", "/a/b", "/abc", "/z", "/wide", "/open", "/any")
