"""The route table of the Gateway API: HTTPRoutes of one Gateway, and the answers that they promise.

The pure matcher (tests/explain) and a real Envoy (tests/e2e) run the table. A Service's name tells the Service that
answered. In a Location, `{port}` stands for the port of the listener, which isn't 80.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#httproute
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.objects import service
from xds.kube.gateway_objects import Gateway, GatewayClass, GRPCRoute, HTTPRoute
from xds.kube.objects import KubeObject, Service
from xds.translate.gateway.options import CONTROLLER

ADDRESS: Final = "127.0.0.2"


@dataclass(frozen=True)
class GatewayCase:
    """A request and its answer.

    Attributes:
        expected: The name of the Service, or a status.
        sent: The path that the Service is sent; empty: the request's.
        location: Of a redirect.
    """

    authority: str
    path: str
    expected: str | int
    sent: str = ""
    location: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return " ".join(
            (self.method, f"{self.authority}{self.path}", *(f"{name}: {each}" for name, each in self.headers))
        )

    @property
    def status(self) -> int:
        return self.expected if isinstance(self.expected, int) else 200

    @property
    def service(self) -> str:
        return self.expected if isinstance(self.expected, str) else ""


def asked(
    url: str, expected: str | int, *, sent: str = "", location: str = "", method: str = "GET", **headers: str
) -> GatewayCase:
    """Names of headers have underscores for hyphens."""
    authority, slash, path = url.partition("/")
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return GatewayCase(authority, f"{slash}{path}", expected, sent, location, method, given)


def route(name: str, *rules: dict[str, Any], listener: str = "", hosts: tuple[str, ...] = ()) -> HTTPRoute:
    parent = {"name": "gate"} | ({"sectionName": listener} if listener else {})
    spec: dict[str, Any] = {"hostnames": list(hosts)} if hosts else {}
    return http_route(*rules, name=name, parentRefs=[parent], **spec)


def _calls() -> GRPCRoute:
    parents = [{"name": "gate", "sectionName": "calls"}]
    found = gateway_object(GRPCRoute, "calls", parentRefs=parents, rules=list(CALLS))
    assert isinstance(found, GRPCRoute)
    return found


def at(path: str, type_: str = "PathPrefix", **match: Any) -> dict[str, Any]:
    return {"path": {"type": type_, "value": path}, **match}


def named(name: str, value: str, type_: str = "Exact") -> dict[str, str]:
    return {"name": name, "value": value, "type": type_}


def redirect(**fields: Any) -> list[dict[str, Any]]:
    return [{"type": "RequestRedirect", "requestRedirect": fields}]


def rewrite(**fields: Any) -> list[dict[str, Any]]:
    return [{"type": "URLRewrite", "urlRewrite": fields}]


def prefix(text: str) -> dict[str, Any]:
    return {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": text}}


def full(text: str) -> dict[str, Any]:
    return {"path": {"type": "ReplaceFullPath", "replaceFullPath": text}}


def gateway(port: int) -> tuple[KubeObject, ...]:
    """A Gateway at ADDRESS, with a listener for each of four hostnames."""
    listeners = [
        {"name": "any", "port": port, "protocol": "HTTP"},
        {"name": "wide", "port": port, "protocol": "HTTP", "hostname": "*.wide.test"},
        {"name": "exact", "port": port, "protocol": "HTTP", "hostname": "exact.wide.test"},
        {"name": "calls", "port": port, "protocol": "HTTP", "hostname": "calls.test"},
    ]
    return (
        gateway_object(GatewayClass, "ours", "", controllerName=CONTROLLER),
        gateway_object(Gateway, "gate", gatewayClassName="ours", listeners=listeners),
    )


MATCHES: Final = (
    to("prefix", matches=[at("/a")]),
    to("longer", matches=[at("/a/b/")]),
    to("same", matches=[at("/a", "Exact")]),
    to("expression", matches=[at("/x/[0-9]+", "RegularExpression"), at(".*/end", "RegularExpression")]),
    to("expressed", matches=[at("/x")]),
    to("escaped", matches=[at("/e/%C3%A4 b"), at("/e/%7Eu")]),
    to("post", matches=[at("/m", method="POST")]),
    to("deleted", matches=[at("/m", method="DELETE", headers=[named("h", "1")])]),
    to("one", matches=[at("/m", headers=[named("Version", "1")])]),
    to("two", matches=[at("/m", headers=[named("version", "1"), named("colour", "gr[ae]y", "RegularExpression")])]),
    to("query", matches=[at("/m", queryParams=[named("q", "a b")])]),
    to("asked", matches=[at("/m", queryParams=[named("q", "x.z", "RegularExpression"), named("e", "1")])]),
    to("plain", matches=[at("/m")]),
    to("method", matches=[at("/n", method="GET")]),
    to("header", matches=[at("/n", headers=[named("a", "1"), named("b", "1"), named("c", "1")])]),
    to("host", matches=[at("/h", headers=[named("host", "m.test")])]),
)

ANSWERS: Final = (
    to("absent", matches=[at("/absent")]),
    to("web:81", matches=[at("/port")]),
    to("web*0", matches=[at("/zero")]),
    to(matches=[at("/none")]),
    to("absent", "web*0", matches=[at("/both")]),
    to("kept", "absent*0", matches=[at("/kept")]),
    to("kept", matches=[at("/unknown")], filters=[{"type": "Novel"}]),
    to("kept", matches=[at("/invalid", "Glob")]),
    to("empty", matches=[at("/empty")]),
)

REDIRECTS: Final = (
    {"matches": [at("/plain")], "filters": redirect()},
    {"matches": [at("/host")], "filters": redirect(hostname="example.org", statusCode=301)},
    {"matches": [at("/scheme")], "filters": redirect(scheme="https", statusCode=308)},
    {"matches": [at("/both")], "filters": redirect(scheme="https", hostname="example.org", port=443, statusCode=307)},
    {"matches": [at("/port")], "filters": redirect(port=8443, statusCode=303)},
    {"matches": [at("/http")], "filters": redirect(hostname="example.org", scheme="http")},
    {"matches": [at("/pre/fix")], "filters": redirect(**prefix("/new"))},
    {"matches": [at("/strip")], "filters": redirect(**prefix("/"))},
    {"matches": [at("/full")], "filters": redirect(**full("/100%/done"))},
)

REWRITES: Final = (
    to("moved", matches=[at("/foo")], filters=rewrite(**prefix("/xyz/"))),
    to("bare", matches=[at("/strip/")], filters=rewrite(**prefix(""))),
    to("whole", matches=[at("/full")], filters=rewrite(hostname="upstream.test", **full("/50%/a b"))),
    to("rooted", matches=[at("/")], filters=rewrite(**prefix("/root"))),
)


def cors(**values: Any) -> list[dict[str, Any]]:
    return [{"type": "CORS", "cors": {"allowMethods": ["PUT"], **values}}]


SITES: Final = (
    to("listed", matches=[at("/listed")], filters=cors(allowOrigins=["https://a.test", "https://*.b.test:8443"])),
    to("anyone", matches=[at("/any")], filters=cors(allowOrigins=["*"])),
    to("known", matches=[at("/known")], filters=cors(allowOrigins=["*"], allowCredentials=True)),
    to("nobody", matches=[at("/nobody")], filters=cors()),
    {"matches": [at("/moved")], "filters": [*cors(allowOrigins=["https://a.test"]), *redirect()]},
)

CALLS: Final = (
    to("service", matches=[{"method": {"service": "a.B"}}]),
    to("both", matches=[{"method": {"service": "a.B", "method": "Get"}}]),
    to("called", matches=[{"method": {"method": "Get"}}]),
    to("marked", matches=[{"headers": [named("a", "1"), named("b", "1")]}]),
    to("pattern", matches=[{"method": {"type": "RegularExpression", "service": "re[.][a-z]+", "method": "G.t"}}]),
    to("absent", matches=[{"method": {"service": "a.Absent"}}]),
)

ROUTES: Final[tuple[HTTPRoute | GRPCRoute, ...]] = (
    route("sites", *SITES, hosts=("sites.test",)),
    _calls(),
    route("matches", *MATCHES, hosts=("m.test",)),
    route("answers", *ANSWERS, hosts=("answers.test",)),
    route("redirects", *REDIRECTS, hosts=("redirects.test", "*.redirects.test")),
    route("rewrites", *REWRITES, hosts=("rewrites.test",)),
    route("deep", to("deep"), hosts=("*.deep.test",)),
    route("deeper", to("deeper", matches=[at("/a")]), hosts=("*.b.deep.test",)),
    route("every", to("every", matches=[at("/every")]), listener="any"),
    route("wide", to("wide", matches=[at("/wide")]), listener="wide"),
    route("inwide", to("inwide", matches=[at("/in")]), listener="wide", hosts=("in.wide.test", "exact.wide.test")),
    route("exact", to("exact", matches=[at("/exact")]), listener="exact"),
)

_TOGETHER: Final = (
    ("prefix", "longer", "same", "expression", "expressed", "escaped", "post", "deleted", "one", "two", "query"),
    ("asked", "plain", "method", "header", "host", "web", "kept", "moved", "bare", "whole", "rooted"),
    ("deep", "deeper", "every", "wide", "inwide", "exact", "listed", "anyone", "known", "nobody"),
)
_OF_CALLS: Final = ("service", "both", "called", "marked", "pattern")
BACKENDS: Final[tuple[Service, ...]] = (
    *(service(name) for names in _TOGETHER for name in names),
    # The backends of the tests speak HTTP/1.1.
    *(service(name, {"port": 80, "appProtocol": "http"}) for name in _OF_CALLS),
)
EMPTY: Final = service("empty")
"""A Service without endpoints."""

_PORT: Final = "{port}"


def preflight(path: str, origin: str, status: int) -> GatewayCase:
    return asked(f"sites.test/{path}/x", status, method="OPTIONS", origin=origin, access_control_request_method="PUT")


CASES: Final = (
    asked("m.test/a", "same"),
    asked("m.test/a/", "prefix"),
    asked("m.test/a/x", "prefix"),
    asked("m.test/ab", 404),
    asked("m.test/A", 404),
    asked("m.test/a/b", "longer"),
    asked("m.test/a/b/c", "longer"),
    asked("m.test/a/bc", "prefix"),
    asked("m.test/q/../a", "same"),
    asked("m.test/a//b", "longer"),
    asked("m.test/a?x=/a/b", "same"),
    asked("m.test/x/12", "expression"),
    asked("m.test/x/12/3", "expressed"),
    asked("m.test/x/end", "expression"),
    asked("m.test/X/12", 404),
    asked("m.test/y/z/end", "expression"),
    asked("m.test/e/%C3%A4%20b", "escaped"),
    asked("m.test/e/%c3%a4%20b", 404),
    asked("m.test/e/~u", "escaped"),
    asked("m.test/e/%7eu", "escaped"),
    asked("m.test/m", "plain"),
    asked("m.test/m", "post", method="POST"),
    asked("m.test/m", "post", method="POST", version="1", colour="gray"),
    asked("m.test/m", "plain", method="DELETE"),
    asked("m.test/m", "deleted", method="DELETE", h="1"),
    asked("m.test/m", "one", version="1"),
    asked("m.test/m", "plain", version="12"),
    asked("m.test/m", "two", version="1", colour="grey"),
    asked("m.test/m", "one", version="1", colour="greyish"),
    asked("m.test/m?q=a%20b", "plain"),
    asked("m.test/m?q=xyz&e=1", "asked"),
    asked("m.test/m?e=1&q=xyz&q=other", "asked"),
    asked("m.test/m?e=1&q=other&q=xyz", "plain"),
    asked("m.test/m?q=wxyz&e=1", "plain"),
    asked("m.test/m?Q=xyz&e=1", "plain"),
    asked("m.test/m?q=xyz&e", "plain"),
    asked("m.test/n", "method", a="1", b="1", c="1"),
    asked("m.test/n", "header", method="PUT", a="1", b="1", c="1"),
    asked("m.test/h", "host"),
    asked("m.test:99/h", 404),
    asked("answers.test/absent", 500),
    asked("answers.test/port", 500),
    asked("answers.test/zero", 500),
    asked("answers.test/none", 500),
    asked("answers.test/both", 500),
    asked("answers.test/kept", "kept"),
    asked("answers.test/unknown", 500),
    asked("answers.test/invalid", 404),
    asked("answers.test/empty", 503),
    asked("redirects.test/plain/x?q=1", 302, location=f"http://redirects.test:{_PORT}/plain/x?q=1"),
    asked("redirects.test:99/plain", 302, location=f"http://redirects.test:{_PORT}/plain"),
    asked("x.redirects.test:99/plain", 302, location=f"http://x.redirects.test:{_PORT}/plain"),
    asked("redirects.test/host/x?q=1", 301, location=f"http://example.org:{_PORT}/host/x?q=1"),
    asked("redirects.test:99/scheme", 308, location="https://redirects.test/scheme"),
    asked("x.redirects.test/scheme", 308, location="https://x.redirects.test:443/scheme"),
    asked("redirects.test/both", 307, location="https://example.org/both"),
    asked("redirects.test/port", 303, location="http://redirects.test:8443/port"),
    asked("x.redirects.test/port", 303, location="http://x.redirects.test:8443/port"),
    asked("redirects.test/http", 302, location="http://example.org/http"),
    asked("redirects.test/pre/fix", 302, location=f"http://redirects.test:{_PORT}/new"),
    asked("redirects.test/pre/fix/?q", 302, location=f"http://redirects.test:{_PORT}/new/?q"),
    asked("redirects.test/pre/fix/a/b", 302, location=f"http://redirects.test:{_PORT}/new/a/b"),
    asked("redirects.test/strip", 302, location=f"http://redirects.test:{_PORT}/"),
    asked("redirects.test/strip/a/b?q=1", 302, location=f"http://redirects.test:{_PORT}/a/b?q=1"),
    asked("redirects.test/full/x?q=1", 302, location=f"http://redirects.test:{_PORT}/100%/done?q=1"),
    asked("rewrites.test/foo", "moved", sent="/xyz"),
    asked("rewrites.test/foo/", "moved", sent="/xyz/"),
    asked("rewrites.test/foo/bar?q=1", "moved", sent="/xyz/bar?q=1"),
    asked("rewrites.test/strip", "bare", sent="/"),
    asked("rewrites.test/strip/", "bare", sent="/"),
    asked("rewrites.test/strip/bar", "bare", sent="/bar"),
    asked("rewrites.test/full/x?q=1", "whole", sent="/50%/a%20b?q=1"),
    asked("rewrites.test/", "rooted", sent="/root/"),
    asked("rewrites.test/z", "rooted", sent="/root/z"),
    asked("a.deep.test/", "deep"),
    asked("a.b.deep.test/", "deep"),
    asked("a.b.deep.test/a", "deeper"),
    asked("x.a.b.deep.test/a/b", "deeper"),
    asked("deep.test/every", "every"),
    asked("deep.test/", 404),
    asked("UNKNOWN.test/every", "every"),
    asked("a.wide.test/wide", "wide"),
    asked("a.b.wide.test/wide", "wide"),
    asked("a.wide.test/every", 404),
    asked("in.wide.test/in", "inwide"),
    asked("in.wide.test/wide", "wide"),
    asked("exact.wide.test/exact", "exact"),
    asked("exact.wide.test/wide", 404),
    asked("exact.wide.test/in", 404),
    asked("x.exact.wide.test/wide", "wide"),
    asked("wide.test/every", "every"),
    preflight("listed", "https://a.test", 204),
    preflight("listed", "https://x.y.b.test:8443", 204),
    preflight("listed", "HTTPS://A.test", 204),
    preflight("listed", "https://b.test:8443", 403),
    preflight("listed", "https://x.b.test", 403),
    preflight("listed", "https://a.test.evil.test", 403),
    preflight("any", "null", 204),
    preflight("known", "https://any.test", 204),
    preflight("nobody", "https://a.test", 403),
    preflight("nobody", "-x", 403),
    preflight("moved", "https://a.test", 204),
    preflight("moved", "https://b.test", 403),
    asked("sites.test/listed", "listed", method="OPTIONS", origin="https://a.test"),
    asked("sites.test/listed", "listed", method="OPTIONS", access_control_request_method="PUT"),
    asked("sites.test/nobody", "nobody", method="OPTIONS"),
    asked("sites.test/known", "known", method="PUT", origin="https://any.test", access_control_request_method="PUT"),
    asked("sites.test/listed", "listed", origin="https://evil.test"),
    asked("calls.test/a.B/Put", "service", method="POST"),
    asked("calls.test/a.B/Get", "both", method="POST"),
    asked("calls.test/a.Bc/Put", 404, method="POST"),
    asked("calls.test/x.Y/Get", "called", method="POST"),
    asked("calls.test/x.Y/Get", "called", method="POST", a="1", b="1"),
    asked("calls.test/x.Y/Put", "marked", method="POST", a="1", b="1"),
    asked("calls.test/x.Y/xGet", 404, method="POST"),
    asked("calls.test/re.x/Get", "pattern", method="POST"),
    asked("calls.test/re.x/Got", "pattern", method="POST"),
    asked("calls.test/re.X/Got", 404, method="POST"),
    asked("calls.test/a.Absent/Get", 503, method="POST"),
)
