"""The route table: what Ingresses promise of a request, as data.

A table is a few Ingresses that exist together and the requests tried on them. Two things run it: the pure matcher
(tests/translate) and a real Envoy (tests/features). Each Service of a table has one port, 80, and is to have ready
endpoints; which Service answered is told by its name, so names are unique within a table whatever the namespace.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/ and types.go of networking/v1. The rows of the
specification's own table of examples are in `EXAMPLES`; what it leaves open is decided in README.md.
"""

from dataclasses import dataclass

from tests.support.objects import certificate, exact, ingress, key, path, rule, secret, service, specific, tls
from xds.kube.objects import Ingress, Key, KubeObject, Secret, Service

CLOSED = 0
"""Expected where no connection comes about: no certificate for the SNI."""

NOT_FOUND = 404
MISDIRECTED = 421
UNAVAILABLE = 503


@dataclass(frozen=True)
class Case:
    """A request and the answer to it: the name of the Service, a status, or CLOSED.

    `path` is sent as it is; `authority` is the Host header or `:authority`. `sni` is empty where a client sends none.
    """

    name: str
    authority: str
    path: str
    expected: str | int
    https: bool = False
    sni: str = ""

    @property
    def status(self) -> int:
        return self.expected if isinstance(self.expected, int) else 200

    @property
    def service(self) -> str | None:
        return self.expected if isinstance(self.expected, str) else None


@dataclass(frozen=True)
class Table:
    """`services` exist; what an Ingress names beside them doesn't."""

    name: str
    ingresses: tuple[Ingress, ...]
    services: tuple[Service, ...]
    cases: tuple[Case, ...]
    secrets: tuple[Secret, ...] = ()
    default_tls_secret: Key | None = None

    @property
    def objects(self) -> tuple[KubeObject, ...]:
        return (*self.ingresses, *self.services, *self.secrets)


def http(authority: str, path: str, expected: str | int, why: str = "") -> Case:
    name = f"http://{authority}{path}"
    return Case(f"{name} ({why})" if why else name, authority, path, expected)


def https(authority: str, path: str, expected: str | int, *, sni: str | None = None, why: str = "") -> Case:
    """Where no SNI is said, the client sends the host as browsers do."""
    sni = authority.partition(":")[0] if sni is None else sni
    name = f"https://{authority}{path} sni={sni or 'none'}"
    return Case(f"{name} ({why})" if why else name, authority, path, expected, https=True, sni=sni)


def services(*names: str) -> tuple[Service, ...]:
    return tuple(service(name) for name in names)


EXAMPLES = Table(
    "examples",
    (
        ingress(
            "examples",
            rule("all.example.com", path("/", "root")),
            rule("exact.example.com", exact("/foo", "foo")),
            rule("exact-slash.example.com", exact("/foo/", "foo")),
            rule("exact-root.example.com", exact("/", "root")),
            rule("prefix.example.com", path("/foo", "foo")),
            rule("prefix-slash.example.com", path("/foo/", "foo")),
            rule("bb.example.com", path("/aaa/bb", "foo")),
            rule("bbb.example.com", path("/aaa/bbb", "foo")),
            rule("bbb-slash.example.com", path("/aaa/bbb/", "foo")),
            rule("two.example.com", path("/", "root"), path("/aaa", "aaa")),
            rule("three.example.com", path("/", "root"), path("/aaa", "aaa"), path("/aaa/bbb", "bbb")),
            rule("reversed.example.com", path("/aaa/bbb", "bbb"), path("/aaa", "aaa"), path("/", "root")),
            rule("mixed.example.com", path("/foo", "prefix"), exact("/foo", "exact")),
        ),
    ),
    services("root", "foo", "aaa", "bbb", "prefix", "exact"),
    (
        http("all.example.com", "/", "root"),
        http("all.example.com", "/any", "root"),
        http("all.example.com", "/any/thing/", "root"),
        http("all.example.com", "/?q=/foo", "root"),
        http("exact.example.com", "/foo", "foo"),
        http("exact.example.com", "/foo?bar=1", "foo", "the query is no part of the path"),
        http("exact.example.com", "/bar", NOT_FOUND),
        http("exact.example.com", "/foo/", NOT_FOUND),
        http("exact.example.com", "/foo/bar", NOT_FOUND),
        http("exact.example.com", "/foobar", NOT_FOUND),
        http("exact.example.com", "/FOO", NOT_FOUND, "paths have case"),
        http("exact.example.com", "/", NOT_FOUND),
        http("exact-slash.example.com", "/foo", NOT_FOUND),
        http("exact-slash.example.com", "/foo/", "foo"),
        http("exact-root.example.com", "/", "root"),
        http("exact-root.example.com", "/x", NOT_FOUND),
        http("prefix.example.com", "/foo", "foo"),
        http("prefix.example.com", "/foo/", "foo"),
        http("prefix.example.com", "/foo/bar?x", "foo"),
        http("prefix.example.com", "/foo?x", "foo"),
        http("prefix.example.com", "/Foo", NOT_FOUND, "paths have case"),
        http("prefix.example.com", "/fo", NOT_FOUND),
        http("prefix.example.com", "/x/foo", NOT_FOUND),
        http("prefix-slash.example.com", "/foo", "foo"),
        http("prefix-slash.example.com", "/foo/", "foo"),
        http("prefix-slash.example.com", "/foo/bar", "foo"),
        http("prefix-slash.example.com", "/foobar", NOT_FOUND),
        http("bb.example.com", "/aaa/bbb", NOT_FOUND),
        http("bbb.example.com", "/aaa/bbb", "foo"),
        http("bbb.example.com", "/aaa/bbb/", "foo"),
        http("bbb.example.com", "/aaa/bbb/ccc", "foo"),
        http("bbb.example.com", "/aaa/bbbxyz", NOT_FOUND),
        http("bbb.example.com", "/aaa", NOT_FOUND),
        http("bbb-slash.example.com", "/aaa/bbb", "foo"),
        http("two.example.com", "/aaa/ccc", "aaa"),
        http("two.example.com", "/aaaccc", "root"),
        http("three.example.com", "/aaa/bbb", "bbb"),
        http("three.example.com", "/aaa/ccc", "aaa"),
        http("three.example.com", "/ccc", "root"),
        http("reversed.example.com", "/aaa/bbb/c", "bbb", "the order as written doesn't count"),
        http("reversed.example.com", "/aaa", "aaa"),
        http("reversed.example.com", "/", "root"),
        http("mixed.example.com", "/foo", "exact"),
        http("mixed.example.com", "/foo/", "prefix"),
        http("mixed.example.com", "/foo/bar", "prefix"),
    ),
)

PATHS = Table(
    "paths",
    (
        ingress(
            "paths",
            rule("slashes.example.com", path("/foo", "bare"), path("/foo/", "slash")),
            rule("exact-and-longer.example.com", exact("/foo", "exact"), path("/foo/", "slash"), path("/", "root")),
            rule("exact-slash.example.com", exact("/foo/", "exact"), path("/foo", "bare")),
            rule("specific.example.com", specific("/impl", "impl"), specific("", "root")),
            rule("specific-none.example.com", specific(None, "root"), exact("/foo", "exact")),
            rule("specific-longer.example.com", specific("/foo/bar", "impl"), path("/foo", "bare")),
            rule(
                "characters.example.com",
                *(
                    path(text, "odd")
                    for text in ("/a.b", "/a+b", "/a*b", "/(x)", "/~user", "/a$", "/v;1", "/@me", "/a:b")
                ),
                exact("/.*", "odd"),
                path("/café", "odd"),
                path("/caf%C3%A8", "odd"),
                path('/"<x>^`{|}', "odd"),
                path("/with space", "odd"),
                path("/%7Etilde/%41%2d%62", "odd"),
                path("/kept%5B%3a", "odd"),
                path("/", "root"),
            ),
        ),
    ),
    services("bare", "slash", "exact", "root", "impl", "odd"),
    (
        http("slashes.example.com", "/foo/", "slash", "types.go: the longer wins"),
        http("slashes.example.com", "/foo", "slash", "both match, the longer path wins"),
        http("slashes.example.com", "/foo/bar", "slash"),
        http("exact-and-longer.example.com", "/foo", "exact", "Exact before Prefix"),
        http("exact-and-longer.example.com", "/foo/", "slash"),
        http("exact-and-longer.example.com", "/foo?x=/", "exact"),
        http("exact-and-longer.example.com", "/foobar", "root"),
        http("exact-slash.example.com", "/foo/", "exact"),
        http("exact-slash.example.com", "/foo", "bare"),
        http("exact-slash.example.com", "/foo/bar", "bare"),
        http("specific.example.com", "/impl", "impl"),
        http("specific.example.com", "/impl/x", "impl", "as Prefix"),
        http("specific.example.com", "/implx", "root", "as Prefix"),
        http("specific.example.com", "/", "root", "empty is /"),
        http("specific-none.example.com", "/any", "root", "none is /"),
        http("specific-none.example.com", "/foo", "exact"),
        http("specific-longer.example.com", "/foo/bar/x", "impl"),
        http("specific-longer.example.com", "/foo/barx", "bare"),
        http("characters.example.com", "/a.b", "odd"),
        http("characters.example.com", "/axb", "root", "a dot is no regex"),
        http("characters.example.com", "/a+b/c", "odd"),
        http("characters.example.com", "/aab", "root"),
        http("characters.example.com", "/a*b", "odd"),
        http("characters.example.com", "/(x)", "odd"),
        http("characters.example.com", "/x", "root"),
        http("characters.example.com", "/~user/home", "odd"),
        http("characters.example.com", "/a$", "odd"),
        http("characters.example.com", "/a", "root"),
        http("characters.example.com", "/v;1", "odd"),
        http("characters.example.com", "/v", "root"),
        http("characters.example.com", "/@me", "odd"),
        http("characters.example.com", "/a:b", "odd"),
        http("characters.example.com", "/.*", "odd"),
        http("characters.example.com", "/anything", "root"),
        http("characters.example.com", "/caf%C3%A9", "odd", "as written: café"),
        http("characters.example.com", "/caf%C3%A8/x", "odd"),
        http("characters.example.com", "/cafe", "root"),
        http("characters.example.com", "/%22%3Cx%3E%5E%60%7B%7C%7D", "odd", "what browsers escape"),
        http("characters.example.com", "/with%20space", "odd"),
        http("characters.example.com", "/with+space", "root"),
        http("characters.example.com", "/~tilde/A-b", "odd", "an escape that nobody needs"),
        http("characters.example.com", "/%7etilde/%41-b", "odd"),
        http("characters.example.com", "/~tilde/a-b", "root"),
        http("characters.example.com", "/kept%5B%3a", "odd", "other escapes are compared as they are"),
        http("characters.example.com", "/kept[:", "root"),
        http("characters.example.com", "/%63af%C3%A9", "odd"),
    ),
)

NORMALIZATION = Table(
    "normalization",
    (
        ingress(
            "normalization",
            rule("norm.example.com", path("/admin", "admin"), exact("/x/y", "exact"), path("/", "root")),
            rule("strict.example.com", path("/admin", "admin")),
        ),
    ),
    services("admin", "exact", "root"),
    (
        http("norm.example.com", "/public/../admin", "admin"),
        http("norm.example.com", "/./admin", "admin"),
        http("norm.example.com", "/admin/./users", "admin"),
        http("norm.example.com", "//admin", "admin"),
        http("norm.example.com", "/admin//users", "admin"),
        http("norm.example.com", "///admin///users", "admin"),
        http("norm.example.com", "/admin/..", "root"),
        http("norm.example.com", "/admin/../", "root"),
        http("norm.example.com", "/admin/../x", "root"),
        http("norm.example.com", "/../../admin", "admin", "no way above the root"),
        http("norm.example.com", "/foo/..//admin", "admin"),
        http("norm.example.com", "/foo/%2e%2e/admin", "admin", "an escaped dot is a dot"),
        http("norm.example.com", "/foo/%2E%2E/admin", "admin"),
        http("norm.example.com", "/%2e/admin", "admin"),
        http("norm.example.com", "/x//y", "exact"),
        http("norm.example.com", "/x/./y", "exact"),
        http("norm.example.com", "/x/z/../y", "exact"),
        http("norm.example.com", "/x/y/", "root"),
        http("norm.example.com", "/x/y//", "root"),
        http("norm.example.com", "/x/y/.", "root"),
        http("norm.example.com", "/x/y/z/..", "root", "a directory keeps its slash"),
        http("norm.example.com", "/x%2Fy", "root", "an escaped slash is no slash"),
        http("norm.example.com", "/x%2fy", "root"),
        http("norm.example.com", "/admin%2fusers", "root"),
        http("norm.example.com", "/foo%2f..%2fadmin", "root"),
        http("norm.example.com", "/..%2fadmin", "root"),
        http("norm.example.com", "/admin/..%2f", "admin"),
        http("norm.example.com", "/admin/..;/x", "root", "parameters behind dots do not hide them"),
        http("norm.example.com", "/admin/...", "admin"),
        http("norm.example.com", "/?next=/admin", "root"),
        http("norm.example.com", "/admin?next=/../..", "admin", "a query isn't normalized"),
        http("norm.example.com", "//", "root"),
        http("strict.example.com", "/admin/../secret", NOT_FOUND),
        http("strict.example.com", "/x/../admin/", "admin"),
        http("strict.example.com", "/admin%2f", NOT_FOUND),
    ),
)

HOSTS = Table(
    "hosts",
    (
        ingress(
            "hosts",
            rule("a.example.com", path("/only", "precise")),
            rule("b.example.com", path("/", "precise-b")),
            rule("*.example.com", path("/", "wildcard"), path("/only", "wildcard-only")),
            rule("*.sub.example.com", path("/", "deep")),
            rule("x.y.example.com", path("/", "two-labels")),
            rule("intranet", path("/", "short")),
            rule("xn--bcher-kva.example", path("/", "idn")),
        ),
        ingress("unnamed", rule(None, path("/", "unnamed"))),
    ),
    services("precise", "precise-b", "wildcard", "wildcard-only", "deep", "two-labels", "short", "idn", "unnamed"),
    (
        http("a.example.com", "/only", "precise"),
        http("A.Example.COM", "/only", "precise", "names have no case"),
        http("a.example.com:8080", "/only", "precise", "the port doesn't count"),
        http("a.example.com:1", "/only", "precise"),
        http("A.EXAMPLE.COM:80", "/only", "precise"),
        http("a.example.com", "/other", NOT_FOUND, "neither to the wildcard nor to the rules without host"),
        http("b.example.com", "/only", "precise-b", "precise before wildcard, whatever the path"),
        http("c.example.com", "/", "wildcard"),
        http("C.EXAMPLE.com", "/", "wildcard"),
        http("c.example.com:8443", "/x", "wildcard"),
        http("c.example.com", "/only", "wildcard-only"),
        http("x-a.example.com", "/", "wildcard"),
        http("c.d.example.com", "/", "unnamed", "a wildcard is one label"),
        http("c.d.example.com:8080", "/only", "unnamed"),
        http("e.c.d.example.com", "/", "unnamed"),
        http("a.b.example.com", "/", "unnamed", "a precise name covers no label more"),
        http("example.com", "/", "unnamed", "a wildcard is not no label"),
        http("aexample.com", "/", "unnamed"),
        http("a.example.com.evil.test", "/only", "unnamed"),
        http("sub.example.com", "/", "wildcard"),
        http("x.sub.example.com", "/", "deep"),
        http("y.x.sub.example.com", "/", "unnamed"),
        http("x.y.example.com", "/", "two-labels"),
        http("z.y.example.com", "/", "unnamed"),
        http("intranet", "/", "short"),
        http("intranet:8080", "/", "short"),
        http("x.intranet", "/", "unnamed"),
        http("xn--bcher-kva.example", "/", "idn"),
        http("other.test", "/", "unnamed"),
        http("localhost:8080", "/", "unnamed"),
        http("127.0.0.1", "/", "unnamed"),
        http("127.0.0.1:8080", "/", "unnamed"),
        http("[::1]", "/", "unnamed"),
        http("[::1]:8080", "/", "unnamed"),
    ),
)

NO_FALLBACK = Table(
    "no fallback",
    (ingress("only", rule("*.example.com", path("/foo", "wildcard")), rule("a.example.com", path("/a", "precise"))),),
    services("wildcard", "precise"),
    (
        http("b.example.com", "/foo", "wildcard"),
        http("b.example.com", "/", NOT_FOUND),
        http("a.example.com", "/foo", NOT_FOUND, "a precise host hides its wildcard"),
        http("c.b.example.com", "/foo", NOT_FOUND),
        http("example.com", "/foo", NOT_FOUND),
        http("other.test", "/foo", NOT_FOUND),
        http("127.0.0.1", "/foo", NOT_FOUND),
    ),
)

DEFAULTS = Table(
    "defaults",
    (
        ingress("first", rule("shared.example.com", path("/t", "t")), created=1),
        ingress("second", rule("own.example.com", path("/a", "a")), created=2, default="second-default"),
        ingress(
            "third",
            rule("own.example.com", path("/b", "b")),
            rule("shared.example.com", path("/s", "s")),
            rule("bare.example.com"),
            created=3,
            default="third-default",
        ),
        ingress("fourth", rule("plain.example.com", path("/p", "p")), rule("empty.example.com"), created=4),
        ingress("fifth", rule("*.wild.example.com", path("/w", "w")), created=5, default="fifth-default"),
        ingress("sixth", rule("ghost.example.com", path("/g", "g")), created=6, default="ghost"),
    ),
    services("a", "b", "s", "t", "p", "w", "g", "second-default", "third-default", "fifth-default"),
    (
        http("own.example.com", "/a", "a"),
        http("own.example.com", "/b/c", "b"),
        http("own.example.com", "/c", "second-default", "the oldest Ingress of the host"),
        http("own.example.com", "/", "second-default"),
        http("shared.example.com", "/s", "s"),
        http("shared.example.com", "/t", "t"),
        http("shared.example.com", "/u", "third-default", "the oldest Ingress of the host that has one"),
        http("plain.example.com", "/p", "p"),
        http("plain.example.com", "/q", "second-default", "none of its own: the global one"),
        http("bare.example.com", "/any", "third-default", "a rule without http"),
        http("empty.example.com", "/any", "second-default"),
        http("x.wild.example.com", "/w", "w"),
        http("x.wild.example.com", "/v", "fifth-default"),
        http("y.x.wild.example.com", "/w", "second-default", "named by no rule"),
        http("other.test", "/", "second-default"),
        http("127.0.0.1:8080", "/a", "second-default"),
        http("ghost.example.com", "/g", "g"),
        http("ghost.example.com", "/h", UNAVAILABLE, "its own default backend doesn't exist"),
    ),
)

UNNAMED_DEFAULT = Table(
    "unnamed hosts, then the default",
    (
        ingress("default", created=1, default="fallback"),
        ingress("unnamed", rule(None, path("/n", "unnamed")), created=2),
        ingress("named", rule("a.example.com", path("/a", "a")), created=3),
    ),
    services("fallback", "unnamed", "a"),
    (
        http("other.test", "/n", "unnamed"),
        http("other.test", "/n/x", "unnamed"),
        http("other.test", "/m", "fallback"),
        http("127.0.0.1", "/n", "unnamed"),
        http("a.example.com", "/a", "a"),
        http("a.example.com", "/n", "fallback", "a named host doesn't get the rules without host"),
    ),
)

MERGING = Table(
    "merging",
    (
        ingress("old", rule("m.example.com", path("/same", "old"), path("/old", "old")), created=1),
        ingress(
            "young",
            rule("m.example.com", path("/same", "young"), path("/young", "young"), exact("/same", "young-exact")),
            created=2,
        ),
        ingress("undated", rule("m.example.com", path("/young", "undated"), path("/undated", "undated"))),
        ingress("tie-a", rule("tie.example.com", path("/", "tie-a")), created=5),
        ingress("tie-b", rule("tie.example.com", path("/", "tie-b"), path("/b", "tie-b")), created=5),
        ingress("zoo", rule("tie.example.com", path("/c", "zoo")), created=5, ns="apple"),
        ingress("ape", rule("tie.example.com", path("/c", "ape")), created=5, ns="berry"),
        ingress("broken", rule("ghost.example.com", path("/", "ghost")), created=1),
        ingress("whole", rule("ghost.example.com", path("/", "old"), path("/x", "old")), created=2),
        ingress(
            "within", rule("within.example.com", path("/", "first")), rule("within.example.com", path("/", "second"))
        ),
        ingress("kinds", rule("kinds.example.com", specific("/k", "old")), created=1),
        ingress("kinds-2", rule("kinds.example.com", path("/k", "young")), created=2),
        ingress("case", rule("CASE.example.com", path("/1", "first")), rule("case.example.com", path("/2", "second"))),
    ),
    (
        *services("old", "young", "young-exact", "undated", "tie-a", "tie-b", "first", "second"),
        service("zoo", ns="apple"),
        service("ape", ns="berry"),
    ),
    (
        http("m.example.com", "/same/x", "old", "the oldest wins"),
        http("m.example.com", "/same", "young-exact", "another type is another path"),
        http("m.example.com", "/old", "old"),
        http("m.example.com", "/young", "young", "no timestamp counts as newest"),
        http("m.example.com", "/undated", "undated", "only the path that lost is gone"),
        http("m.example.com", "/none", NOT_FOUND),
        http("tie.example.com", "/", "tie-a", "by name"),
        http("tie.example.com", "/b", "tie-b"),
        http("tie.example.com", "/c", "zoo", "by namespace before name"),
        http("ghost.example.com", "/", UNAVAILABLE, "the oldest wins, broken or not"),
        http("ghost.example.com", "/x", "old"),
        http("within.example.com", "/", "first", "in one Ingress the first"),
        http("kinds.example.com", "/k", "old", "ImplementationSpecific is Prefix, so they conflict"),
        http("case.example.com", "/1", "first"),
        http("case.example.com", "/2", "second"),
    ),
)

BACKENDS = Table(
    "backends",
    (
        ingress(
            "backends",
            rule(
                "b.example.com",
                path("/", "root"),
                path("/named", "ports:web"),
                path("/numbered", "ports:8080"),
                path("/no-service", "ghost"),
                path("/no-port", "ports:81"),
                path("/no-port-name", "ports:nope"),
                path("/bucket", "bucket!"),
                exact("/no-service/but/exact", "root"),
            ),
            rule("bucket.example.com", path("/", "bucket!")),
            rule("udp.example.com", path("/", "ports:dns")),
        ),
    ),
    (
        service("root"),
        service("ports", "web:8080", {"name": "dns", "port": 53, "protocol": "UDP"}),
    ),
    (
        http("b.example.com", "/named", "ports"),
        http("b.example.com", "/numbered", "ports"),
        http("b.example.com", "/no-service", UNAVAILABLE, "not to / and not 404"),
        http("b.example.com", "/no-service/x", UNAVAILABLE),
        http("b.example.com", "/no-service/but/exact", "root"),
        http("b.example.com", "/no-port", UNAVAILABLE),
        http("b.example.com", "/no-port-name", UNAVAILABLE),
        http("b.example.com", "/bucket", "root", "a resource backend is left out"),
        http("b.example.com", "/other", "root"),
        http("bucket.example.com", "/", NOT_FOUND),
        http("udp.example.com", "/", UNAVAILABLE),
    ),
)

TLS = Table(
    "tls",
    (
        ingress(
            "shop",
            rule("a.example.com", path("/", "a")),
            rule("b.example.com", path("/b", "b")),
            rule("plain.example.com", path("/", "plain")),
            rule("*.wild.example.com", path("/", "wild")),
            rule("own.wild.example.com", path("/", "own")),
            tls=[
                tls("a.example.com", secret="cert-a"),
                tls("b.example.com", "only.example.com", secret="cert-b"),
                tls("*.wild.example.com", secret="cert-wild"),
                tls("own.wild.example.com", secret="cert-own"),
            ],
        ),
        ingress(
            "whole",
            rule("e.example.com", path("/", "e")),
            rule("f.example.com", path("/", "f")),
            tls=[tls(secret="cert-whole")],
        ),
        ingress(
            "missing",
            rule("missing.example.com", path("/", "missing")),
            rule("beside.example.com", path("/", "beside")),
            tls=[
                tls("missing.example.com", "missing.wild.example.com", secret="nowhere"),
                tls("beside.example.com", secret="cert-beside"),
            ],
        ),
    ),
    services("a", "b", "plain", "wild", "own", "e", "f", "missing", "beside"),
    (
        http("a.example.com", "/", "a", "HTTP stays plain"),
        http("x.wild.example.com", "/", "wild"),
        http("only.example.com", "/", NOT_FOUND),
        http("missing.example.com", "/", "missing", "HTTP goes on without the Secret"),
        https("a.example.com", "/", "a"),
        https("A.Example.Com:8443", "/x", "a", sni="a.example.com"),
        https("a.example.com", "/", "a", sni="A.EXAMPLE.COM"),
        https("b.example.com", "/b", "b"),
        https("b.example.com", "/c", NOT_FOUND),
        https("only.example.com", "/", NOT_FOUND, why="a TLS host without a rule has a certificate"),
        https("b.example.com", "/b", "b", sni="only.example.com", why="one Secret, so one connection for both"),
        https("only.example.com", "/b", NOT_FOUND, sni="b.example.com"),
        https("b.example.com", "/b", MISDIRECTED, sni="a.example.com"),
        https("a.example.com", "/", MISDIRECTED, sni="b.example.com"),
        https("plain.example.com", "/", MISDIRECTED, sni="a.example.com"),
        https("unknown.test", "/", MISDIRECTED, sni="a.example.com"),
        https("x.a.example.com", "/", MISDIRECTED, sni="a.example.com"),
        https("example.com", "/", MISDIRECTED, sni="a.example.com"),
        https("127.0.0.1", "/", MISDIRECTED, sni="a.example.com"),
        https("plain.example.com", "/", CLOSED),
        https("a.example.com", "/", CLOSED, sni="unknown.test", why="no entry covers the SNI"),
        https("a.example.com", "/", CLOSED, sni="", why="no SNI"),
        https("a.example.com", "/", CLOSED, sni="x.a.example.com"),
        https("x.wild.example.com", "/", "wild"),
        https("x.wild.example.com", "/", "wild", sni="X.Wild.Example.com"),
        https("y.wild.example.com", "/", "wild", sni="x.wild.example.com", why="the wildcard covers both"),
        https("a.example.com", "/", MISDIRECTED, sni="x.wild.example.com"),
        https("y.x.wild.example.com", "/", MISDIRECTED, sni="x.wild.example.com", why="one label only"),
        https("wild.example.com", "/", MISDIRECTED, sni="x.wild.example.com"),
        https("y.x.wild.example.com", "/", CLOSED, why="SNI too is one label only"),
        https("wild.example.com", "/", CLOSED),
        https("own.wild.example.com", "/", "own"),
        https("x.wild.example.com", "/", MISDIRECTED, sni="own.wild.example.com", why="a precise entry is its own"),
        https("own.wild.example.com", "/", "own", sni="x.wild.example.com", why="the wildcard covers it as well"),
        https("e.example.com", "/", "e", why="an entry without hosts covers its Ingress's"),
        https("f.example.com", "/", "f"),
        https("f.example.com", "/", "f", sni="e.example.com"),
        https("a.example.com", "/", MISDIRECTED, sni="e.example.com"),
        https("missing.example.com", "/", CLOSED),
        https("missing.wild.example.com", "/", CLOSED, why="a wildcard's certificate doesn't stand in"),
        https("missing.wild.example.com", "/", "wild", sni="x.wild.example.com", why="the wildcard's entry covers it"),
        https("beside.example.com", "/", "beside", why="one entry's Secret takes nothing from the next"),
        https("missing.example.com", "/", MISDIRECTED, sni="beside.example.com"),
    ),
    secrets=(
        secret("cert-a", certificate("a.example.com")),
        secret("cert-b", certificate("b.example.com", "only.example.com")),
        secret("cert-wild", certificate("*.wild.example.com")),
        secret("cert-own", certificate("own.wild.example.com")),
        secret("cert-whole", certificate("e.example.com", "f.example.com")),
        secret("cert-beside", certificate("beside.example.com")),
    ),
)

TLS_DEFAULT = Table(
    "tls with a default certificate",
    (
        ingress(
            "shop",
            rule("a.example.com", path("/", "a")),
            rule("d.example.com", path("/", "d")),
            rule("plain.example.com", path("/", "plain")),
            rule("*.wild.example.com", path("/", "wild")),
            tls=[
                tls("a.example.com", secret="cert-a"),
                tls("d.example.com"),
                tls("*.wild.example.com", secret="cert-wild"),
                tls("m.example.com", "*.gone.example.com", secret="nowhere"),
            ],
        ),
        ingress("unnamed", rule(None, path("/n", "unnamed"))),
    ),
    services("a", "d", "plain", "wild", "unnamed"),
    (
        https("a.example.com", "/", "a"),
        https("d.example.com", "/", "d", why="an entry without secretName"),
        https("plain.example.com", "/", "plain", why="no entry covers the SNI: the default certificate"),
        https("plain.example.com", "/", "plain", sni="unknown.test"),
        https("plain.example.com", "/", "plain", sni="", why="no SNI"),
        https("d.example.com", "/", "d", sni=""),
        https("a.example.com", "/", MISDIRECTED, sni="", why="it has a certificate of its own"),
        https("a.example.com", "/", MISDIRECTED, sni="unknown.test"),
        https("a.example.com", "/", MISDIRECTED, sni="d.example.com"),
        https("d.example.com", "/", MISDIRECTED, sni="a.example.com"),
        https("plain.example.com", "/", MISDIRECTED, sni="a.example.com"),
        https("x.wild.example.com", "/", "wild"),
        https("x.wild.example.com", "/", MISDIRECTED, sni="unknown.test"),
        https("y.x.wild.example.com", "/n", "unnamed", why="two labels: covered by no entry, named by no rule"),
        https("y.x.wild.example.com", "/n", MISDIRECTED, sni="x.wild.example.com"),
        https("unknown.test", "/n", "unnamed"),
        https("unknown.test", "/", NOT_FOUND),
        https("m.example.com", "/n", CLOSED, why="the default certificate doesn't stand in for a missing one"),
        https("m.example.com", "/n", MISDIRECTED, sni="unknown.test"),
        https("x.gone.example.com", "/n", CLOSED),
        https("x.gone.example.com", "/n", MISDIRECTED, sni="unknown.test"),
        https("y.x.gone.example.com", "/n", "unnamed", why="two labels: no entry covers it"),
        http("plain.example.com", "/", "plain"),
        http("a.example.com", "/", "a"),
    ),
    secrets=(
        secret("cert-a", certificate("a.example.com")),
        secret("cert-wild", certificate("*.wild.example.com")),
        secret("cert-default", certificate("default.example.com")),
    ),
    default_tls_secret=key("cert-default"),
)

TLS_UNNAMED = Table(
    "tls with rules without host",
    (
        ingress(
            "shop",
            rule("a.example.com", path("/a", "a")),
            rule(None, path("/n", "unnamed")),
            tls=[tls("a.example.com", "only.example.com", secret="cert")],
        ),
        ingress("default", default="fallback"),
    ),
    services("a", "unnamed", "fallback"),
    (
        https("a.example.com", "/a", "a"),
        https("a.example.com", "/n", "fallback"),
        https("only.example.com", "/n", "unnamed", why="no rule names it"),
        https("only.example.com", "/m", "fallback"),
        https("only.example.com", "/n", "unnamed", sni="a.example.com"),
        https("other.test", "/n", MISDIRECTED, sni="a.example.com"),
        https("other.test", "/n", CLOSED),
        http("other.test", "/n", "unnamed"),
    ),
    secrets=(secret("cert", certificate("a.example.com", "only.example.com")),),
)

TABLES = (
    EXAMPLES,
    PATHS,
    NORMALIZATION,
    HOSTS,
    NO_FALLBACK,
    DEFAULTS,
    UNNAMED_DEFAULT,
    MERGING,
    BACKENDS,
    TLS,
    TLS_DEFAULT,
    TLS_UNNAMED,
)
