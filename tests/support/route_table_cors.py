"""The route table of CORS: the requests that are preflights, and the answers that they precede."""

from tests.support.objects import certificate, ingress, path, rule, secret, specific, tls
from tests.support.route_case import REDIRECTED, UNAVAILABLE, Table, http, services
from tests.support.route_table_annotations import annotated, canary
from xds.translate.nginx.annotation import OWN_PREFIX

_ANY = annotated(enable_cors="true")
_LIST = annotated(enable_cors="true", cors_allow_origin="https://*.a.test, http://b.test:8080, null")
_LONG = annotated(
    enable_cors="true", cors_allow_origin=",".join(f"https://*.kiosk-{each}.example.com" for each in range(20))
)
_HTTPS = annotated(force_ssl_redirect="true")
PREFLIGHT = 204

CORS = Table(
    "cors",
    (
        ingress("any", rule("a.test", path("/any")), default="other", annotations=_ANY),
        ingress("long", rule("a.test", path("/any/long")), annotations=_LONG),
        ingress("plain", rule("a.test", path("/any/plain"))),
        ingress("bad", rule("a.test", path("/bad")), annotations=_ANY | annotated(cors_allow_origin="https://a.test/")),
        ingress("moved", rule("a.test", path("/moved")), annotations=_LIST | annotated(permanent_redirect="/x")),
        ingress("gone", rule("a.test", path("/gone", "gone")), annotations=_ANY),
        ingress("closed", rule("a.test", path("/closed")), annotations=_ANY | annotated(auth_snippet="deny all;")),
        ingress("own", rule("a.test", path("/own")), annotations=_ANY | {f"{OWN_PREFIX}answer": "410 gone"}),
        ingress("slow", rule("a.test", path("/slow")), annotations=_ANY | annotated(proxy_read_timeout="0")),
        ingress("list", rule("b.test", path("/")), annotations=_LIST),
        ingress("one", rule("b.test", path("/one")), annotations=_ANY | annotated(cors_allow_origin="https://a.test")),
        ingress("canary", rule("b.test", path("/", "next")), annotations=canary(canary_by_header="X-Canary")),
        ingress("https", rule("c.test", path("/a/b")), annotations=_LIST | _HTTPS),
        ingress("https-plain", rule("c.test", path("/a"), path("/a/b/c")), annotations=_HTTPS),
        ingress("https-root", rule("c.test", path("/")), annotations=_ANY | _HTTPS),
        ingress("https-default", rule("d.test", path("/a")), default="other", annotations=_ANY | _HTTPS),
        ingress("https-other", rule("d.test", path("/a/b")), annotations=_HTTPS),
        ingress("wild", rule("*.w.test", path("/")), annotations=_LIST | _HTTPS),
        ingress("rooted", rule("r.test", path("/")), annotations=_ANY | annotated(app_root="/app")),
        ingress("alias", rule("e.test", path("/")), annotations=_ANY | annotated(server_alias="f.test")),
        ingress("www", rule("g.test", path("/")), annotations=_ANY | annotated(from_to_www_redirect="true")),
        ingress("regex", rule("h.test", specific("/x[0-9]")), annotations=_LIST | annotated(use_regex="true")),
    ),
    services("web", "next", "other"),
    (
        http("a.test", "/any", "web"),
        http("a.test", "/any", PREFLIGHT, "any origin, and none", method="OPTIONS"),
        http("a.test", "/any/x", PREFLIGHT, method="OPTIONS", Origin="https://o.test"),
        http("a.test", "/any/long", "web", method="OPTIONS"),
        http("a.test", "/any/long", PREFLIGHT, method="OPTIONS", Origin="https://x.kiosk-0.example.com"),
        http("a.test", "/any/long", PREFLIGHT, method="OPTIONS", Origin="https://x.KIOSK-19.example.com"),
        http("a.test", "/any/long", "web", method="OPTIONS", Origin="https://x.kiosk-20.example.com"),
        http("a.test", "/any/plain", "web", "the path of another Ingress", method="OPTIONS"),
        http("a.test", "/bad", "web", "a list that can't be read", method="OPTIONS", Origin="https://a.test"),
        http("a.test", "/moved", 301),
        http("a.test", "/moved", 301, method="OPTIONS"),
        http("a.test", "/moved", PREFLIGHT, "before a redirect", method="OPTIONS", Origin="null"),
        http("a.test", "/gone", UNAVAILABLE),
        http("a.test", "/gone", PREFLIGHT, method="OPTIONS"),
        http("a.test", "/closed", UNAVAILABLE, "what is closed has no preflight", method="OPTIONS"),
        http("a.test", "/own", 410),
        http("a.test", "/own", PREFLIGHT, method="OPTIONS"),
        http("a.test", "/slow", 504),
        http("a.test", "/slow", PREFLIGHT, method="OPTIONS"),
        http("a.test", "/none", "other"),
        http("a.test", "/none", PREFLIGHT, "the default backend", method="OPTIONS"),
        http("b.test", "/", "web", method="OPTIONS"),
        http("b.test", "/", PREFLIGHT, method="OPTIONS", Origin="HTTPS://x-1.A.test"),
        http("b.test", "/", PREFLIGHT, method="OPTIONS", Origin="http://b.test:8080"),
        http("b.test", "/", "web", "a wildcard is one label", method="OPTIONS", Origin="https://x.y.a.test"),
        http("b.test", "/", "web", method="OPTIONS", Origin="https://a.test"),
        http("b.test", "/", "web", method="OPTIONS", Origin="xhttps://x.a.test"),
        http("b.test", "/", "web", method="OPTIONS", Origin="https://x.a.test.evil.test"),
        http("b.test", "/", "web", method="OPTIONS", Origin="http://b.test"),
        http("b.test", "/", "next", method="OPTIONS", X_Canary="always"),
        http("b.test", "/", PREFLIGHT, "a canary", method="OPTIONS", X_Canary="always", Origin="null"),
        http("b.test", "/", "next", X_Canary="always", Origin="null"),
        http("b.test", "/one", PREFLIGHT, method="OPTIONS", Origin="https://A.test"),
        http("b.test", "/one", "web", method="OPTIONS", Origin="https://a.test:443"),
        http("c.test", "/a/b", REDIRECTED, Origin="null"),
        http("c.test", "/a/b", REDIRECTED, method="OPTIONS"),
        http("c.test", "/a/b", PREFLIGHT, "before HTTPS", method="OPTIONS", Origin="null"),
        http("c.test", "/a", REDIRECTED, "no shorter path answers", method="OPTIONS", Origin="null"),
        http("c.test", "/a/b/c", REDIRECTED, "nor does one", method="OPTIONS", Origin="null"),
        http("c.test", "/x", PREFLIGHT, method="OPTIONS"),
        http("c.test", "/x", REDIRECTED),
        http("d.test", "/a/b", REDIRECTED, method="OPTIONS"),
        http("d.test", "/a", PREFLIGHT, method="OPTIONS"),
        http("d.test", "/x", PREFLIGHT, method="OPTIONS"),
        http("d.test", "/x", REDIRECTED),
        http("x.w.test", "/", PREFLIGHT, method="OPTIONS", Origin="null"),
        http("x.w.test", "/", REDIRECTED, method="OPTIONS"),
        http("x.y.w.test", "/", "other", "two labels", method="POST", Origin="null"),
        http("x.y.w.test", "/", PREFLIGHT, "the default backend again", method="OPTIONS", Origin="null"),
        http("r.test", "/", 302, "app-root comes first", method="OPTIONS"),
        http("r.test", "/x", PREFLIGHT, method="OPTIONS"),
        http("f.test", "/", PREFLIGHT, method="OPTIONS"),
        http("www.g.test", "/", REDIRECTED, "another host comes first", method="OPTIONS"),
        http("g.test", "/", PREFLIGHT, method="OPTIONS"),
        http("h.test", "/x1/y", PREFLIGHT, method="OPTIONS", Origin="null"),
        http("h.test", "/x1/y", "web", method="OPTIONS"),
    ),
)

CORS_HTTPS = Table(
    "cors-https",
    (
        ingress(
            "list",
            rule("a.test", path("/"), path("/.well-known/acme-challenge/", "solver")),
            tls=[tls("a.test", secret="a")],
            annotations=_LIST,
        ),
        ingress("plain", rule("a.test", path("/plain"))),
    ),
    services("web", "solver"),
    (
        http("a.test", "/", REDIRECTED),
        http("a.test", "/", REDIRECTED, method="OPTIONS"),
        http("a.test", "/", PREFLIGHT, method="OPTIONS", Origin="null"),
        http("a.test", "/plain", REDIRECTED, method="OPTIONS", Origin="null"),
        http("a.test", "/.well-known/acme-challenge/x", "solver"),
        http("a.test", "/.well-known/acme-challenge/x", "solver", Origin="null"),
        http("a.test", "/.well-known/acme-challenge/x", "solver", method="OPTIONS"),
        http("a.test", "/.well-known/acme-challenge/x", PREFLIGHT, method="OPTIONS", Origin="null"),
        http("a.test", "/.well-known/acme-challenge", REDIRECTED),
    ),
    secrets=(secret("a", certificate("a.test")),),
    redirect_https=True,
)
