"""proxy-read-timeout, proxy-send-timeout and proxy-next-upstream with its tries: grammars, defaults, Envoy's fields.

Excludes: answers and counts of requests (tests/e2e/test_timeouts_and_retries.py).
"""

from datetime import timedelta

import pytest

from tests.support.annotated_shop import HOST, compatible_policy, policy, reasons, shop
from tests.support.objects import World, service
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.reasons import Reason
from xds.resources.retry_policy import idle_timeout, retry_policy_of, silence_of_a_try
from xds.traffic.actions import DirectAnswer
from xds.traffic.policy import NO_POLICY
from xds.traffic.retries import NO_RETRIES, Retries
from xds.traffic.timeouts import Timeouts

USUAL = Retries(3, on_error=True, on_timeout=True)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def test_a_route_without_annotations_has_no_timeout_and_no_retries_of_its_own() -> None:
    assert policy() == NO_POLICY
    assert (retry_policy_of(NO_POLICY), idle_timeout(NO_POLICY)) == (None, None)


def test_the_defaults_of_ingress_nginx_are_a_minute_and_three_tries() -> None:
    usual = compatible_policy()
    assert (usual.timeouts, usual.retries) == (Timeouts(seconds(60)), USUAL)
    assert idle_timeout(usual) == seconds(180)


@pytest.mark.parametrize("value", ["60s", "1m", "-1", "", "1e3", " 60", "99999999999"])
def test_a_bad_read_timeout_counts_as_absent(value: str) -> None:
    assert policy(proxy_read_timeout=value) == NO_POLICY
    assert compatible_policy(proxy_read_timeout=value).timeouts.read == seconds(60)
    assert reasons(proxy_read_timeout=value) == ([Reason.ANNOTATION_INVALID] if value else [])


@pytest.mark.parametrize("name", ["proxy_read_timeout", "proxy_connect_timeout"])
@pytest.mark.parametrize("value", ["0", "00", "-0"])
def test_a_timeout_of_0_fails_each_request(name: str, value: str) -> None:
    given = World(service("web"), shop({name: value}))
    (route,) = given.traffic.hosts[HOST].routes
    assert route.action == DirectAnswer(504)
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_INVALID]


def test_an_absurd_timeout_is_a_year() -> None:
    assert policy(proxy_read_timeout="2147483647").timeouts.read == timedelta(days=365)


@pytest.mark.parametrize(
    ("conditions", "retries"),
    [
        ("error timeout", USUAL),
        ("error", Retries(3, on_error=True)),
        ("timeout invalid_header ", Retries(3, on_timeout=True)),
        ("http_503 http_429", Retries(3, on_statuses=(429, 503))),
        ("error non_idempotent", Retries(3, on_error=True, any_method=True)),
        ("non_idempotent", NO_RETRIES),
        ("error timeout off", NO_RETRIES),
    ],
)
def test_conditions_of_retries(conditions: str, retries: Retries) -> None:
    assert policy(proxy_next_upstream=conditions).retries == retries


@pytest.mark.parametrize("value", ["error,timeout", "Error", "error  timeout", " error", "http_501", "errortimeout"])
def test_one_bad_word_spoils_the_conditions(value: str) -> None:
    assert policy(proxy_next_upstream=value).retries is None
    assert compatible_policy(proxy_next_upstream=value).retries == USUAL
    assert reasons(proxy_next_upstream=value) == [Reason.ANNOTATION_INVALID]


@pytest.mark.parametrize(("value", "tries"), [("1", 1), ("2", 2), ("0", 11), ("101", 100), ("+3", 3)])
def test_tries_are_bounded(value: str, tries: int) -> None:
    found = policy(proxy_next_upstream_tries=value).retries
    assert found
    assert found.tries == tries
    assert reasons(proxy_next_upstream_tries=value) == ([] if tries < 11 else [Reason.ANNOTATION_UNSUPPORTED])


def test_a_timeout_of_retries_is_a_problem() -> None:
    assert reasons(proxy_next_upstream_timeout="0") == []
    assert reasons(proxy_next_upstream_timeout="5") == [Reason.ANNOTATION_UNSUPPORTED]


@pytest.mark.parametrize(
    ("annotations", "of_a_try", "of_all"),
    [
        ({"proxy_read_timeout": "5"}, 5, 15),
        ({"proxy_read_timeout": "5", "proxy_next_upstream_tries": "1"}, 5, 5),
        ({"proxy_read_timeout": "5", "proxy_next_upstream": "http_503"}, 5, 5),
        ({"proxy_read_timeout": "5", "proxy_next_upstream": "error"}, 0, 5),
        ({"proxy_read_timeout": "5", "proxy_send_timeout": "100"}, 5, 100),
        ({"proxy_read_timeout": "5", "proxy_send_timeout": "10"}, 5, 15),
    ],
)
def test_silence_ends_a_try_and_all_tries(annotations: dict[str, str], of_a_try: int, of_all: int) -> None:
    given = compatible_policy(**annotations)
    assert silence_of_a_try(given) == (seconds(of_a_try) if of_a_try else None)
    assert idle_timeout(given) == seconds(of_all)


def test_a_timeout_without_retries_leaves_the_retries_of_all_routes() -> None:
    given = policy(proxy_read_timeout="5")
    assert (retry_policy_of(given), idle_timeout(given)) == (None, seconds(5))
    assert idle_timeout(policy(proxy_send_timeout="7")) == seconds(7)


def test_keys_of_the_configmap_count_for_all_ingresses() -> None:
    data = {"client-body-timeout": "300", "retry-non-idempotent": "true", "proxy-read-timeout": "10"}
    configured = ConfigMap(Metadata("nginx", "default"), data)
    given = World(service("web"), shop({}), configured, is_compatible=True, nginx_configmap=configured.key)
    (route,) = given.traffic.hosts[HOST].routes
    assert route.policy.timeouts == Timeouts(seconds(10), seconds(300))
    assert route.policy.retries == Retries(3, on_error=True, on_timeout=True, any_method=True)
