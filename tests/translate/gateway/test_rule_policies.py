"""Policies of rules: timeouts, retries, session persistence, CORS and mirrors, and values that can't be followed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.gateway_objects import http_route, to
from tests.support.objects import World, service
from xds.problems.field_path import FieldPath
from xds.traffic.actions import Forward
from xds.traffic.affinity import Affinity, mark_of
from xds.traffic.backends import BackendKey
from xds.traffic.cors import ANY_ORIGIN, NO_ORIGIN, Cors, pattern
from xds.traffic.mirror import Mirror
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.regex import compiled
from xds.traffic.retries import Retries
from xds.traffic.timeouts import NO_TIMEOUTS, Timeouts
from xds.translate.gateway.context import NO_USE, GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.cors import cors
from xds.translate.gateway.rules.durations import duration, duration_text
from xds.translate.gateway.rules.findings import InvalidRuleError, RouteFindings
from xds.translate.gateway.rules.http_route import translate_http_route
from xds.translate.gateway.rules.mirrors import mirror
from xds.translate.gateway.rules.policies import rule_policy
from xds.translate.gateway.translated import TranslatedRoute

SECOND = timedelta(seconds=1)
AT = FieldPath.of("spec", "rules", 0)
FILTER = AT.child("filters", 0)


def findings(**rule: Any) -> RouteFindings:
    """Of a route with one rule."""
    state = World(service("web"), service("copy")).state
    return RouteFindings(GatewayContext(state, NO_GATEWAYS, Grants(state)), http_route(to("web", **rule)), NO_USE)


def policy(**rule: Any) -> Policy:
    given = findings(**rule)
    rules = http_route(to("web", **rule)).spec.rules
    assert rules
    return rule_policy(given, rules[0], AT)


def cors_of(**values: Any) -> Cors:
    rule: dict[str, Any] = {"filters": [{"type": "CORS", "cors": values}]}
    rules = http_route(to("web", **rule)).spec.rules
    assert rules
    assert rules[0].filters
    written = rules[0].filters[0].cors
    assert written
    return cors(findings().context, written, FILTER)


def mirrored(given: RouteFindings, name: str = "copy", **values: Any) -> Mirror | None:
    written = {"backendRef": {"name": name, "port": 80}, **values}
    rules = http_route(to("web", filters=[{"type": "RequestMirror", "requestMirror": written}])).spec.rules
    assert rules
    assert rules[0].filters
    assert rules[0].filters[0].request_mirror
    return mirror(given, rules[0].filters[0].request_mirror, FILTER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta()),
        ("10s", 10 * SECOND),
        ("500ms", SECOND / 2),
        ("1h30m", timedelta(minutes=90)),
        ("1m2s3ms", timedelta(seconds=62, milliseconds=3)),
        ("", None),
        ("10", None),
        ("1.5s", None),
        ("-1s", None),
        ("123456s", None),
        ("1s1s1s1s1s", None),
    ],
)
def test_a_duration_has_up_to_four_numbers_with_units(text: str, expected: timedelta | None) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["0s", "500ms", "1s500ms", "1h30m", "26h1m1s1ms"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    found = duration(text)
    assert found is not None
    assert duration_text(found) == text


def test_a_rule_without_policies_has_the_policy_of_most_routes() -> None:
    assert policy() is NO_POLICY


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"request": "10s"}, Timeouts(whole=10 * SECOND)),
        ({"backendRequest": "500ms"}, Timeouts(whole=SECOND / 2)),
        ({"request": "10s", "backendRequest": "2s"}, Timeouts(whole=2 * SECOND)),
        ({"request": "0s", "backendRequest": "2s"}, Timeouts(whole=2 * SECOND)),
        ({"request": "0s"}, NO_TIMEOUTS),
        ({"request": "2h"}, Timeouts(silence=timedelta(hours=2), whole=timedelta(hours=2))),
    ],
)
def test_a_request_without_retries_ends_with_its_only_try(written: dict[str, str], expected: Timeouts) -> None:
    assert policy(timeouts=written).timeouts == expected


def test_each_try_has_the_time_for_the_backend_and_all_tries_have_the_time_for_the_request() -> None:
    found = policy(timeouts={"request": "10s", "backendRequest": "2s"}, retry={"attempts": 3, "codes": [503, 500]})
    assert found.timeouts == Timeouts(whole=10 * SECOND)
    retries = Retries(
        4, on_error=True, on_timeout=True, on_statuses=(500, 503), any_method=True, longest_try=2 * SECOND
    )
    assert found.retries == retries


def test_a_retry_has_a_pause_and_a_usual_number_of_attempts() -> None:
    found = policy(retry={"backoff": "100ms"}).retries
    assert found
    assert (found.tries, found.pause, found.on_statuses) == (3, SECOND / 10, ())


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        ({"timeouts": {"request": "soon"}}, "spec.rules[0].timeouts.request"),
        ({"timeouts": {"request": "1s", "backendRequest": "2s"}}, "spec.rules[0].timeouts.backendRequest"),
        ({"retry": {"codes": [200]}}, "spec.rules[0].retry.codes[0]"),
        ({"retry": {"attempts": 0}}, "spec.rules[0].retry.attempts"),
        ({"retry": {"attempts": 100}}, "spec.rules[0].retry.attempts"),
        ({"retry": {"backoff": "x"}}, "spec.rules[0].retry.backoff"),
        ({"sessionPersistence": {"sessionName": "a b"}}, "spec.rules[0].sessionPersistence.sessionName"),
        (
            {"sessionPersistence": {"sessionName": "Content-Length", "type": "Header"}},
            "spec.rules[0].sessionPersistence.sessionName",
        ),
        (
            {"sessionPersistence": {"sessionName": "x-envoy-a", "type": "Header"}},
            "spec.rules[0].sessionPersistence.sessionName",
        ),
        ({"sessionPersistence": {"type": "Address"}}, "spec.rules[0].sessionPersistence.type"),
        ({"sessionPersistence": {"idleTimeout": "1s"}}, "spec.rules[0].sessionPersistence.idleTimeout"),
        (
            {"sessionPersistence": {"type": "Header", "absoluteTimeout": "1s"}},
            "spec.rules[0].sessionPersistence.absoluteTimeout",
        ),
        (
            {"sessionPersistence": {"cookieConfig": {"lifetimeType": "Permanent"}}},
            "spec.rules[0].sessionPersistence.cookieConfig",
        ),
    ],
)
def test_a_value_that_cannot_be_followed_is_named(rule: dict[str, Any], at: str) -> None:
    with pytest.raises(InvalidRuleError) as error:
        policy(**rule)
    assert (error.value.refusal.reason, str(error.value.refusal.field)) == ("UnsupportedValue", at)
    assert str(error.value.refusal.field).startswith(at)


def test_a_session_is_kept_by_a_cookie_for_all_paths() -> None:
    found = policy(sessionPersistence={"sessionName": "sid", "absoluteTimeout": "1h"})
    assert found.affinity == Affinity("sid", path="/", moves_on_failure=True, lifetime=timedelta(hours=1))


def test_a_session_by_header_has_the_header_in_lower_case() -> None:
    found = policy(sessionPersistence={"sessionName": "X-Session", "type": "Header"}).affinity
    assert found
    assert found.header == "x-session"


def test_rules_without_a_session_name_have_different_ones() -> None:
    rules = http_route(to("web", sessionPersistence={})).spec.rules
    assert rules
    found = {rule_policy(findings(), rules[0], FieldPath.of("spec", "rules", each)).affinity for each in (0, 1)}
    assert len({each.cookie for each in found if each}) == 2


def test_cors_has_each_value_as_in_the_header() -> None:
    found = cors_of(
        allowOrigins=["https://www.foo.com", "https://*.bar.com"],
        allowMethods=["GET", "OPTIONS"],
        allowHeaders=["x-a", "x-b"],
        exposeHeaders=["x-c"],
        allowCredentials=True,
        maxAge=3600,
    )
    origins = (("https://www.foo.com", "https://**.bar.com"),)
    expected = Cors(origins, "GET, OPTIONS", "x-a, x-b", "x-c", credentials=True, max_age_seconds=3600, is_strict=True)
    assert found == expected


@pytest.mark.parametrize(
    ("written", "allowed", "denied"),
    [
        ("https://www.foo.com", "https://www.foo.com", "https://www.foo.com:8443"),
        ("https://www.foo.com:443", "https://www.foo.com", "http://www.foo.com"),
        ("http://www.foo.com:8080", "http://www.foo.com:8080", "http://www.foo.com"),
        ("https://*.foo.com", "https://a.b.foo.com", "https://foo.com"),
        ("https://*.foo.com", "https://a.foo.com", "https://afoo.com"),
        ("https://*.foo.com", "https://A.Foo.com", "https://a.foo.com.evil.test"),
        ("https://*", "https://any.test", "http://any.test"),
        ("https://a.foo.com", "https://a.foo.com", "https://axfoo.com"),
    ],
)
def test_an_origin_is_compared_whole(written: str, allowed: str, denied: str) -> None:
    found = cors_of(allowOrigins=[written])
    assert found.allows(allowed)
    assert not found.allows(denied)
    assert not found.allows(None)


@pytest.mark.parametrize(("credentials", "origins"), [(False, ()), (True, ((ANY_ORIGIN,),))])
def test_any_origin_is_named_in_answers_with_credentials(
    credentials: bool, origins: tuple[tuple[str, ...], ...]
) -> None:
    found = cors_of(allowOrigins=["*"], exposeHeaders=["*", "x-a"], allowCredentials=credentials)
    assert found.origins == origins
    assert found.allows("https://any.test:12345")
    assert found.exposed_headers == ("x-a" if credentials else "*, x-a")


def test_no_origin_is_allowed_without_a_list() -> None:
    found = cors_of(allowMethods=["GET"])
    assert found.origins == ((NO_ORIGIN,),)
    assert not any(map(found.allows, (None, "", "null", "https://a.test")))


def test_many_origins_are_compared_by_several_expressions() -> None:
    found = cors_of(allowOrigins=[f"https://*.shop-{number}.example.com" for number in range(20)])
    assert len(found.origins) > 1
    assert all(compiled(pattern(each)).programsize <= 100 for each in found.origins)
    assert found.allows("https://a.b.shop-19.example.com")


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"allowOrigins": ["ftp://a.test"]}, "spec.rules[0].filters[0].allowOrigins[0]"),
        ({"allowOrigins": ["https://a.test/path"]}, "spec.rules[0].filters[0].allowOrigins[0]"),
        ({"allowOrigins": ["https://a.test:0"]}, "spec.rules[0].filters[0].allowOrigins[0]"),
        ({"allowOrigins": [f"https://*.{'a' * 200}.test"]}, "spec.rules[0].filters[0].allowOrigins[0]"),
        ({"allowMethods": ["GET", "A\r\nB"]}, "spec.rules[0].filters[0].allowMethods[1]"),
        ({"allowHeaders": ["a b"]}, "spec.rules[0].filters[0].allowHeaders[0]"),
        ({"exposeHeaders": [""]}, "spec.rules[0].filters[0].exposeHeaders[0]"),
        ({"maxAge": -1}, "spec.rules[0].filters[0].maxAge"),
    ],
)
def test_an_invalid_value_of_cors_is_named(values: dict[str, Any], at: str) -> None:
    with pytest.raises(InvalidRuleError) as error:
        cors_of(**values)
    assert str(error.value.refusal.field) == at


def asking(method: str, **headers: str) -> tuple[str, Callable[[str], str | None]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return method, named.get


def test_only_a_request_that_asks_for_a_method_is_a_preflight() -> None:
    found = cors_of(allowOrigins=["https://a.test"])
    asks = {"access_control_request_method": "PUT"}
    assert found.preflight_status(*asking("OPTIONS", origin="https://a.test", **asks)) == 204
    assert found.preflight_status(*asking("OPTIONS", origin="https://b.test", **asks)) == 403
    assert found.preflight_status(*asking("OPTIONS", origin="https://a.test")) is None
    assert found.preflight_status(*asking("OPTIONS", **asks)) is None
    assert found.preflight_status(*asking("GET", origin="https://a.test", **asks)) is None


@pytest.mark.parametrize(
    ("share", "millionths"),
    [
        ({}, 1_000_000),
        ({"percent": 20}, 200_000),
        ({"fraction": {"numerator": 25, "denominator": 50}}, 500_000),
        ({"fraction": {"numerator": 1, "denominator": 3}}, 333_333),
        ({"fraction": {"numerator": 5}}, 50_000),
    ],
)
def test_a_mirror_copies_a_share_of_requests(share: dict[str, Any], millionths: int) -> None:
    given = findings()
    found = mirrored(given, **share)
    assert found
    assert (found.host, found.millionths) == ("", millionths)
    assert found.backend.service == "copy"


def test_copies_end_in_time_by_a_cluster_of_their_own() -> None:
    given = findings()
    found = mirrored(given)
    assert found
    assert given.backends[found.backend].upstream.longest_request == timedelta(seconds=60)
    assert found.backend.variant
    assert found.backend != BackendKey("default", "copy", 80)


def test_a_mirror_of_no_share_copies_nothing() -> None:
    assert mirrored(findings(), percent=0) is None


def test_a_mirror_to_an_absent_service_copies_nothing_and_is_a_finding() -> None:
    given = findings()
    assert mirrored(given, "absent") is None
    assert given.unresolved
    assert str(given.unresolved.field) == "spec.rules[0].filters[0].backendRef"


@pytest.mark.parametrize(
    "share",
    [
        {"percent": 101},
        {"percent": -1},
        {"percent": 1, "fraction": {"numerator": 1}},
        {"fraction": {"numerator": 2, "denominator": 1}},
        {"fraction": {"numerator": 1, "denominator": 0}},
    ],
)
def test_an_invalid_share_is_named(share: dict[str, Any]) -> None:
    with pytest.raises(InvalidRuleError):
        mirrored(findings(), **share)


def split(**persistence: Any) -> TranslatedRoute:
    given = findings().context
    rule = to("web*3", "copy*1", "absent*1", sessionPersistence=persistence)
    return translate_http_route(given, http_route(rule))


def test_a_session_stays_with_its_backend_whatever_the_weights() -> None:
    found = split(sessionName="sid").routes
    marks = [mark_of(BackendKey("default", each, 80)) for each in ("web", "copy")]
    assert [[str(each) for each in route.conditions] for route in found] == [
        *([f"cookie sid.canary={mark}"] for mark in marks),
        [],
    ]
    assert [[each.mark for each in route.action.backends] for route in found if isinstance(route.action, Forward)] == [
        [""],
        [""],
        [*marks, ""],
    ]
    assert [route.backend.service for route in found[:2] if route.backend] == ["web", "copy"]


def test_sessions_by_header_have_one_backend() -> None:
    found = split(type="Header")
    assert found.refused
    assert str(found.refused.field) == "spec.rules[0].sessionPersistence.type"
