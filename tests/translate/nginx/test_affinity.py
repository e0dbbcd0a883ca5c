"""affinity and session-cookie-*: values, the path of the cookie, and sessions of canaries.

Excludes: cookies and endpoints (tests/e2e/test_affinity.py).
"""

from dataclasses import replace

import pytest

from tests.support.objects import World, exact, external, ingress, path, rule, service, slice_of, specific
from tests.support.route_table_annotations import annotated, canary
from xds.kube.objects import HTTPIngressPath, Ingress, Service
from xds.traffic.actions import Forward
from xds.traffic.affinity import Affinity, SameSite, mark_of
from xds.traffic.backends import BackendKey
from xds.traffic.conditions import HeaderCondition, SessionCondition
from xds.traffic.routes import Route

HOST = "a.example.com"
DEFAULT = Affinity("INGRESSCOOKIE", path="/")
WEB, NEXT = BackendKey("default", "web", 80), BackendKey("default", "next", 80)


def world(*paths: HTTPIngressPath, **values: str) -> World:
    rules = rule(HOST, *(paths or (path("/"),)))
    return World(service("web"), ingress("shop", rules, annotations=annotated(**values)))


def affinities(given: World) -> list[Affinity | None]:
    return [route.policy.affinity for route in given.traffic.hosts[HOST].routes]


def read(**values: str) -> tuple[Affinity | None, list[str]]:
    """The affinity of `/`, and the reasons of problems."""
    given = world(affinity="cookie", **values)
    (found,) = affinities(given)
    return found, [reason for _, reason in given.reasons()]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("session_cookie_name", " sid ", {"cookie": "sid"}),
        ("session_cookie_path", "/a?b=c", {"path": "/a?b=c"}),
        ("session_cookie_domain", "example.com", {"domain": "example.com"}),
        ("session_cookie_max_age", "3600", {"max_age": 3600}),
        ("session_cookie_expires", "60", {"max_age": 60}),
        ("session_cookie_samesite", "strict", {"same_site": SameSite.STRICT}),
        ("session_cookie_samesite", "NONE", {"same_site": SameSite.NONE}),
        ("session_cookie_secure", "true", {"secure": True}),
        ("session_cookie_secure", "false", {}),
        ("session_cookie_change_on_failure", "true", {"moves_on_failure": True}),
        ("affinity_mode", "persistent", {}),
        ("session_cookie_conditional_samesite_none", "true", {}),
    ],
)
def test_the_values_of_a_session_cookie(name: str, value: str, expected: dict[str, object]) -> None:
    assert read(**{name: value}) == (replace(DEFAULT, **expected), [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_cookie_name", "a;b"),
        ("session_cookie_name", "a" * 513),
        ("session_cookie_name", "a b"),
        ("session_cookie_path", "/a; Domain=evil.test"),
        ("session_cookie_path", "/a\nb"),
        ("session_cookie_domain", "a;b"),
        ("session_cookie_max_age", "1h"),
        ("session_cookie_expires", "9" * 30),
        ("session_cookie_samesite", "Lax; Secure"),
        ("session_cookie_secure", "on"),
        ("session_cookie_change_on_failure", "yes"),
        ("affinity_mode", "sticky"),
    ],
)
def test_a_bad_value_of_a_session_cookie_counts_as_absent(name: str, value: str) -> None:
    assert read(**{name: value}) == (DEFAULT, ["AnnotationInvalid"])


@pytest.mark.parametrize("value", ["source-ip", "Cookie", "true"])
def test_another_affinity_than_by_cookie_is_none(value: str) -> None:
    given = world(affinity=value)
    assert (affinities(given), given.reasons()) == ([None], [("shop", "AnnotationInvalid")])


def test_a_cookie_without_affinity_is_a_problem() -> None:
    given = world(session_cookie_name="sid", affinity_mode="balanced")
    assert affinities(given) == [None]
    assert given.reasons() == [("shop", "AnnotationUnsupported")] * 2


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_cookie_that_browsers_drop_is_a_problem(value: str) -> None:
    assert read(session_cookie_max_age=value) == (replace(DEFAULT, max_age=int(value)), ["AnnotationUnsupported"])


def test_max_age_precedes_expires() -> None:
    assert read(session_cookie_max_age="1", session_cookie_expires="2") == (replace(DEFAULT, max_age=1), [])


def test_a_cookie_has_the_path_of_its_rule() -> None:
    given = world(path("/one"), exact("/two"), path("/v1.0/"), affinity="cookie")
    assert {route.path: route.policy.affinity for route in given.traffic.hosts[HOST].routes} == {
        under: replace(DEFAULT, path=under) for under in ("/one", "/two", "/v1.0/")
    }
    assert given.problems == []


def test_a_path_that_is_no_path_of_a_cookie_becomes_the_root() -> None:
    given = world(path("/a;Domain=evil.test"), affinity="cookie")
    assert affinities(given) == [DEFAULT]
    assert given.reasons() == [("shop", "CookiePathReplaced")]
    given = world(specific("/api/v[0-9]+"), specific("/v1.0"), affinity="cookie", use_regex="true")
    found = {route.path: route.policy.affinity for route in given.traffic.hosts[HOST].routes}
    assert found == {"/api/v[0-9]+": DEFAULT, "/v1.0": replace(DEFAULT, path="/v1.0")}
    assert given.reasons() == [("shop", "CookiePathReplaced")]
    given = world(specific("/api/v[0-9]+"), affinity="cookie", use_regex="true", session_cookie_path="/api")
    assert (affinities(given), given.problems) == ([replace(DEFAULT, path="/api")], [])


def test_the_default_backend_has_sessions_for_the_root() -> None:
    asking = ingress("shop", rule(HOST, path("/one")), default="web", annotations=annotated(affinity="cookie"))
    given = World(service("web"), asking)
    assert given.traffic.default is not None
    assert given.traffic.default.policy.affinity == DEFAULT


def split(next_service: Service | None = None, primary: dict[str, str] | None = None, **values: str) -> World:
    shop = annotated(affinity="cookie", **(primary or {}))
    return World(
        service("web"),
        next_service or service("next"),
        ingress("shop", rule(HOST, path("/")), annotations=shop),
        lent(**values),
    )


def lent(**values: str) -> Ingress:
    return ingress("next", rule(HOST, path("/", "next")), annotations=canary(**values))


def shares(route: Route) -> list[tuple[BackendKey, str, bool]]:
    assert isinstance(route.action, Forward)
    return [(each.key, each.mark, each.has_sessions) for each in route.action.backends if each.key]


JOINED = NEXT._replace(fallback=str(WEB), is_joined=True)


def test_routes_of_sessions_precede_all_others() -> None:
    given = split(canary_weight="20", canary_by_header="X-A", canary_by_header_value="v", canary_by_cookie="c")
    routes = given.traffic.hosts[HOST].routes
    assert [len(route.conditions) for route in routes] == [1, 1, 1, 1, 1, 0]
    of_web, of_next = mark_of(WEB), mark_of(NEXT)
    assert routes[0].conditions == (SessionCondition("INGRESSCOOKIE.canary", of_web),)
    assert routes[1].conditions == (SessionCondition("INGRESSCOOKIE.canary", of_next),)
    assert routes[2].conditions == (HeaderCondition("x-a", "v"),)
    assert [shares(route) for route in routes[:3]] == [
        [(WEB, "", True)],
        [(JOINED, "", True)],
        [(JOINED, of_next, True)],
    ]
    assert shares(routes[5]) == [(WEB, of_web, True), (JOINED, of_next, True)]
    assert {route.policy.affinity for route in routes} == {DEFAULT}
    assert given.problems == []


def test_a_legacy_canary_has_no_sessions() -> None:
    given = split(canary_weight="20", canary_by_header="X-A", affinity_canary_behavior="legacy")
    to_canary, to_primary, weighted = given.traffic.hosts[HOST].routes
    assert (to_canary.policy.affinity, to_primary.policy.affinity) == (None, DEFAULT)
    assert [(key.service, mark, has_sessions) for key, mark, has_sessions in shares(weighted)] == [
        ("web", "", True),
        ("next", "", False),
    ]
    assert given.problems == []


def test_the_behaviour_of_canaries_is_read_from_the_canary() -> None:
    given = split(primary={"affinity_canary_behavior": "legacy"}, canary_weight="20")
    assert len(given.traffic.hosts[HOST].routes) == 3
    assert given.reasons() == [("shop", "AnnotationUnsupported")]
    given = split(canary_weight="20", affinity="cookie")
    assert given.reasons() == [("next", "AnnotationUnsupported")]


@pytest.mark.parametrize(
    "other", [service("next", {"port": 80, "appProtocol": "h2c"}), external("next", "next.test", 80)]
)
def test_endpoints_of_two_kinds_are_not_joined(other: Service) -> None:
    given = World(
        service("web"), other, ingress("shop", rule(HOST, path("/")), annotations=annotated(affinity="cookie")),
        lent(canary_weight="20"), allow_external_name=True,
    )  # fmt: skip
    assert not any(key.is_joined for key in given.traffic.backends)


def test_the_endpoints_of_the_primary_are_behind_those_of_a_canary() -> None:
    given = split(canary_weight="20")
    given.add(slice_of("web", "192.0.2.1"), slice_of("next", "192.0.2.2"))
    zones = given.traffic.localities(given.traffic.backends[JOINED])
    assert [(zone.priority, zone.endpoints[0].address) for zone in zones] == [(0, "192.0.2.2"), (1, "192.0.2.1")]


def test_a_change_of_either_service_concerns_a_joined_backend() -> None:
    given = split(canary_weight="20")
    assert JOINED in given.traffic.published_of([WEB.service_key])
    assert JOINED in given.traffic.published_of([NEXT.service_key])
    assert BackendKey.named(str(JOINED)) == JOINED
    given.add(lent(canary_weight="20", affinity_canary_behavior="legacy"))
    assert JOINED not in given.traffic.published_of([WEB.service_key])
