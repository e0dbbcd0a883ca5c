"""Surprises of ingress-nginx: each rule finds its Ingress, and leaves a like one alone.

Excludes: verdicts (test_verdicts), input and output (test_migrate).
"""

from typing import Any

import pytest

from tests.migrate.report_of import config_map, data, deployment, ingress, of, secret
from xds.migrate.surprises.registry import RULES

OLD, NEW = "2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z"
CANARY = {"canary": "true", "canary_weight": "10"}
TLS = [{"hosts": ["a.test"], "secretName": "t"}]
API = "/api(/|$)(.*)"

Case = tuple[str, list[dict[str, Any]], list[dict[str, Any]]]


def with_default_backend(found: dict[str, Any], **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "other", "port": {"number": 80}}}
    return {**found, "spec": {**found["spec"], "defaultBackend": backend, **spec}}


# The id, the objects of which Ingress `web` has the surprise, and like ones of which it has not.
CASES: list[Case] = [
    (
        "default-backend-for-all",
        [with_default_backend(ingress())],
        [with_default_backend(ingress(), rules=[])],
    ),
    ("not-served-today", [ingress(limit_rps="ten")], [ingress(limit_rps="10")]),
    ("not-served-today", [ingress(load_balance="ip_hash")], [ingress(load_balance="ewma")]),
    (
        "not-served-today",
        [ingress(server_snippet="return 204;")],
        [ingress(server_snippet="return 204;"), deployment("--enable-annotation-validation=false")],
    ),
    (
        "not-served-today",
        [ingress(server_alias="b.test"), config_map(annotations_risk_level="Medium")],
        [ingress(server_alias="b.test")],
    ),
    ("value-never-read", [ingress(proxy_read_timeout="60s")], [ingress(proxy_read_timeout="60")]),
    ("value-never-read", [ingress(proxy_body_size="8Mi")], [ingress(proxy_body_size="8m")]),
    ("value-never-read", [ingress(ssl_redirect="on")], [ingress(ssl_redirect="T")]),
    ("value-never-read", [ingress(affinity="ip")], [ingress(affinity="")]),
    ("blocks-nginx", [ingress(proxy_read_timeout="-1")], [ingress(proxy_read_timeout="0")]),
    ("blocks-nginx", [ingress(proxy_buffers_number="1")], [ingress(proxy_buffers_number="2")]),
    ("blocks-nginx", [ingress(custom_http_errors="404503")], [ingress(custom_http_errors="404,503")]),
    ("blocks-nginx", [ingress(rewrite_target="/$$")], [ingress(rewrite_target="/$1")]),
    (
        "answers-503-today",
        [ingress(denylist_source_range="10.0.0.0/33")],
        [ingress(denylist_source_range="10.0.0.0/8")],
    ),
    ("answers-503-today", [ingress(auth_url="login.test/check")], [ingress(auth_url="http://login.test/check")]),
    (
        "answers-503-today",
        [ingress(auth_type="basic", auth_secret="users"), secret("other")],
        [ingress(auth_type="basic", auth_secret="users")],
    ),
    (
        "answers-503-today",
        [ingress(auth_type="basic", auth_secret="other/users")],
        [ingress(auth_type="basic", auth_secret="shop/users")],
    ),
    (
        "answers-503-today",
        [ingress(auth_type="basic", auth_secret="u"), secret("u", users="a:{SHA}x")],
        [ingress(auth_type="basic", auth_secret="u", auth_secret_type="auth-map"), secret("u", users="{SHA}x")],
    ),
    ("blocks-nginx", [ingress(rewrite_target="/$nosuchvar")], [ingress(rewrite_target="/$http_x/$host")]),
    ("not-served-today", [ingress(server_alias="foo bar")], [ingress(server_alias="foo.test, bar.test")]),
    ("not-served-today", [ingress(auth_tls_match_cn='CN=x" ) {')], [ingress(auth_tls_match_cn="CN=(a|b).*")]),
    (
        "custom-headers-not-allowed",
        [
            ingress(custom_headers="shop/h"),
            config_map(global_allowed_response_headers="x-a"),
            config_map("h", "shop", X_A="1"),
        ],
        [
            ingress(custom_headers="shop/h"),
            config_map(global_allowed_response_headers="X-A, x-b"),
            config_map("h", "shop", X_A="1"),
        ],
    ),
    (
        "regex-of-neighbour",
        [ingress("web", "/docs"), ingress("other", API, use_regex="true")],
        [ingress("web", "/docs"), ingress("other", API, use_regex="false")],
    ),
    ("regex-any-case", [ingress("web", API, use_regex="true")], [ingress("web", "/api")]),
    ("regex-dot", [ingress("web", "/v1.0", use_regex="true")], [ingress("web", r"/v1\.0/.*", use_regex="true")]),
    ("rewrite-drops-path", [ingress("web", "/a", rewrite_target="/")], [ingress("web", "/", rewrite_target="/")]),
    ("rewrite-drops-path", [ingress("web", "/a", rewrite_target="/")], [ingress("web", API, rewrite_target="/$2")]),
    (
        "rewrite-to-own-path",
        [ingress("web", "/a", rewrite_target="/a")],
        [ingress("web", "Exact /a", rewrite_target="/a")],
    ),
    (
        "rewrite-missing-group",
        [ingress("web", "/a/(.*)", rewrite_target="/$2")],
        [ingress("web", API, rewrite_target="/$2")],
    ),
    (
        "implicit-root",
        [ingress("web", "/old", permanent_redirect="https://b.test")],
        [ingress("web", "/old", permanent_redirect="https://b.test"), ingress("root", "/", created=NEW)],
    ),
    (
        "redirect-variable",
        [ingress(permanent_redirect="https://b.test$request_uri")],
        [ingress(permanent_redirect="https://b.test")],
    ),
    (
        "temporal-redirect-code-308",
        [ingress(temporal_redirect="https://b.test", temporal_redirect_code="308")],
        [ingress(temporal_redirect="https://b.test", temporal_redirect_code="307")],
    ),
    ("www-redirect-port", [ingress(from_to_www_redirect="true")], [ingress(from_to_www_redirect="false")]),
    ("tls-host-not-named", [ingress(tls=[{"hosts": ["b.test"], "secretName": "t"}])], [ingress(tls=TLS)]),
    (
        "tls-host-not-named",
        [ingress(tls=[{"hosts": ["b.test"], "secretName": "t"}])],
        [ingress(tls=[{"hosts": ["b.test"], "secretName": "t"}], ssl_redirect="false")],
    ),
    ("tls-secret-missing", [ingress(tls=TLS), secret("other")], [ingress(tls=TLS)]),
    ("tls-secret-missing", [ingress(tls=[{"hosts": ["a.test"]}])], [ingress(tls=TLS), secret("t")]),
    (
        "tls-by-parent-wildcard",
        [ingress(), ingress("wild", host="*.test", tls=[{"hosts": ["*.test"], "secretName": "t"}])],
        [ingress(), ingress("wild", host="*.test")],
    ),
    ("app-root-plain-first", [ingress(app_root="/app", tls=TLS)], [ingress(app_root="/app")]),
    ("app-root-two", [ingress(app_root="/a"), ingress("other", "/b", app_root="/b")], [ingress(app_root="/a")]),
    (
        "prefix-header-without-rewrite",
        [ingress(x_forwarded_prefix="/a")],
        [ingress("web", "/a", x_forwarded_prefix="/a", rewrite_target="/")],
    ),
    ("path-owner-by-age", [ingress(), ingress("old", created=OLD)], [ingress(created=OLD), ingress("new")]),
    ("path-owner-by-name", [ingress(), ingress("b")], [ingress(), ingress("b", "/b")]),
    ("wildcard-alias-depth", [ingress(server_alias="b.test,*.c.test")], [ingress(server_alias="b.test")]),
    ("prefix-slash-redirect", [ingress("web", "/a/")], [ingress("web", "/a/", "/a")]),
    (
        "empty-redirect-family",
        [ingress(permanent_redirect="", from_to_www_redirect="true")],
        [ingress(permanent_redirect="")],
    ),
    (
        "mirror-without-request-uri",
        [ingress(mirror_target="http://m.test")],
        [ingress(mirror_target="http://m.test$request_uri")],
    ),
    ("mirror-bad-target", [ingress(mirror_target="m.test")], [ingress(mirror_target="http://m.test")]),
    (
        "canary-follows-service",
        [ingress("web", service="c", **CANARY), ingress("main"), ingress("other", "/b")],
        [ingress("web", service="c", **CANARY), ingress("main")],
    ),
    (
        "canary-second",
        [ingress("web", service="c", **CANARY), ingress("first", service="d", created=OLD, **CANARY), ingress("main")],
        [ingress("web", service="c", **CANARY), ingress("main")],
    ),
    (
        "canary-without-primary",
        [ingress("web", "/b", service="c", **CANARY), ingress("main")],
        [ingress("web", service="c", **CANARY), ingress("main")],
    ),
    (
        "canary-weight-total",
        [ingress("web", service="c", canary_weight_total="50", **CANARY), ingress("main")],
        [ingress("web", service="c", canary_weight_total="200", **CANARY), ingress("main")],
    ),
    (
        "canary-own-annotations",
        [ingress("web", service="c", proxy_body_size="1m", **CANARY), ingress("main")],
        [ingress("web", service="c", load_balance="ewma", **CANARY), ingress("main")],
    ),
    (
        "canary-service-lost",
        [ingress("web", "/b"), ingress("canary", created=OLD, **CANARY), ingress("main", service="m")],
        [ingress("web", "/b"), ingress("canary", service="c", created=OLD, **CANARY), ingress("main", service="m")],
    ),
    (
        "canary-other-namespace",
        [ingress("web", service="c", namespace="attic", **CANARY), ingress("main")],
        [ingress("web", service="c", **CANARY), ingress("main")],
    ),
    (
        "canary-protection",
        [ingress("web", service="c", auth_url="http://x.test", **CANARY), ingress("main")],
        [ingress("web", service="c", **CANARY), ingress("main")],
    ),
    (
        "custom-errors-become-404",
        [ingress(custom_http_errors="503")],
        [ingress(custom_http_errors="503", default_backend="errors")],
    ),
    (
        "balancing-of-oldest",
        [ingress(load_balance="ewma"), ingress("old", "/b", created=OLD)],
        [ingress(load_balance="ewma"), ingress("old", "/b", created=OLD, load_balance="ewma")],
    ),
    (
        "session-cookie-of-last",
        [
            ingress(created=OLD, affinity="cookie", session_cookie_name="a"),
            ingress("last", "/b", affinity="cookie", session_cookie_name="b"),
        ],
        [ingress(created=OLD, affinity="cookie"), ingress("last", "/b", affinity="cookie")],
    ),
    ("affinity-of-neighbour", [ingress(), ingress("sticky", "/b", affinity="cookie")], [ingress(affinity="cookie")]),
    (
        "backend-tls-without-secret",
        [ingress(backend_protocol="HTTPS", proxy_ssl_name="x.test")],
        [ingress(backend_protocol="HTTPS", proxy_ssl_name="x.test", proxy_ssl_secret="shop/ca")],
    ),
    (
        "backend-tls-verify-without-name",
        [ingress(backend_protocol="HTTPS", proxy_ssl_verify="on", proxy_ssl_secret="shop/ca")],
        [ingress(backend_protocol="HTTPS", proxy_ssl_verify="on", proxy_ssl_secret="shop/ca", proxy_ssl_name="x")],
    ),
    (
        "backend-tls-secret-without-ca",
        [ingress(proxy_ssl_secret="shop/ca"), secret("ca", other="x")],
        [ingress(proxy_ssl_secret="shop/ca"), secret("ca", **{"ca.crt": "x"})],
    ),
    (
        "backend-tls-of-neighbour",
        [ingress(backend_protocol="HTTPS"), ingress("other", "/b", proxy_ssl_secret="shop/ca")],
        [ingress(backend_protocol="HTTPS"), ingress("other", "/b")],
    ),
    ("limit-burst", [ingress(limit_rps="5")], [ingress(limit_rps="0")]),
    (
        "limit-rate-without-buffering",
        [ingress(limit_rate="5")],
        [ingress(limit_rate="5", proxy_buffering="on")],
    ),
    ("sessions-start-anew", [ingress(affinity="cookie")], [ingress()]),
    (
        "cookie-samesite-case",
        [ingress(affinity="cookie", session_cookie_samesite="lax")],
        [ingress(affinity="cookie", session_cookie_samesite="Lax")],
    ),
    (
        "cookie-path-regex",
        [ingress("web", API, affinity="cookie", use_regex="true")],
        [ingress("web", API, affinity="cookie", use_regex="true", session_cookie_path="/api")],
    ),
    ("websocket-silence", [ingress(proxy_read_timeout="3600")], [ingress(proxy_connect_timeout="3600")]),
    (
        "custom-headers-not-allowed",
        [ingress(custom_headers="shop/headers"), config_map()],
        [ingress(custom_headers="shop/headers"), config_map(global_allowed_response_headers="x-a")],
    ),
    ("grpc-lower-case", [ingress(backend_protocol="grpc")], [ingress(backend_protocol="https")]),
    ("service-upstream-502", [ingress(service_upstream="true")], [ingress(service_upstream="false")]),
    (
        "grpc-body-limit",
        [ingress(backend_protocol="GRPC")],
        [ingress(backend_protocol="GRPC", proxy_body_size="0")],
    ),
    ("large-response-headers", [ingress(proxy_buffer_size="16k")], [ingress(proxy_buffer_size="16kb")]),
    ("connection-header-websockets", [ingress(connection_proxy_header="close")], [ingress()]),
    (
        "backend-connections-shared",
        [ingress(proxy_ssl_secret="shop/ca"), ingress("other", "/b")],
        [ingress(proxy_ssl_secret="shop/ca"), ingress("other", "/b", service="o")],
    ),
    ("protected-nothing", [ingress(auth_secret="users")], [ingress(auth_secret="users", auth_type="basic")]),
    ("protected-nothing", [ingress(whitelist_source_range="")], [ingress(denylist_source_range="")]),
    (
        "auth-switched-off",
        [ingress(auth_url="http://x.test", auth_cache_duration="5 minutes")],
        [ingress(auth_url="http://x.test", auth_cache_duration="200 202 401 5m")],
    ),
    (
        "auth-tls-without-ca",
        [ingress(auth_tls_secret="shop/ca"), secret("ca", other="x")],
        [ingress(auth_tls_secret="shop/ca"), secret("ca", **{"ca.crt": "x"})],
    ),
    ("auth-tls-over-http", [ingress(auth_tls_secret="shop/ca")], [ingress(auth_tls_secret="shop/ca", tls=TLS)]),
    ("auth-tls-of-neighbour", [ingress(), ingress("tls", "/b", auth_tls_secret="shop/ca")], [ingress()]),
    (
        "access-not-on-redirects",
        [ingress(auth_url="http://x.test", app_root="/a")],
        [ingress(auth_url="http://x.test")],
    ),
    (
        "password-hashes-need-authz",
        [ingress(auth_type="basic", auth_secret="u"), secret("u", auth="#x\na:{SHA}x\nb:$2y$05$x\nc:$apr1$x\n")],
        [ingress(auth_type="basic", auth_secret="u"), secret("u", auth="a:{SHA}x")],
    ),
    (
        "password-hashes-need-authz",
        [ingress(auth_type="basic", auth_secret="u", auth_secret_type="auth-map"), secret("u", a="$6$x")],
        [ingress(auth_type="basic", auth_secret="u")],
    ),
    ("auth-cache-gone", [ingress(auth_url="http://x.test", auth_cache_key="k")], [ingress(auth_cache_key="k")]),
    (
        "auth-variable-refused",
        [ingress(auth_url="http://x.test/$http_cookie")],
        [ingress(auth_url="http://x.test/$host")],
    ),
    (
        "auth-escaped-uri-empty",
        [ingress(auth_url="http://x.test/?u=$escaped_request_uri")],
        [ingress(auth_url="http://x.test/?u=$escaped_request_uri", auth_signin="http://x.test/login")],
    ),
    ("auth-url-verified", [ingress(auth_url="https://x.test")], [ingress(auth_url="https://a.shop.svc.cluster.local")]),
    (
        "cors-origin-unreadable",
        [ingress(enable_cors="true", cors_allow_origin="a.test")],
        [ingress(enable_cors="true", cors_allow_origin="https://a.test, nonsense")],
    ),
    (
        "cors-credentials-star",
        [ingress(enable_cors="true")],
        [ingress(enable_cors="true", cors_allow_credentials="false")],
    ),
    ("cors-takes-options", [ingress(enable_cors="true")], [ingress(enable_cors="on")]),
    (
        "satisfy-any-denied",
        [ingress(satisfy="any", denylist_source_range="10.0.0.0/8", auth_url="http://x.test")],
        [ingress(satisfy="all", denylist_source_range="10.0.0.0/8", auth_url="http://x.test")],
    ),
    (
        "custom-errors-hide-access",
        [ingress(custom_http_errors="401,503", default_backend="e")],
        [ingress(custom_http_errors="503", default_backend="e")],
    ),
    (
        "passthrough-off",
        [ingress(ssl_passthrough="true"), deployment("--v=2")],
        [ingress(ssl_passthrough="true"), deployment("--enable-ssl-passthrough")],
    ),
    ("passthrough-without-root", [ingress("web", "/a", ssl_passthrough="true")], [ingress(ssl_passthrough="true")]),
    ("passthrough-without-root", [ingress("web", "Exact /", ssl_passthrough="true")], [ingress("web", "Exact /")]),
    (
        "passthrough-takes-host",
        [ingress("old", created=OLD), ingress("web", "/app", created=NEW, ssl_passthrough="true")],
        [ingress("old", created=OLD, ssl_passthrough="true"), ingress("web", "/app", ssl_passthrough="true")],
    ),
    (
        "passthrough-of-neighbour",
        [ingress("web", "/app"), ingress("other", ssl_passthrough="true")],
        [ingress("web", "/app"), ingress("other", ssl_passthrough="true", host="b.test")],
    ),
    (
        "passthrough-wildcard",
        [ingress(ssl_passthrough="true", host="*.a.test")],
        [ingress(ssl_passthrough="true"), ingress("other", host="*.a.test")],
    ),
    (
        "passthrough-alias",
        [ingress(ssl_passthrough="true", server_alias="b.test")],
        [ingress(ssl_passthrough="false", server_alias="b.test")],
    ),
    (
        "passthrough-lists",
        [ingress(ssl_passthrough="true", whitelist_source_range="10.0.0.0/8")],
        [ingress(ssl_passthrough="true", auth_type="basic", auth_secret="u")],
    ),
    (
        "passthrough-unprotected",
        [ingress(ssl_passthrough="true", auth_type="basic", auth_secret="u")],
        [ingress(ssl_passthrough="true", whitelist_source_range="10.0.0.0/8")],
    ),
    ("not-served-today", [ingress(ssl_passthrough="yes")], [ingress(ssl_passthrough="true")]),
    ("tls-resumption-off", [ingress(auth_tls_secret="shop/ca")], [ingress()]),
]


@pytest.mark.parametrize(("id_", "with_", "without"), CASES, ids=[f"{each[0]}-{n}" for n, each in enumerate(CASES)])
def test_a_surprise_is_found_where_its_condition_holds_and_nowhere_else(
    id_: str, with_: list[dict[str, Any]], without: list[dict[str, Any]]
) -> None:
    assert id_ in of(data(*with_))["surprises"]
    assert id_ not in of(data(*without))["surprises"]


def test_every_surprise_has_a_case() -> None:
    assert {each[0] for each in CASES} == set(RULES)


def test_an_ingress_without_annotations_and_neighbours_has_no_surprise() -> None:
    assert of(data(ingress()))["surprises"] == []


def test_of_two_ingresses_of_one_second_each_is_told() -> None:
    found = data(ingress("a"), ingress("b"))
    assert [of(found, name)["surprises"] for name in "ab"] == [["path-owner-by-name"]] * 2
