"""default-backend, custom-http-errors and disable-proxy-intercept-errors: grammars, and the backend of error pages.

Excludes: the pages themselves (tests/e2e/test_error_pages.py).
"""

import pytest

from tests.support.objects import World, external, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import KubeObject, Service
from xds.problems.problem import Key
from xds.traffic.backends import BackendKey
from xds.traffic.error_pages import ErrorPages
from xds.traffic.routes import Route
from xds.translate.nginx.error_pages import read
from xds.translate.nginx.reader import AnnotationReader

HOST = "a.example.com"
PAGES = BackendKey("default", "pages", 8080)


def world(*others: KubeObject, to: str = "web:http", **values: str) -> World:
    shop = ingress("shop", rule(HOST, path("/", to)), annotations=annotated(**values))
    return World(service("web", "http:80"), service("pages", "main:8080", 80), shop, *others)


def only_route(given: World) -> Route:
    (route,) = given.traffic.hosts[HOST].routes
    return route


def pages(given: World) -> ErrorPages | None:
    return only_route(given).policy.error_pages


def statuses(**values: str) -> tuple[int, ...]:
    found = pages(world(default_backend="pages", **values))
    assert found is not None
    return found.statuses


def test_the_default_backend_is_the_first_port_of_its_service() -> None:
    given = world(default_backend=" pages ", custom_http_errors="404", disable_proxy_intercept_errors="true")
    expected = ErrorPages(PAGES, Key("default", "shop"), "web", "http", statuses=(404,), own_only=True)
    assert pages(given) == expected
    assert PAGES in given.traffic.backends
    assert only_route(given).backend == BackendKey("default", "web", 80)
    assert not given.problems


@pytest.mark.parametrize(
    ("value", "found"), [("404", (404,)), ("503, 404,404", (404, 503)), (" 400 ,599 ", (400, 599)), ("", ())]
)
def test_codes(value: str, found: tuple[int, ...]) -> None:
    assert statuses(custom_http_errors=value) == found


@pytest.mark.parametrize(
    "value",
    ["4xx", "404 503", "404,", ",404", "404503", "499", "399", "600", "200", "-404", "٤٠٤", "404," * 999 + "404"],
)
def test_bad_codes_replace_nothing(value: str) -> None:
    given = world(default_backend="pages", custom_http_errors=value)
    found = pages(given)
    assert found is not None
    assert found.statuses == ()
    assert given.reasons() == [("shop", "AnnotationInvalid")]


@pytest.mark.parametrize("value", ["other/pages", "Pages", "1pages", "pages.other", "x" * 64, "pages\n"])
def test_a_bad_name_of_a_service_counts_as_absent(value: str) -> None:
    given = world(default_backend=value)
    assert pages(given) is None
    assert given.reasons() == [("shop", "AnnotationInvalid")]


def test_codes_without_a_default_backend_replace_nothing() -> None:
    given = world(custom_http_errors="404")
    assert pages(given) is None
    assert given.reasons() == [("shop", "AnnotationUnsupported")]


@pytest.mark.parametrize("default", [None, service("none", {"port": 53, "protocol": "UDP"}), external("out", "a.test")])
def test_a_default_backend_that_can_not_be_used_is_a_problem(default: Service | None) -> None:
    name = default.metadata.name if default else "gone"
    given = world(*([default] if default else []), default_backend=name, custom_http_errors="404")
    assert pages(given) is None
    assert "no error is replaced" in given.problem("AnnotationBackendUnusable").message


def test_the_default_backend_follows_its_service() -> None:
    given = world(default_backend="late")
    late = service("late")
    given.add(late)
    assert pages(given) is not None
    assert not given.problems
    given.apply(Deleted(Service, late.key))
    assert pages(given) is None
    assert given.reasons() == [("shop", "AnnotationBackendUnusable")]


@pytest.mark.parametrize("to", ["gone", "web:81"])
def test_a_path_whose_backend_can_not_be_used_goes_to_the_default_backend(to: str) -> None:
    given = world(to=to, default_backend="pages")
    found = pages(given)
    assert found is not None
    assert (found.instead, only_route(given).backend) == (True, PAGES)
    (problem,) = given.problems
    assert "default-backend answers for its paths" in problem.message


@pytest.mark.parametrize(
    ("asking", "settings", "kept"),
    [
        ({}, {}, ()),
        ({"auth_cache_key": "x"}, {}, (401, 403)),
        ({}, {"global-auth-url": "http://auth.test/"}, (401, 403)),
    ],
    ids=["nobody", "annotation", "global"],
)
def test_denials_of_paths_that_ask_for_credentials_keep_their_status(
    asking: dict[str, str], settings: dict[str, str], kept: tuple[int, ...]
) -> None:
    annotations = annotated(default_backend="pages", custom_http_errors="401,403,404", **asking)
    found = read(AnnotationReader(annotations, lambda *_: None, settings))
    assert found is not None
    assert found.kept_statuses == kept
