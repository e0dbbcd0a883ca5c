"""The route table of TLS passthrough: hosts that are passed through or closed, beside terminated ones."""

from tests.support.objects import certificate, ingress, key, path, rule, secret, tls
from tests.support.route_case import CLOSED, MISDIRECTED, REDIRECTED, Table, http, https, services
from tests.support.route_table_annotations import annotated

_PASSED = annotated(ssl_passthrough="true")

_UNDECRYPTED = ("passed.test", "x.p.test", "young.p.test", "alias.test", "a.w.test", "closed.test", "bad.w.test")

PASSTHROUGH = Table(
    "passthrough",
    (
        ingress(
            "old",
            rule("ended.test", path("/", "ended")),
            rule("*.w.test", path("/", "wild")),
            rule("old.p.test", path("/", "old")),
            tls=[tls("ended.test", "*.w.test", secret="cert")],
            created=1,
        ),
        ingress(
            "passed",
            rule("passed.test", path("/", "db"), path("/app", "app")),
            rule("*.p.test", path("/", "db")),
            rule("a.w.test", path("/", "db")),
            rule("ended.test", path("/app", "app")),
            annotations=_PASSED,
            created=2,
        ),
        ingress(
            "aliased",
            rule("aliased.test", path("/", "db"), path("/app", "app")),
            annotations=_PASSED | annotated(server_alias="alias.test, *.deep.test, begins.*"),
            created=3,
        ),
        ingress("redirected", rule("red.test", path("/", "db")), annotations=_PASSED, tls=[tls("red.test")], created=3),
        ingress(
            "closed",
            rule("closed.test", path("/app", "app")),
            rule("none.test", path("/", "missing")),
            annotations=_PASSED,
            tls=[tls("closed.test", secret="cert")],
            created=4,
        ),
        ingress("bad", rule("bad.w.test", path("/", "db")), annotations=annotated(ssl_passthrough="yes"), created=5),
        ingress("young", rule("young.p.test", path("/", "app")), created=6),
        ingress("plain", rule("plain.test", path("/", "app")), created=7),
    ),
    services("ended", "wild", "old", "db", "app"),
    (
        http("passed.test", "/", "db"),
        http("passed.test", "/app", "app"),
        http("a.p.test", "/", "db"),
        http("alias.test", "/app", "app"),
        http("red.test", "/", REDIRECTED),
        http("closed.test", "/app", REDIRECTED, "a TLS entry redirects, served or not"),
        http("bad.w.test", "/", REDIRECTED, "the wildcard's TLS entry covers the name"),
        http("old.p.test", "/", "old"),
        http("young.p.test", "/", "app"),
        https("ended.test", "/", "ended"),
        https("ended.test", "/app", "app", why="a younger annotation changes no TLS"),
        https("x.w.test", "/", "wild"),
        https("plain.test", "/", "app", why="the default certificate"),
        https("old.p.test", "/", "old", why="older than the wildcard that is passed through"),
        https("passed.test", "/", CLOSED),
        https("PASSED.test", "/", CLOSED),
        https("passed.test", "/", CLOSED, sni="passed.test.", why="a dot at the end"),
        https("x.p.test", "/", CLOSED),
        https("young.p.test", "/", CLOSED),
        https("alias.test", "/", CLOSED),
        https("x.deep.test", "/", CLOSED),
        https("a.w.test", "/", CLOSED),
        https("closed.test", "/app", CLOSED),
        https("none.test", "/", CLOSED),
        https("bad.w.test", "/", CLOSED),
        *(
            https(host, "/", MISDIRECTED, sni=sni)
            for host in (
                "passed.test",
                "x.p.test",
                "young.p.test",
                "alias.test",
                "a.w.test",
                "closed.test",
                "bad.w.test",
            )
            for sni in ("ended.test", "x.w.test", "plain.test", "")
        ),
        https("x.y.deep.test", "/", MISDIRECTED, why="an alias for any number of labels"),
        https("begins.org", "/", MISDIRECTED, why="an alias for names with any end"),
    ),
    (secret("cert", certificate("ended.test", "*.w.test")), secret("default", certificate("default.test"))),
    default_tls_secret=key("default"),
    is_compatible=True,
    passes_tls=True,
)
