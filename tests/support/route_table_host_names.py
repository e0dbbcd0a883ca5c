"""The route table of server-alias and from-to-www-redirect."""

from tests.support.objects import certificate, ingress, key, path, rule, secret, tls
from tests.support.route_case import (
    CLOSED,
    FORBIDDEN,
    MISDIRECTED,
    NOT_FOUND,
    REDIRECTED,
    UNAVAILABLE,
    Table,
    http,
    https,
    services,
)
from tests.support.route_table_annotations import annotated

ALIASES = Table(
    "aliases",
    (
        ingress(
            "main",
            rule("a.test", path("/")),
            annotations=annotated(server_alias="one.a.test, TWO.a.test,own.a.test,~^x+$,,_u.a.test,10.0.0.1"),
            created=1,
        ),
        ingress("beside", rule("a.test", path("/late", "late")), annotations=annotated(server_alias="late.a.test")),
        ingress("own", rule("own.a.test", path("/", "own"))),
        ingress("wide", rule("w.test", path("/", "wide")), annotations=annotated(server_alias="*.w.test")),
        ingress("narrow", rule("*.deep.w.test", path("/", "no")), rule("x.w.test", path("/", "exact"))),
        ingress(
            "dotted", rule("d.test", path("/", "dotted")), annotations=annotated(server_alias=".e.test,*.f.e.test")
        ),
        ingress("longer", rule("l.test", path("/", "longer")), annotations=annotated(server_alias="*.g.e.test")),
        ingress("begins", rule("b.test", path("/", "begins")), annotations=annotated(server_alias="b.*, b.c.*")),
        ingress("begun", rule("c.test", path("/", "begun")), annotations=annotated(server_alias="b.c.*, b.c.d.*")),
        ingress("wildcard", rule("*.z.test", path("/", "wildcard"))),
        ingress(
            "closed",
            rule("k.test", path("/", "no")),
            annotations=annotated(server_alias="alias.k.test", auth_tls_secret="default/ca"),
        ),
        ingress(
            "partly",
            rule("p.test", path("/admin", "no")),
            annotations=annotated(server_alias="alias.p.test", auth_url="auth.test"),
        ),
        ingress("open", rule("p.test", path("/", "open"))),
        ingress("bad", rule("bad.test", path("/", "bad")), annotations=annotated(server_alias="good.bad.test,foo bar")),
        ingress("canary", rule("one.a.test", path("/", "no")), annotations=annotated(canary="true", canary_weight="9")),
        ingress(
            "fallback", rule("f.test", path("/f", "no")), default="rest", annotations=annotated(server_alias="g.test")
        ),
    ),
    services(
        "web", "late", "own", "wide", "exact", "dotted", "longer", "begins", "begun", "wildcard", "open", "bad", "rest"
    ),
    (
        http("one.a.test", "/x", "web"),
        http("one.a.test", "/late", "late", "the paths of all Ingresses of the host"),
        http("ONE.A.TEST:8080", "/", "web"),
        http("two.a.test", "/", "web"),
        http("_u.a.test", "/", "web"),
        http("10.0.0.1", "/", "web"),
        http("xx", "/", "rest", "a regular expression is left out"),
        http("own.a.test", "/", "own", "a host of an Ingress is no alias"),
        http("late.a.test", "/", "rest", "of two Ingresses the aliases of the older count"),
        http("y.w.test", "/", "wide"),
        http("y.y.w.test", "/", "wide", "a wildcard among aliases stands for any number of labels"),
        http("x.w.test", "/", "exact"),
        http("y.x.w.test", "/", "wide"),
        http("y.deep.w.test", "/", "wide", "an alias precedes a wildcard of rules, the longer one too"),
        http("w.test", "/", "wide"),
        http("e.test", "/", "dotted"),
        http("x.e.test", "/", "dotted"),
        http("x.y.e.test", "/", "dotted"),
        http("x.f.e.test", "/", "dotted"),
        http("x.g.e.test", "/", "longer", "of two wildcards the longer"),
        http("g.e.test", "/", "dotted"),
        http("b.org", "/", "begins"),
        http("b.x.y", "/", "begins"),
        http("b.c.org", "/", "begins", "of two hosts the first by alphabet has the alias"),
        http("b.c.d.org", "/", "begun"),
        http("b", "/", "rest"),
        http("b.z.test", "/", "wildcard", "the beginning of a name comes behind wildcards"),
        http("b.y.z.test", "/", "rest", "although an Ingress wildcard stands for one label"),
        http("alias.k.test", "/", FORBIDDEN, "a closed host closes its aliases"),
        http("alias.p.test", "/admin", UNAVAILABLE),
        http("alias.p.test", "/", "open"),
        http("good.bad.test", "/", "rest", "a list with a bad character counts as absent"),
        http("bad.test", "/", "bad"),
        http("g.test", "/x", "rest", "the default backend of the host"),
    ),
)

WWW = Table(
    "www",
    (
        ingress("apex", rule("a.test", path("/")), annotations=annotated(from_to_www_redirect="true")),
        ingress("www", rule("www.b.test", path("/")), annotations=annotated(from_to_www_redirect="true")),
        ingress(
            "both",
            rule("c.test", path("/")),
            rule("www.c.test", path("/", "www")),
            annotations=annotated(from_to_www_redirect="true"),
        ),
        ingress("wildcard", rule("*.d.test", path("/")), annotations=annotated(from_to_www_redirect="true")),
        ingress("bad", rule("e.test", path("/")), annotations=annotated(from_to_www_redirect="yes")),
        ingress(
            "alias",
            rule("f.test", path("/")),
            annotations=annotated(from_to_www_redirect="true", server_alias="www.f.test,alias.f.test"),
        ),
        ingress(
            "stolen",
            rule("0.test", path("/")),
            annotations=annotated(server_alias="www.a.test"),
        ),
        ingress("first", rule("g.test", path("/")), created=1),
        ingress(
            "loser", rule("g.test", path("/")), annotations=annotated(from_to_www_redirect="true", rewrite_target="/x")
        ),
        ingress(
            "closed",
            rule("h.test", path("/")),
            annotations=annotated(from_to_www_redirect="true", auth_tls_secret="default/ca"),
        ),
        ingress(
            "moved",
            rule("m.test", path("/")),
            annotations=annotated(from_to_www_redirect="true", permanent_redirect="https://new.test"),
        ),
        ingress("nothing", rule("n.test"), annotations=annotated(from_to_www_redirect="true")),
        ingress("nowhere", rule(None, path("/nohost")), annotations=annotated(from_to_www_redirect="true")),
    ),
    services("web", "www"),
    (
        http("www.a.test", "/x?y=1", REDIRECTED),
        http("www.a.test:8080", "/", REDIRECTED),
        http("www.a.test", "/.well-known/acme-challenge/x", REDIRECTED),
        http("a.test", "/", "web"),
        http("b.test", "/x/", REDIRECTED),
        http("www.b.test", "/", "web"),
        http("c.test", "/", "web", "nothing is redirected where both are hosts"),
        http("www.c.test", "/", "www"),
        http("x.d.test", "/", "web"),
        http("www.d.test", "/", "web"),
        http("www.x.d.test", "/", NOT_FOUND, "no redirect for a wildcard"),
        http("www.e.test", "/", NOT_FOUND, "a bad value counts as absent"),
        http("www.f.test", "/", REDIRECTED, "a redirect precedes an alias"),
        http("www.alias.f.test", "/", NOT_FOUND, "aliases have no www"),
        http("www.g.test", "/", NOT_FOUND, "an Ingress without a path of the host redirects nothing"),
        http("www.h.test", "/", REDIRECTED),
        http("h.test", "/", FORBIDDEN),
        http("www.m.test", "/", REDIRECTED),
        http("m.test", "/", 301),
        http("www.n.test", "/", NOT_FOUND),
        http("www.", "/nohost", "web"),
    ),
)

_SECRETS = (
    secret("cert", certificate("a.test", "in.a.test", "*.w.test", "www.a.test")),
    secret("own", certificate("own.a.test", serial=2)),
    secret("wild", certificate("*.x.test", serial=3)),
)
_INGRESSES = (
    ingress(
        "main",
        rule("a.test", path("/")),
        annotations=annotated(
            server_alias="in.a.test, out.a.test, own.a.test,*.w.test, b.*", from_to_www_redirect="true"
        ),
        tls=[tls("a.test", secret="cert")],
    ),
    ingress("entry", rule("e.test", path("/", "entry")), tls=[tls("own.a.test", "deep.v.w.test", secret="own")]),
    ingress(
        "parent",
        rule("y.x.test", path("/", "parent")),
        annotations=annotated(server_alias="z.x.test, z.y.x.test", from_to_www_redirect="true"),
        tls=[tls("*.x.test", secret="wild")],
    ),
    ingress(
        "missing",
        rule("m.test", path("/", "missing")),
        annotations=annotated(server_alias="alias.m.test"),
        tls=[tls("m.test", secret="nowhere")],
    ),
)

ALIASES_TLS = Table(
    "aliases and tls",
    _INGRESSES,
    services("web", "entry", "parent", "missing"),
    (
        https("in.a.test", "/", "web", why="the certificate of the host has the name"),
        https("in.a.test", "/", "web", sni="a.test"),
        https("out.a.test", "/", CLOSED, why="no certificate has the name"),
        https("out.a.test", "/", MISDIRECTED, sni="a.test"),
        https("own.a.test", "/", "web", why="a TLS entry names the alias"),
        https("own.a.test", "/", MISDIRECTED, sni="a.test"),
        https("x.w.test", "/", "web"),
        https("x.y.w.test", "/", CLOSED, why="a certificate's wildcard stands for one label"),
        https("x.y.w.test", "/", MISDIRECTED, sni="a.test"),
        https("deep.v.w.test", "/", "web", why="a TLS host without rules, and an alias that covers it"),
        https("www.a.test", "/x", REDIRECTED),
        https("a.test", "/", "web"),
        https("z.x.test", "/", "parent"),
        https("z.y.x.test", "/", CLOSED),
        https("alias.m.test", "/", CLOSED),
        https("b.org", "/", CLOSED),
        http("in.a.test", "/", "web"),
        http("out.a.test", "/", "web"),
        http("www.a.test", "/", REDIRECTED),
        http("b.org", "/", "web"),
        http("b.x.test", "/", NOT_FOUND, "a wildcard of a TLS entry precedes the beginning of a name"),
        http("b.y.x.test", "/", NOT_FOUND),
    ),
    _SECRETS,
)

ALIASES_REDIRECTED = Table(
    "aliases and redirects to HTTPS",
    _INGRESSES,
    services("web", "entry", "parent", "missing"),
    (
        http("a.test", "/", REDIRECTED),
        http("in.a.test", "/", REDIRECTED, "an alias that the host's certificate covers"),
        http("out.a.test", "/", "web", "and one that it doesn't cover"),
        http("x.w.test", "/", REDIRECTED),
        http("x.y.w.test", "/", "web"),
        http("own.a.test", "/", REDIRECTED),
        http("z.x.test", "/", REDIRECTED),
        http("alias.m.test", "/", "missing"),
        http("b.org", "/", "web"),
        https("out.a.test", "/", "web", why="by the default certificate"),
        https("out.a.test", "/", MISDIRECTED, sni="a.test"),
        https("in.a.test", "/", MISDIRECTED, sni="out.a.test"),
        https("x.y.w.test", "/", "web"),
        https("z.y.x.test", "/", "parent"),
        https("www.a.test", "/", REDIRECTED),
        https("www.y.x.test", "/", REDIRECTED, why="by the default certificate"),
        https("b.org", "/", "web"),
        https("b.x.test", "/", NOT_FOUND),
    ),
    (*_SECRETS, secret("default", certificate("default.test", serial=4))),
    default_tls_secret=key("default"),
    redirect_https=True,
)
