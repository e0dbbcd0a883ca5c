"""Inputs of the CVEs of ingress-nginx: no byte of them reaches a proxy as anything but the text of a match.

docs/security.md has the table. The answers of a real Envoy to the same inputs, beside those of ingress-nginx, are the
cases of tests/rows that the table names.
"""

from urllib.parse import unquote

import pytest

from tests.support.objects import World, config_map, ingress, path, pipeline, rule, service
from tests.support.route_table_annotations import annotated
from xds.snapshot.resource import ResourceType
from xds.traffic.actions import Closed
from xds.translate.nginx.annotation import PREFIX

HOST = "a.example.com"
MARK = "INJECTED"
"""In the part of a value that is a directive of nginx, or another header, to ingress-nginx."""

CLOSING = {
    "CVE-2021-25742": {"configuration-snippet": f"auth_basic {MARK}; deny all;"},
    "CVE-2021-25746": {"auth-type": "basic", "auth-secret": "users", "auth-realm": f'"; {MARK} "'},
    "CVE-2023-5043": {"configuration-snippet": f"deny all; {MARK};"},
    "CVE-2024-7646": {"auth-url": f"http://auth.test/\r{MARK};"},
    "CVE-2025-1097": {"auth-tls-secret": "default/ca", "auth-tls-match-cn": f'CN=a") {{}} {MARK}; #'},
    "CVE-2025-24513": {"auth-type": "basic", "auth-secret": f"../../{MARK}"},
    "CVE-2025-24514": {"auth-url": f"http://auth.test/\n{MARK};"},
    "CVE-2025-15566": {"auth-url": "http://auth.test/", "auth-proxy-set-headers": "default/hostile"},
    "CVE-2026-1580": {"auth-url": "http://auth.test/", "auth-method": f"GET\n{MARK}"},
}
"""These ask for a protection, and close the paths."""

PLAIN = {
    "CVE-2023-5044": {"permanent-redirect": f'https://a.test/";{MARK};"'},
    "CVE-2024-7646": {"cors-allow-headers": f"X-A\r{MARK}", "enable-cors": "true"},
    "CVE-2025-1098": {"mirror-target": f"http://web.default.svc/;{MARK}", "mirror-host": f"a.test;{MARK}"},
    "CVE-2026-3288": {"rewrite-target": f'/";{MARK};"'},
}
"""These protect nothing, and have no effect."""


@pytest.mark.parametrize("name", CLOSING)
def test_a_hostile_value_of_a_protection_closes_the_path(name: str) -> None:
    annotations = {PREFIX + key: value for key, value in CLOSING[name].items()}
    hostile = config_map("hostile", **{"X-A": f"a\r\n{MARK}: b"})
    given = World(service("web"), hostile, ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert {type(route.action) for route in given.traffic.hosts[HOST].routes} == {Closed}
    assert given.reasons()
    assert_nothing_injected(annotations)


@pytest.mark.parametrize("name", PLAIN)
def test_a_hostile_value_has_no_effect(name: str) -> None:
    annotations = {PREFIX + key: value for key, value in PLAIN[name].items()}
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert given.reasons()
    assert_nothing_injected(annotations)


@pytest.mark.parametrize(
    "written",
    ["/a;}location /b{", "/a'\"", "/${request_uri}", "/var/run/secrets/kubernetes.io/serviceaccount/token"],
)
def test_a_path_is_compared_as_text(written: str) -> None:
    """CVE-2021-25745, CVE-2021-25748, CVE-2022-4886, CVE-2026-24512, CVE-2026-4342."""
    given = World(service("web"), ingress("shop", rule(HOST, path(written))))
    assert [unquote(route.path) for route in given.traffic.hosts[HOST].routes] == [written]


@pytest.mark.parametrize("written", ["/a\nb", "/a\rb", "/a\0b"])
def test_a_path_with_a_control_character_is_left_out(written: str) -> None:
    """The API server rejects such paths; a folder of manifests may hold them."""
    given = World(service("web"), ingress("shop", rule(HOST, path(written))))
    assert given.traffic.hosts[HOST].routes == ()
    assert given.reasons() == [("shop", "InvalidPath")]


def test_an_error_page_does_not_change_the_status() -> None:
    """CVE-2026-24513. The case auth-custom-errors asks a real Envoy; here, the asker of passwords closes."""
    asked = annotated(
        custom_http_errors="401",
        default_backend="web",
        auth_type="basic",
        auth_secret="missing",
    )
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=asked))
    assert {type(route.action) for route in given.traffic.hosts[HOST].routes} == {Closed}


def assert_nothing_injected(annotations: dict[str, str]) -> None:
    store = pipeline(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations)).store
    for type_ in ResourceType:
        for name, resource in store.resources(type_).items():
            assert MARK.encode() not in resource.body, (type_, name)
