"""Streams found by the resources that they subscribe to.

Excludes whether a session has a response for the change (tests/protocol).
"""

import pytest

from xds.protocol.subscription import Subscription
from xds.server.subscribers import SubscriberIndex
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ResourceChange, by_type

CDS, EDS, *_ = ResourceType
WILDCARD = Subscription(wildcard=True)


@pytest.fixture
def index() -> SubscriberIndex[str]:
    return SubscriberIndex()


def names(*names: str) -> Subscription:
    return Subscription(frozenset(names))


def streams(index: SubscriberIndex[str], *changes: tuple[ResourceType, str]) -> list[str]:
    return list(index.streams(by_type(ResourceChange(type_, name, None, None) for type_, name in changes)))


def test_a_change_finds_streams_by_name_and_by_wildcard(index: SubscriberIndex[str]) -> None:
    index.subscribe("ab", [(EDS, names("a", "b"))])
    index.subscribe("bc", [(EDS, names("b", "c"))])
    index.subscribe("wildcard", [(EDS, WILDCARD)])
    assert streams(index, (EDS, "a")) == ["ab", "wildcard"]
    assert streams(index, (EDS, "b")) == ["ab", "bc", "wildcard"]
    assert streams(index, (EDS, "d")) == ["wildcard"]
    assert streams(index, (CDS, "a")) == []


def test_several_changes_find_a_stream_once(index: SubscriberIndex[str]) -> None:
    index.subscribe("stream", [(CDS, WILDCARD), (EDS, names("a", "b"))])
    assert streams(index, (CDS, "a"), (EDS, "a"), (EDS, "b")) == ["stream"]


def test_a_new_subscription_replaces_the_last_one_of_its_type(index: SubscriberIndex[str]) -> None:
    index.subscribe("stream", [(EDS, names("a"))])
    index.subscribe("stream", [(EDS, names("b"))])
    index.subscribe("stream", [(CDS, WILDCARD)])
    assert streams(index, (EDS, "a")) == []
    assert streams(index, (EDS, "b")) == streams(index, (CDS, "a")) == ["stream"]


def test_a_removed_stream_leaves_no_entry(index: SubscriberIndex[str]) -> None:
    index.subscribe("removed", [(EDS, names("a"))])
    index.subscribe("open", [(EDS, names("a"))])
    index.remove("removed")
    assert streams(index, (EDS, "a")) == ["open"]
    index.remove("open")
    index.remove("never subscribed")
    assert streams(index, (EDS, "a")) == []
    assert not any(index._groups.values())
