"""proxy-redirect-from and -to, proxy-cookie-path and -domain: grammars.

Excludes: the answers (tests/e2e/test_backend_names.py).
"""

import pytest

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.traffic.backend_names import BackendNames, Replacement

HOST = "a.example.com"


def world(**values: str) -> World:
    return World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))


def names(given: World) -> BackendNames | None:
    (route,) = given.traffic.hosts[HOST].routes
    return route.policy.backend_names


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            {"proxy_redirect_from": " http://inner:80/ ", "proxy_redirect_to": "/"},
            BackendNames(location=Replacement("http://inner:80/", "/"), completes_paths=True),
        ),
        (
            {"proxy_redirect_from": "http://inner/", "proxy_redirect_to": "/", "relative_redirects": "true"},
            BackendNames(location=Replacement("http://inner/", "/")),
        ),
        ({"proxy_redirect_from": "/a", "proxy_redirect_to": "default"}, BackendNames(Replacement("/a", "default"))),
        ({"proxy_cookie_path": "/inner  /"}, BackendNames(cookie_path=Replacement("/inner", "/"))),
        (
            {"proxy_cookie_domain": ".Inner.test .outer.test"},
            BackendNames(cookie_domain=Replacement("inner.test", "outer.test")),
        ),
        ({"proxy_redirect_from": "off", "proxy_redirect_to": "/x"}, None),
        ({"proxy_redirect_from": "default", "proxy_redirect_to": "/x"}, None),
        ({"proxy_redirect_from": "/x", "proxy_redirect_to": "off"}, None),
        ({"proxy_cookie_path": "off", "proxy_cookie_domain": "off"}, None),
        ({"proxy_cookie_path": "", "proxy_cookie_domain": ""}, None),
    ],
    ids=str,
)
def test_valid_values(values: dict[str, str], found: BackendNames | None) -> None:
    given = world(**values)
    assert names(given) == found
    assert not given.problems


@pytest.mark.parametrize("values", [{"proxy_redirect_from": "http://inner/"}, {"proxy_redirect_to": "/"}], ids=str)
def test_one_of_two_words_has_no_effect(values: dict[str, str]) -> None:
    given = world(**values)
    assert names(given) is None
    assert given.reasons() == [("shop", "AnnotationUnsupported")]


@pytest.mark.parametrize(
    "values",
    [
        {"proxy_cookie_path": "/one"},
        {"proxy_cookie_path": "/a /b /c"},
        {"proxy_cookie_path": "~/a.b /c"},
        {"proxy_cookie_path": "/a$b /c"},
        {"proxy_cookie_path": "/a /b\n"},
        {"proxy_cookie_path": f"/a /{'b' * 3000}"},
        {"proxy_cookie_domain": "inner.test"},
        {"proxy_cookie_domain": "a=b c"},
        {"proxy_cookie_domain": "~inner outer"},
        {"proxy_redirect_from": "~http", "proxy_redirect_to": "off"},
        {"proxy_redirect_from": "http://a http://b", "proxy_redirect_to": "off"},
        {"proxy_redirect_from": "off", "proxy_redirect_to": "$scheme://x"},
        {"proxy_redirect_from": "off", "proxy_redirect_to": "/\r\nset-cookie:a=b"},
    ],
    ids=str,
)
def test_bad_values_count_as_absent(values: dict[str, str]) -> None:
    given = world(**values)
    assert names(given) is None
    assert given.reasons() == [("shop", "AnnotationInvalid")]
