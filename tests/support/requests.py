"""Strategies for conflicting Ingresses, and for odd requests."""

from collections.abc import Iterable
from typing import Final

from hypothesis import strategies as st

from tests.support.objects import (
    authorities,
    certificate,
    endpoint,
    ingress,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from tests.support.route_table_annotations import annotated, canary
from xds.explain.request import METHODS, Request
from xds.kube.objects import Ingress, IngressRule, IngressTLS, KubeObject
from xds.problems.problem import Key

ALIVE: Final = (Key("default", "web"), Key("default", "api"), Key("team", "web"))
"""The Services with a backend."""

FIXED: Final[tuple[KubeObject, ...]] = (
    *(service(key.name, "http:80", ns=key.namespace) for key in ALIVE),
    service("empty", "http:80"),
    service("leaving", "http:80"),
    slice_of("leaving", endpoint("127.0.0.1", ready=False, serving=False), ports=["http:9"]),
    secret("one", certificate("a.example.com")),
    secret("two", certificate("*.example.com", serial=2)),
    secret("default", certificate("default", serial=3)),
    authorities("authority"),
    secret("one", certificate("team", serial=4), ns="team"),
)

# Few of each kind, so that requests meet Ingresses.
_BACKENDS: Final = ("web", "web", "web:http", "api", "api", "empty", "leaving", "ghost", "web:81", "bucket!")
_HOSTS: Final = (
    "a.example.com",
    "b.example.com",
    "*.example.com",
    "example.com",
    "x.a.example.com",
    "*.a.example.com",
    "*.b.a.example.com",
    "localhost",
    "a-b.test",
    "*.test",
    "www.a.example.com",
)
_PATHS: Final = (
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/A",
    "/ab",
    "/a/b/c",
    "/%61",
    "/a%20b",
    "/é",
    "/a;x",
    "/*",
    "/a.b",
    "/c:d",
    "/'",
)

paths = st.builds(
    path,
    st.sampled_from(_PATHS),
    st.sampled_from(_BACKENDS),
    st.sampled_from(("Prefix", "Exact", "ImplementationSpecific")),
)
rules = st.builds(
    lambda host, some: rule(host, *some),
    st.one_of(st.sampled_from(_HOSTS), st.none()),
    st.lists(paths, max_size=4),
)
tls_entries = st.builds(
    lambda hosts, name: tls(*hosts, secret=name),
    st.lists(st.sampled_from(_HOSTS), max_size=3, unique=True),
    st.sampled_from(("one", "two", "default", "nowhere", None)),
)


_canaries = st.sampled_from(
    (
        {},
        canary(canary_by_header="X-A"),
        canary(canary_by_header="x-a", canary_by_header_value="ab", canary_weight="100"),
        canary(canary_by_header="x-a", canary_by_header_pattern="[ab]$|^n", canary_by_cookie="c"),
        canary(canary_by_cookie="c", canary_weight="1000", canary_weight_total="1000"),
        canary(canary_by_header="host", canary_by_header_value="a.example.com", canary_by_cookie="c"),
    )
)


_further_names = st.sampled_from(
    (
        *({},) * 12,
        annotated(server_alias="b.example.com,alias.test,.alias.example.com"),
        annotated(server_alias="*.com, *.a.example.com, www.a.example.com", from_to_www_redirect="true"),
        annotated(server_alias="a.*, a.example.*,x.*, x.a.example.com", auth_tls_secret="default/ca"),
        annotated(from_to_www_redirect="true"),
        annotated(auth_tls_secret="default/authority"),
        annotated(auth_tls_secret="default/authority", server_alias="b.example.com,x.*,.alias.example.com"),
        annotated(auth_tls_secret="default/authority", auth_tls_verify_client="optional", app_root="/a/b"),
        annotated(
            auth_tls_secret="default/authority", auth_tls_error_page="https://x.test", from_to_www_redirect="true"
        ),
        annotated(
            auth_tls_secret="default/authority", auth_tls_match_cn="CN=a", auth_tls_verify_client="optional_no_ca"
        ),
    )
)


_redirects = st.sampled_from(
    (
        *({},) * 4,
        annotated(ssl_redirect="true"),
        annotated(ssl_redirect="true", preserve_trailing_slash="true"),
        annotated(ssl_redirect="false"),
        annotated(force_ssl_redirect="true"),
        annotated(force_ssl_redirect="true", use_port_in_redirects="true", app_root="/a/b"),
        annotated(ssl_redirect="true", permanent_redirect="/moved?x"),
        annotated(permanent_redirect="/moved", relative_redirects="true", permanent_redirect_code="308"),
    )
)


_ORIGINS = ("https://a.test", "HTTPS://A.Test", "https://b.a.test", "https://c.b.a.test", "xhttps://a.test", "null", "")

_cors = st.sampled_from(
    (
        *({},) * 4,
        annotated(enable_cors="true"),
        annotated(enable_cors="true", cors_allow_origin="https://a.test"),
        annotated(enable_cors="true", cors_allow_origin="https://*.a.test,null"),
        annotated(enable_cors="true", cors_allow_origin=",".join(f"https://*.a{each}.test" for each in range(9))),
        annotated(enable_cors="true", cors_allow_origin="https://a.test/"),
    )
)


def _ingress(
    name: str,
    ns: str,
    created: int | None,
    some: Iterable[IngressRule],
    entries: Iterable[IngressTLS],
    to: str | None,
    names: dict[str, str],
    redirects: dict[str, str],
    cors: dict[str, str],
) -> Ingress:
    notes = names | redirects | cors
    return ingress(name, *some, ns=ns, created=created, tls=entries, default=to, annotations=notes)


_ordinary: st.SearchStrategy[list[Ingress]] = st.lists(
    st.builds(
        _ingress,
        st.sampled_from(("one", "two", "three")),
        st.sampled_from(("default", "default", "team")),
        st.sampled_from((None, 1, 2)),
        st.lists(rules, min_size=1, max_size=6),
        st.lists(tls_entries, max_size=2),
        st.one_of(st.none(), st.sampled_from(_BACKENDS)),
        _further_names,
        _redirects,
        _cors,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.key,
)


def _with_canary(some: list[Ingress], annotations: dict[str, str], to: str, of: int) -> list[Ingress]:
    """The Ingresses, and a canary of the paths of one. Without annotations, a junior Ingress of the same paths."""
    main = some[of % len(some)]
    rules = [
        rule(each.host, *(path(lent.path, to, lent.path_type) for lent in each.paths))
        for each in main.spec.rules or ()
        if each.paths
    ]
    return [*some, ingress("zero", *rules, ns=main.key.namespace, created=3, annotations=annotations)]


ingresses: st.SearchStrategy[list[Ingress]] = st.builds(
    _with_canary, _ordinary, _canaries, st.sampled_from(_BACKENDS), st.integers(0, 3)
)

_odd = st.sampled_from("!$%&'()*+,-.:;=@[]_~/?#\\<>\"^`{|}\x7f\xe9 ")
_labels = st.sampled_from(("a", "b", "x", "A", "example", "com", "", "*", "localhost", "test", "a-b", "127", "%61"))
_names = st.one_of(
    st.sampled_from(_HOSTS),
    st.sampled_from(_HOSTS).map(lambda host: host.replace("*", "w")),
    st.sampled_from(_HOSTS).map(str.upper),
    st.builds("www.{}".format, st.sampled_from(_HOSTS)),
    st.sampled_from(("alias.test", "y.alias.example.com", "alias.example.com", "a.org", "x.test", "a.b.com")),
    st.builds("{}.{}".format, _labels, st.sampled_from(_HOSTS)),
    st.builds("{}{}".format, st.sampled_from(_HOSTS), st.sampled_from((".", "..", ".example.com", "x"))),
    st.lists(_labels, max_size=4).map(".".join),
    st.sampled_from(("", "[::1]", "[::1", "::1", "127.0.0.1", "user@a.example.com", "user:word@a.example.com")),
    st.builds("{}{}{}".format, _labels, _odd, st.sampled_from(_HOSTS)),
)
_ports = st.sampled_from(("", "", "", ":80", ":8080", ":443", ":", ":0", ":99999999999", ":abc", ":80:80", ":-1", ":]"))

_segments = st.one_of(
    st.sampled_from(("", "a", "b", "c", "A", "ab", "é", "a b", "a%20b", "%61", "%41", "a;x", "*", "a.b", "c:d", "'")),
    st.sampled_from(
        (
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2e",
            "..;",
            ".;x",
            "..;a=b",
            "..;\\\\b",
            "a\\\\..;b",
            "%2e;",
            "...",
            ";",
            "..%2f",
            "%2e%2e%2f",
        )
    ),
    st.sampled_from(("%2f", "%2Fa", "a%2fb", "%5c", "%00", "%", "%zz", "%C3%A9", "%c3%a9", "%25%36%31", "a%2eb")),
    st.builds("{}{}".format, st.sampled_from(("", "a", "..")), st.characters(min_codepoint=0x21, max_codepoint=0x7E)),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=4),
)
_tails = st.sampled_from(("", "", "", "/", "//", "?", "?q=1", "?/a/../b", "?a?b", "#f", "?q#f", "\\", "\\a", "\\..\\a"))
_request_paths = st.one_of(
    st.sampled_from(_PATHS).filter(str.isascii),
    st.builds("{}{}".format, st.sampled_from(_PATHS).filter(str.isascii), _tails),
    st.builds("/{}{}".format, st.lists(_segments, max_size=5).map("/".join), _tails),
)
_snis = st.one_of(
    st.sampled_from(_HOSTS).map(lambda host: host.replace("*", "w")),
    st.sampled_from(
        ("", "", "A.Example.COM", "a.example.com.", "y.x.a.example.com", "other.test", "com", "w_x.example.com")
    ),
)


_headers = st.lists(
    st.sampled_from(
        (
            *(("x-a", value) for value in ("always", "never", "ab", "Always", "  always\t", "xb", "", "b c")),
            *(("Cookie", value) for value in ("c=always", "a=b; c=never", 'c="always"', "C=always", "c = always", "c")),
            *(("Cookie", value) for value in ("c=always; c=never", "c=never,c=always", "; c=always", 'c="', "x_a=1")),
            *(("Origin", value) for value in (*_ORIGINS, "https://b.a7.test")),
        )
    ),
    max_size=3,
).map(tuple)


def _request(
    authority: str,
    port: str,
    target: str,
    sni: str | None,
    method: str,
    proto: str | None,
    typed: bool,
    headers: tuple[tuple[str, str], ...],
) -> Request:
    """Blanks around a header's value don't belong to the value."""
    host = f"{authority}{port}".strip()
    return Request(
        host,
        target,
        https=sni is not None,
        sni=sni or "",
        method=method,
        forwarded_proto=proto,
        has_content_type=typed,
        headers=headers,
    )


requests: st.SearchStrategy[Request] = st.builds(
    _request,
    _names,
    _ports,
    _request_paths,
    st.one_of(st.none(), st.none(), _snis),
    st.sampled_from(("GET",) * 8 + ("OPTIONS",) * 4 + ("HEAD", "POST", "QUERY", "FOO", "get", *sorted(METHODS))),
    st.sampled_from((None,) * 6 + ("https", "http", "", "HTTPS", "https, http")),
    st.booleans(),
    _headers,
)
