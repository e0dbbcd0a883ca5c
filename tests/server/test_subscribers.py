"""Which streams a change is told: found by what they subscribe to, and by nothing else.

Excludes whether the session has anything to say about it (tests/protocol).
"""

import pytest

from xds.protocol.subscription import Subscription
from xds.server.subscribers import SubscriberIndex
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ResourceChange, by_type

CDS, EDS, *_ = ResourceType
EVERYTHING = Subscription(wildcard=True)


@pytest.fixture
def audience() -> SubscriberIndex[str]:
    return SubscriberIndex()


def names(*names: str) -> Subscription:
    return Subscription(frozenset(names))


def told(audience: SubscriberIndex[str], *changes: tuple[ResourceType, str]) -> list[str]:
    return list(audience.of(by_type(ResourceChange(type_, name, None, None) for type_, name in changes)))


def test_those_are_told_who_asked_for_the_name_or_for_everything(audience: SubscriberIndex[str]) -> None:
    audience.follow("one", [(EDS, names("a", "b"))])
    audience.follow("other", [(EDS, names("b", "c"))])
    audience.follow("all", [(EDS, EVERYTHING)])
    assert told(audience, (EDS, "a")) == ["one", "all"]
    assert told(audience, (EDS, "b")) == ["one", "other", "all"]
    assert told(audience, (EDS, "d")) == ["all"]
    assert told(audience, (CDS, "a")) == []


def test_each_is_told_once_of_several_changes(audience: SubscriberIndex[str]) -> None:
    audience.follow("one", [(CDS, EVERYTHING), (EDS, names("a", "b"))])
    assert told(audience, (CDS, "a"), (EDS, "a"), (EDS, "b")) == ["one"]


def test_another_subscription_takes_the_place_of_the_last(audience: SubscriberIndex[str]) -> None:
    audience.follow("one", [(EDS, names("a"))])
    audience.follow("one", [(EDS, names("b"))])
    audience.follow("one", [(CDS, EVERYTHING)])
    assert told(audience, (EDS, "a")) == []
    assert told(audience, (EDS, "b")) == told(audience, (CDS, "a")) == ["one"]


def test_those_who_are_gone_are_told_nothing_and_leave_nothing(audience: SubscriberIndex[str]) -> None:
    audience.follow("one", [(EDS, names("a"))])
    audience.follow("other", [(EDS, names("a"))])
    audience.forget("one")
    assert told(audience, (EDS, "a")) == ["other"]
    audience.forget("other")
    audience.forget("never came")
    assert told(audience, (EDS, "a")) == []
    assert not any(audience._groups.values())
