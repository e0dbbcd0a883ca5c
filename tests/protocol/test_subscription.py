"""Subscriptions: names, the wildcard, and the legacy wildcard of an empty request.

Covers the examples of https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, section "How the client
specifies what resources to return", line by line. Excludes responses (test_rules).
"""

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, RDS, SDS
from xds.protocol.subscription import Demand, NameSets, Subscription, after_delta, after_sotw, initial_subscription
from xds.snapshot.resource import ResourceType

SETS = NameSets()


def delta(old: Subscription, subscribe: str = "", unsubscribe: str = "") -> Demand:
    return after_delta(old, frozenset(subscribe.split()), frozenset(unsubscribe.split()), SETS)


def sotw(old: Subscription, names: str = "") -> Demand:
    return after_sotw(old, frozenset(names.split()), SETS)


def names(subscription: Subscription) -> str:
    return " ".join([*(["*"] if subscription.wildcard else []), *sorted(subscription.names)])


def said(demand: Demand) -> tuple[str, str, bool]:
    return names(demand.subscription), " ".join(sorted(demand.names)), demand.everything


@pytest.mark.parametrize(("type_", "expected"), [(CDS, "*"), (LDS, "*"), (EDS, ""), (SDS, ""), (RDS, "")])
def test_an_empty_first_request_is_a_legacy_wildcard(type_: ResourceType, expected: str) -> None:
    """Rule 6: every resource for LDS and CDS, no resource for other types."""
    for demand in (delta(initial_subscription(type_)), sotw(initial_subscription(type_))):
        assert names(demand.subscription) == expected
        assert demand.everything == (expected == "*")
        assert not demand.names


def test_the_delta_example_of_the_specification() -> None:
    """Rule 6."""
    first = delta(initial_subscription(CDS))
    second = delta(first.subscription, "A")
    assert said(second) == ("* A", "A", False)
    third = delta(second.subscription, "", "*")
    assert said(third) == ("A", "", False)
    fourth = delta(third.subscription, "", "A")
    assert said(fourth) == ("", "", False)
    fifth = delta(fourth.subscription)
    assert names(fifth.subscription) == ""


def test_the_sotw_example_of_the_specification() -> None:
    """Rule 6."""
    first = sotw(initial_subscription(CDS))
    second = sotw(first.subscription, "* A")
    assert said(second) == ("* A", "A", False)
    third = sotw(second.subscription, "A")
    assert said(third) == ("A", "", False)
    fourth = sotw(third.subscription)
    assert said(fourth) == ("", "", False)


def test_an_empty_request_keeps_a_legacy_wildcard() -> None:
    """An ACK without names requests no resources."""
    for ask in (delta, sotw):
        first = ask(initial_subscription(LDS)).subscription
        second = ask(first)
        assert second.subscription is first
        assert not second.everything


def test_an_unsubscribed_name_ends_the_legacy_wildcard() -> None:
    assert names(delta(delta(initial_subscription(CDS), "", "A").subscription).subscription) == ""


@pytest.mark.parametrize("type_", list(ResourceType), ids=lambda type_: type_.short)
def test_a_star_requests_every_resource(type_: ResourceType) -> None:
    """Rule 6, for every type; a repeated star requests every resource again (rule 5)."""
    first = delta(initial_subscription(type_), "*")
    assert names(first.subscription) == "*"
    assert first.everything
    assert delta(first.subscription, "*").everything
    assert sotw(initial_subscription(type_), "*").everything


def test_a_name_subscribed_again_is_requested_again() -> None:
    """Rule 5, delta only: a state-of-the-world list can't repeat a name."""
    first = delta(initial_subscription(EDS), "a b")
    assert delta(first.subscription, "b").names == {"b"}
    assert not sotw(sotw(initial_subscription(EDS), "a b").subscription, "a b").names
    assert sotw(sotw(initial_subscription(EDS), "a").subscription, "a b").names == {"b"}


def test_an_unsubscribe_under_a_wildcard_requests_the_name_unless_a_phantom() -> None:
    """Rule 11."""
    both = delta(initial_subscription(CDS), "* a").subscription
    assert delta(both, "", "a").names == {"a"}
    assert not delta(both, "", "b").names
    assert not delta(both, "", "a *").names
    assert not delta(delta(initial_subscription(CDS), "a").subscription, "", "a").names


def test_a_name_in_both_lists_ends_up_unsubscribed() -> None:
    demand = delta(initial_subscription(EDS), "a b", "b")
    assert names(demand.subscription) == "a"
    assert demand.names == {"a"}


def test_equal_sets_of_names_share_an_object() -> None:
    """A thousand streams with equal names must not hold a thousand sets."""
    a, b = (delta(initial_subscription(EDS), "a b c").subscription for _ in range(2))
    assert a.names is b.names
    c, d = (delta(subscription, "d", "a").subscription for subscription in (a, b))
    assert c.names is d.names
    e, f = (sotw(initial_subscription(EDS), "x y").subscription for _ in range(2))
    assert e.names is f.names


def test_the_intersection_of_subscriptions() -> None:
    a, b, all_ = (
        Subscription(frozenset("ab")),
        Subscription(frozenset("bc")),
        Subscription(frozenset("a"), wildcard=True),
    )
    assert (a & b).names == {"b"}
    assert (a & all_).names == {"a", "b"}
    assert (all_ & b).names == {"b", "c"}
    assert (all_ & all_).wildcard
    assert not (a & all_).wildcard
