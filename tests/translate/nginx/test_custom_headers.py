"""custom-headers: response headers from a ConfigMap that an Ingress names.

Covers: names and values, headers that can't be set, ConfigMaps that are missing, unreadable or of another namespace,
and when the paths are closed. Excludes: the answers of a real Envoy (tests/e2e/test_custom_headers.py).
"""

import pytest

from tests.support.objects import World, config_map, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.problem import Key
from xds.traffic.actions import Closed
from xds.translate.nginx.custom_headers import ALLOWED_HEADERS, MAX_HEADER_BYTES, MAX_HEADERS, read
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader

HOST = "a.example.com"
PROTECTING = ("content-security-policy", "x-frame-options", "strict-transport-security")

Headers = tuple[tuple[str, str], ...]


def world(*found: ConfigMap, value: str = "default/headers", allow_cross_namespace: bool = False) -> World:
    shop = ingress("shop", rule(HOST, path("/")), default="web", annotations=annotated(custom_headers=value))
    return World(service("web"), shop, *found, allow_cross_namespace=allow_cross_namespace)


def headers(given: World) -> Headers | None:
    """The headers of all routes; None for closed paths."""
    host = given.traffic.hosts[HOST]
    routes = [*host.routes, host.default, given.traffic.default]
    found = {
        None if isinstance(each.action, Closed) else each.policy.response_headers.values for each in routes if each
    }
    assert len(found) == 1
    return found.pop()


def with_data(data: dict[str, str]) -> ConfigMap:
    return ConfigMap(Metadata("headers", "default"), data)


def test_headers_are_those_of_the_config_map_as_it_is_now() -> None:
    given = world(with_data({"X-Team": "blue $1 50%", "x-more": "1"}))
    assert headers(given) == (("x-more", "1"), ("x-team", "blue $1 50%"))
    assert not given.problems
    given.add(config_map("headers", x_team="red"))
    assert headers(given) == (("x-team", "red"),)
    given.apply(Deleted(ConfigMap, Key("default", "headers")))
    assert headers(given) is None
    given.add(with_data({}))
    assert headers(given) == ()


@pytest.mark.parametrize(
    ("value", "found", "why"),
    [
        ("default/headers", (), "names ConfigMap default/headers, which doesn't exist"),
        ("headers", (config_map("headers", x_a="1"),), "'headers', which is not the name of an object"),
        ("safe/headers", (config_map("headers", ns="safe", x_a="1"),), "--allow-cross-namespace-resources"),
        (
            "default/headers",
            (ConfigMap(Metadata("headers", "default"), None, "the API server answers 403 no"),),
            "which can't be used: the API server answers 403 no",
        ),
        ("default/headers", (config_map("headers", x_a="x" * MAX_HEADER_BYTES),), "more than 16 KiB of headers"),
        (
            "default/headers",
            (config_map("headers", **{f"x{number}": "1" for number in range(MAX_HEADERS + 1)}),),
            "more than 250 headers",
        ),
    ],
)
def test_without_a_usable_config_map_the_paths_are_closed(value: str, found: tuple[ConfigMap, ...], why: str) -> None:
    """Nobody knows whether the headers protect."""
    given = world(*found, value=value)
    assert headers(given) is None
    problem = given.problem("NamedObjectUnusable")
    assert why in problem.message
    assert "answer 503" in problem.message


def test_an_empty_value_names_nothing() -> None:
    assert headers(world(value="")) == ()


def test_a_config_map_of_another_namespace_is_read_if_that_is_allowed() -> None:
    given = world(config_map("headers", ns="safe", x_a="1"), value="safe/headers", allow_cross_namespace=True)
    assert headers(given) == (("x-a", "1"),)


def test_content_of_before_is_used_while_the_config_map_is_unreadable() -> None:
    known = config_map("headers", x_a="1")
    given = world(ConfigMap(known.metadata, known.data, "the API server answers 403 no"))
    assert headers(given) == (("x-a", "1"),)
    assert "its headers of before are set" in given.problem("NamedObjectUnusable").message


@pytest.mark.parametrize(
    "data",
    [
        {"x a": "1"},
        {"x:a": "1"},
        {"x-a": ""},
        {"x-a": "1\r\nset-cookie: a"},
        {"x-a": "1\n"},
        {"x-a": "é"},
        {"Host": "evil.test"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"set-cookie": "a=1"},
    ],
)
def test_a_header_that_cannot_be_set_is_left_out(data: dict[str, str]) -> None:
    given = world(with_data({**data, "x-b": "2"}))
    assert headers(given) == (("x-b", "2"),)
    assert "left out" in given.problem("NamedObjectUnusable").message


@pytest.mark.parametrize("name", PROTECTING)
def test_a_protecting_header_that_cannot_be_set_closes_the_paths(name: str) -> None:
    assert headers(world(with_data({name.title(): "deny"}))) == ((name, "deny"),)
    given = world(with_data({name.title(): "deny\n"}))
    assert headers(given) is None
    assert "answer 503" in given.problem("NamedObjectUnusable").message


def listed(names: str, found: ConfigMap | None) -> tuple[Headers | Unavailable, list[str]]:
    """The headers with a list of allowed names, and the messages of problems."""
    problems: list[str] = []
    given = World(*([found] if found else []))
    reader = AnnotationReader(
        annotated(custom_headers="default/headers"),
        lambda name, reason, message, remedy: problems.append(message),
        {ALLOWED_HEADERS: names},
    )
    found_headers = read(reader, NamedObjects(given.state, "default"))
    return found_headers if isinstance(found_headers, Unavailable) else found_headers.values, problems


def test_only_listed_headers_are_set_whatever_their_case() -> None:
    found, problems = listed("x-team, Set-Cookie,host", with_data({"X-Team": "1", "set-cookie": "a", "host": "b"}))
    assert found == (("set-cookie", "a"), ("x-team", "1"))
    assert len(problems) == 1
    found, problems = listed("x-team", with_data({"x-other": "1"}))
    assert found == ()
    assert "global-allowed-response-headers doesn't have the name" in problems[0]
    assert isinstance(listed("x-team", with_data({"x-frame-options": "DENY"}))[0], Unavailable)


def test_a_missing_config_map_closes_unless_no_listed_header_protects() -> None:
    found, problems = listed("x-team", None)
    assert found == ()
    assert "no header is set" in problems[0]
    assert isinstance(listed("x-team,X-Frame-Options", None)[0], Unavailable)


def test_a_canary_with_custom_headers_gets_no_request() -> None:
    """The policy of the other Ingress holds, which may lack the headers."""
    given = world(with_data({"x-a": "1"}))
    lent = annotated(canary="true", canary_weight="100", custom_headers="default/headers")
    given.add(service("next"), ingress("canary", rule(HOST, path("/", "next")), annotations=lent))
    assert "CanaryUnused" in {reason for _, reason in given.reasons()}
    (route,) = given.traffic.hosts[HOST].routes
    assert [each.service for each in route.backends] == ["web"]
