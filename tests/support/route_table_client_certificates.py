"""The route table of client certificates: requests of clients that have none."""

from tests.support.objects import authorities, certificate, ingress, key, path, rule, secret, service, tls
from tests.support.route_case import (
    CLOSED,
    FORBIDDEN,
    MISDIRECTED,
    NOT_FOUND,
    REDIRECTED,
    Table,
    http,
    https,
    services,
)
from tests.support.route_table_annotations import annotated
from xds.kube.objects import Ingress

BAD_REQUEST = 400
MOVED = 302


def _asking(name: str, *hosts: str, entry: str = "", created: int = 1, **annotations: str) -> Ingress:
    """An Ingress of hosts with demands, and a TLS entry for them if it names a Secret."""
    asked = {"auth_tls_secret": "default/ca"} | annotations
    entries = [tls(*hosts, secret=entry)] if entry else []
    return ingress(
        name,
        *(rule(host, path("/", "web"), path("/go", "go")) for host in hosts),
        tls=entries,
        annotations=annotated(**asked),
        created=created,
    )


_INGRESSES = (
    _asking("on", "on.a.test", entry="a", server_alias="alias.a.test,*.w.test,begun.*"),
    ingress("neighbour", rule("on.a.test", path("/neighbour", "other")), created=2),
    ingress("solver", rule("on.a.test", path("/.well-known/acme-challenge/token", "solver")), created=3),
    _asking("optional", "optional.a.test", entry="a", auth_tls_verify_client="optional"),
    _asking("any", "any.a.test", entry="a", auth_tls_verify_client="optional_no_ca"),
    _asking("off", "off.a.test", entry="a", auth_tls_verify_client="off"),
    _asking("maybe", "maybe.a.test", entry="a", auth_tls_verify_client="maybe"),
    _asking("page", "page.a.test", entry="a", auth_tls_error_page="https://help.test/certs?x=1"),
    _asking("path", "path.a.test", entry="a", auth_tls_error_page="/certs"),
    _asking("subject", "subject.a.test", entry="a", auth_tls_match_cn="CN=ali"),
    _asking("both", "both.a.test", entry="a", auth_tls_match_cn="CN=ali", auth_tls_verify_client="optional"),
    _asking("missing", "missing.a.test", entry="a", auth_tls_secret="default/none"),
    _asking("empty", "empty.a.test", entry="a", auth_tls_secret="default/b"),
    _asking("foreign", "foreign.a.test", entry="a", auth_tls_secret="safe/ca"),
    _asking("injected", "injected.a.test", entry="a", auth_tls_match_cn='CN=x" ) { return 200 "pwned"; } #'),
    _asking("wrong", "wrong.a.test", entry="a", auth_tls_pass_certificate_to_upstream="yes"),
    _asking("strange", "strange.a.test", entry="a", auth_tls_error_page="javascript:alert(1)"),
    ingress("mode", rule("mode.a.test", path("/")), annotations=annotated(auth_tls_verify_client="on")),
    ingress("mode-off", rule("mode-off.a.test", path("/")), annotations=annotated(auth_tls_verify_client="optional")),
    ingress("open", rule("open.a.test", path("/", "other")), tls=[tls("open.a.test", secret="a")]),
    _asking("first", "two.a.test", entry="a"),
    ingress(
        "second",
        rule("two.a.test", path("/second", "other")),
        annotations=annotated(auth_tls_secret="default/none"),
        created=2,
    ),
    _asking("lax", "three.a.test", entry="a", auth_tls_verify_client="optional"),
    ingress(
        "strict",
        rule("three.a.test", path("/strict", "other")),
        annotations=annotated(auth_tls_secret="default/ca"),
        created=2,
    ),
    _asking("none", "four.a.test", entry="a", auth_tls_secret="default/none"),
    ingress(
        "late",
        rule("four.a.test", path("/late", "other")),
        annotations=annotated(auth_tls_secret="default/ca"),
        created=2,
    ),
    _asking("wild", "*.b.test", entry="b"),
    ingress("precise", rule("open.b.test", path("/", "other"))),
    ingress("entry", rule("x.c.test", path("/", "other")), tls=[tls("own.b.test", secret="c")]),
    _asking("covered", "own.d.test"),
    ingress("covering", rule("*.d.test", path("/", "other")), tls=[tls("*.d.test", secret="d")]),
    _asking("plain", "plain.e.test"),
    _asking("forced", "forced.a.test", entry="a", force_ssl_redirect="true"),
    _asking("named", "named.a.test", entry="a", force_ssl_redirect="true", auth_tls_match_cn="CN=ali"),
    _asking("moved", "moved.a.test", entry="a", app_root="/app", permanent_redirect="https://new.test"),
    _asking("closed", "closed.a.test", entry="a", enable_modsecurity="true"),
)

_SECRETS = (
    secret("a", certificate("*.a.test")),
    secret("b", certificate("*.b.test", serial=2)),
    secret("c", certificate("own.b.test", serial=3)),
    secret("d", certificate("*.d.test", serial=4)),
    authorities("ca"),
    authorities("ca", ns="safe"),
)

_SERVICES = (*services("web", "go", "other", "solver"), service("fallback"))

CHECKED = Table(
    "client certificates",
    _INGRESSES,
    _SERVICES,
    (
        https("on.a.test", "/", BAD_REQUEST),
        https("on.a.test", "/none/of/them", BAD_REQUEST),
        https("on.a.test", "/neighbour", BAD_REQUEST, why="the paths of other Ingresses are protected too"),
        https("on.a.test", "/.well-known/acme-challenge/token", BAD_REQUEST),
        https("alias.a.test", "/", BAD_REQUEST),
        https("x.w.test", "/", CLOSED, why="no certificate"),
        https("on.a.test", "/", MISDIRECTED, sni="open.a.test"),
        https("on.a.test", "/", MISDIRECTED, sni="optional.a.test"),
        https("optional.a.test", "/", MISDIRECTED, sni="on.a.test"),
        https("open.a.test", "/", MISDIRECTED, sni="on.a.test"),
        https("open.a.test", "/", "other"),
        https("optional.a.test", "/", "web"),
        https("any.a.test", "/go", "go"),
        https("off.a.test", "/", "web"),
        https("maybe.a.test", "/", BAD_REQUEST, why="a mode that isn't one is on"),
        https("page.a.test", "/", MOVED),
        https("path.a.test", "/", BAD_REQUEST, why="an error page that is no URL"),
        https("subject.a.test", "/", BAD_REQUEST),
        https("both.a.test", "/", FORBIDDEN),
        https("closed.a.test", "/", BAD_REQUEST, why="the check precedes other closings"),
        https("moved.a.test", "/", BAD_REQUEST, why="and redirects"),
        *(
            each
            for name in ("missing", "empty", "foreign", "injected", "wrong", "strange")
            for each in (https(f"{name}.a.test", "/", FORBIDDEN), http(f"{name}.a.test", "/x", FORBIDDEN))
        ),
        http("mode.a.test", "/", FORBIDDEN, "a mode without a Secret"),
        http("mode-off.a.test", "/", "web", "a mode that lets all in"),
        https("two.a.test", "/", BAD_REQUEST),
        https("two.a.test", "/second", BAD_REQUEST),
        http("two.a.test", "/second", FORBIDDEN),
        https("three.a.test", "/", "web"),
        https("three.a.test", "/strict", FORBIDDEN, why="stricter demands than the host's"),
        http("three.a.test", "/strict", FORBIDDEN),
        http("three.a.test", "/", "web"),
        https("four.a.test", "/late", FORBIDDEN, why="the oldest decides, good or bad"),
        https("x.b.test", "/", BAD_REQUEST),
        https("y.b.test", "/", BAD_REQUEST, sni="x.b.test"),
        https("open.b.test", "/", "other", why="a host of its own"),
        https("own.b.test", "/", BAD_REQUEST, why="another certificate, and the routes of the wildcard"),
        https("own.b.test", "/", BAD_REQUEST, sni="x.b.test", why="no rules of its own, and the same check"),
        https("x.y.b.test", "/", MISDIRECTED, sni="x.b.test"),
        https("own.d.test", "/", BAD_REQUEST, why="with the certificate of a wildcard"),
        https("own.d.test", "/", MISDIRECTED, sni="x.d.test"),
        https("x.d.test", "/", "other"),
        https("x.d.test", "/", MISDIRECTED, sni="own.d.test"),
        https("plain.e.test", "/", CLOSED),
        http("plain.e.test", "/", FORBIDDEN),
        http("on.a.test", "/", FORBIDDEN),
        http("on.a.test", "/neighbour", FORBIDDEN),
        http("alias.a.test", "/", FORBIDDEN),
        http("x.y.w.test", "/", FORBIDDEN),
        http("begun.org", "/", FORBIDDEN),
        http("on.a.test", "/.well-known/acme-challenge/token", "solver", "the authority of certificates has none"),
        http("optional.a.test", "/", "web"),
        http("any.a.test", "/", "web"),
        http("off.a.test", "/", "web"),
        http("subject.a.test", "/", FORBIDDEN),
        http("both.a.test", "/", FORBIDDEN),
        http("forced.a.test", "/", REDIRECTED),
        http("named.a.test", "/", FORBIDDEN, "the subject precedes the redirect to HTTPS"),
        http("moved.a.test", "/", FORBIDDEN),
        http("closed.a.test", "/", FORBIDDEN),
        http("x.b.test", "/", FORBIDDEN),
        http("open.b.test", "/", "other"),
        http("x.y.b.test", "/", NOT_FOUND),
    ),
    _SECRETS,
)

CHECKED_BY_DEFAULT = Table(
    "client certificates and the default certificate",
    (
        *_INGRESSES,
        ingress("unnamed", rule(None, path("/unnamed", "go")), annotations=annotated(auth_tls_secret="default/ca")),
        ingress("fallback", default="fallback", annotations=annotated(auth_tls_secret="default/ca")),
    ),
    _SERVICES,
    (
        https("plain.e.test", "/", BAD_REQUEST, why="no TLS entry: the default certificate"),
        https("plain.e.test", "/", MISDIRECTED, sni="other.test"),
        https("other.test", "/", MISDIRECTED, sni="plain.e.test"),
        https("x.w.test", "/", BAD_REQUEST),
        https("x.w.test", "/", MISDIRECTED, sni="other.test"),
        https("x.y.w.test", "/", BAD_REQUEST, why="a name that no connection can be told by"),
        https("begun.org", "/", BAD_REQUEST),
        https("begun.org", "/", MISDIRECTED, sni="on.a.test"),
        https("other.test", "/unnamed", FORBIDDEN, why="no host, no certificate that is asked for"),
        https("other.test", "/", FORBIDDEN),
        http("other.test", "/unnamed", FORBIDDEN),
        http("plain.e.test", "/", FORBIDDEN, "no TLS entry, and so no redirect"),
        http("on.a.test", "/", REDIRECTED),
        http("on.a.test", "/.well-known/acme-challenge/token", "solver"),
        http("optional.a.test", "/", REDIRECTED),
        http("missing.a.test", "/", FORBIDDEN),
        http("subject.a.test", "/", FORBIDDEN),
        https("on.a.test", "/", BAD_REQUEST),
        https("on.a.test", "/", MISDIRECTED, sni="other.test"),
        https("open.a.test", "/", "other"),
        https("closed.a.test", "/", BAD_REQUEST),
    ),
    (*_SECRETS, secret("default", certificate("default.test", serial=5))),
    default_tls_secret=key("default"),
    redirect_https=True,
)
