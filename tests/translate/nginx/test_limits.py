"""limit-rps and its kin: the rates of an Ingress, the clients without a limit, and the rates in use.

Covers: grammars with edge values, the routes that are limited, rates that appear and vanish. Excludes: answers
(tests/e2e/test_rate_limits.py), the time at which proxies get other buckets (tests/controlplane).
"""

import pytest

from tests.support.objects import World, ingress, key, path, rule, service
from tests.support.route_table_annotations import annotated, canary
from xds.kube.change import Deleted
from xds.kube.objects import Ingress
from xds.problems.reasons import Reason
from xds.traffic.rate_limits import Rate, RateLimits
from xds.translate.nginx.annotation import OWN_PREFIX

HOST = "a.example.com"
SHOP = key("shop")


def world(**values: str) -> World:
    return World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))


def limits(given: World) -> RateLimits | None:
    (route,) = given.traffic.hosts[HOST].routes
    return route.policy.rate_limits


@pytest.mark.parametrize(
    ("values", "rates"),
    [
        ({"limit_rps": "1"}, [Rate(1, 1, 5)]),
        ({"limit_rpm": "+030"}, [Rate(30, 60, 150)]),
        ({"limit_rps": "2", "limit_rpm": "30", "limit_burst_multiplier": "1"}, [Rate(2, 1, 2), Rate(30, 60, 30)]),
        ({"limit_rps": "2147483647"}, [Rate(2**31 - 1, 1, 2**32 - 2)]),
        ({"limit_rps": "1", "limit_burst_multiplier": "2147483647"}, [Rate(1, 1, 2**31 - 1)]),
        ({"limit_rps": "0", "limit_rpm": "-5"}, []),
        ({"limit_rps": ""}, []),
        ({"limit_burst_multiplier": "3", "limit_allowlist": "10.0.0.1"}, []),
    ],
    ids=str,
)
def test_rates(values: dict[str, str], rates: list[Rate]) -> None:
    given = world(**values)
    assert not given.problems
    assert limits(given) == (RateLimits(SHOP, tuple(rates)) if rates else None)
    assert given.traffic.rates == set(rates)


@pytest.mark.parametrize("value", ["5r/s", " 5", "5.0", "1e3", "many", "2147483648", "9" * 5000])
def test_a_bad_rate_is_a_problem_and_no_limit(value: str) -> None:
    given = world(limit_rps=value)
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_INVALID]
    assert limits(given) is None


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x"])
def test_the_default_counts_for_a_bad_multiplier(value: str) -> None:
    given = world(limit_rps="1", limit_burst_multiplier=value)
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_INVALID]
    assert limits(given) == RateLimits(SHOP, (Rate(1, 1, 5),))


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("192.0.2.32/28, 203.0.113.5", ("192.0.2.32/28", "203.0.113.5/32")),
        ("10.1.2.3/8,10.9.0.0/16", ("10.0.0.0/8",)),
        (" 2001:DB8::1/32 ,::1", ("::1/128", "2001:db8::/32")),
        ("0.0.0.0/0", ("0.0.0.0/0",)),
    ],
)
def test_clients_without_a_limit(value: str, networks: tuple[str, ...]) -> None:
    given = world(limit_rps="1", limit_allowlist=value)
    assert not given.problems
    assert limits(given) == RateLimits(SHOP, (Rate(1, 1, 5),), networks)


@pytest.mark.parametrize(
    "value",
    [
        "10.0.0.0/33",
        "10.0.0.1,",
        "10.0.0.0/255.0.0.0",
        "fe80::1%eth0",
        "010.0.0.1",
        "a.example.com",
        "/8",
        ",".join(["10.0.0.1"] * 1001),
    ],
)
def test_a_bad_list_limits_all_clients(value: str) -> None:
    given = world(limit_rps="1", limit_allowlist=value)
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_INVALID]
    assert limits(given) == RateLimits(SHOP, (Rate(1, 1, 5),))


def test_the_old_name_of_the_list_counts_without_the_new_one() -> None:
    assert limits(world(limit_rps="1", limit_whitelist="10.0.0.0/8")) == RateLimits(
        SHOP, (Rate(1, 1, 5),), ("10.0.0.0/8",)
    )
    both = world(limit_rps="1", limit_whitelist="10.0.0.0/8", limit_allowlist="192.0.2.1")
    assert limits(both) == RateLimits(SHOP, (Rate(1, 1, 5),), ("192.0.2.1/32",))
    empty = world(limit_rps="1", limit_whitelist="10.0.0.0/8", limit_allowlist="")
    assert limits(empty) == RateLimits(SHOP, (Rate(1, 1, 5),), ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("10/s", Rate(10, 1, 10)),
        (" 30/m,burst=5", Rate(30, 60, 5)),
        ("1000/h, burst=0", Rate(1000, 3600, 0)),
        ("2147483647/s,burst=2147483647", Rate(2**31 - 1, 1, 2**31 - 1)),
    ],
)
def test_our_own_rate_counts_in_place_of_others(value: str, rate: Rate) -> None:
    annotations = {OWN_PREFIX + "rate-limit": value, **annotated(limit_rps="1", limit_allowlist="10.0.0.0/8")}
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_OVERRIDDEN]
    assert limits(given) == RateLimits(SHOP, (rate,), ("10.0.0.0/8",))


@pytest.mark.parametrize("value", ["10", "0/s", "10/d", "10/s,burst=", "10/s,burst=x", "10r/s", "4294967296/s"])
def test_a_bad_rate_of_our_own_is_a_problem_and_no_limit(value: str) -> None:
    annotations = {OWN_PREFIX + "rate-limit": value}
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert [each.reason for each in given.problems] == [Reason.ANNOTATION_INVALID]
    assert limits(given) is None


def test_default_backends_are_limited_with_the_paths() -> None:
    given = World(service("web"), ingress("shop", default="web", annotations=annotated(limit_rps="1")))
    assert given.traffic.default is not None
    assert given.traffic.default.policy.rate_limits == RateLimits(SHOP, (Rate(1, 1, 5),))
    assert given.traffic.rates == {Rate(1, 1, 5)}


def test_redirects_have_no_limit() -> None:
    """ingress-nginx redirects before it counts."""
    assert world(limit_rps="1", permanent_redirect="http://b.example.com").traffic.rates == set()


def test_requests_for_a_canary_count_for_the_primary() -> None:
    other = ingress(
        "new", rule(HOST, path("/", "new")), annotations=canary(canary_by_header="x", limit_rps="7"), created=2
    )
    given = World(
        service("web"), service("new"), other,
        ingress("shop", rule(HOST, path("/")), annotations=annotated(limit_rps="1"), created=1),
    )  # fmt: skip
    found = {route.policy.rate_limits for route in given.traffic.hosts[HOST].routes}
    assert found == {RateLimits(SHOP, (Rate(1, 1, 5),))}
    assert given.traffic.rates == {Rate(1, 1, 5)}


def test_rates_in_use_follow_the_routes() -> None:
    """The same object stays as long as no rate appears or vanishes."""
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(limit_rps="1")))
    one = given.traffic.rates
    given.add(ingress("other", rule("b.example.com", path("/")), annotations=annotated(limit_rps="1")))
    assert given.traffic.rates is one
    given.add(ingress("other", rule("b.example.com", path("/")), annotations=annotated(limit_rps="2")))
    assert given.traffic.rates == {Rate(1, 1, 5), Rate(2, 1, 10)}
    given.apply(Deleted(Ingress, SHOP))
    assert given.traffic.rates == {Rate(2, 1, 10)}
    given.add(ingress("other", rule("b.example.com", path("/"))))
    assert given.traffic.rates == set()
