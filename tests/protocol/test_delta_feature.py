"""The behaviours of delta.feature in https://github.com/ii/xds-test-harness, for the types in the feature.

Covers delta subscriptions by name. Excludes wildcards and the order of types. The client model checks on every message
that "the service never responds more than necessary".
"""

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, RDS, World, told
from xds.snapshot.resource import ResourceType

pytestmark = pytest.mark.parametrize("type_", [CDS, LDS, RDS, EDS], ids=lambda type_: type_.short)


def test_subscribe_to_resources_one_after_the_other(type_: ResourceType) -> None:
    client = World(**{type_.short: {"a": "1", "b": "1", "c": "1"}}).delta()
    assert told(client.subscribe(type_, "a")) == [(type_.short, ["a"], [])]
    client.ack(type_)
    assert told(client.subscribe(type_, "b")) == [(type_.short, ["b"], [])]
    assert not client.ack(type_)


def test_an_updated_resource_is_sent_alone(type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "1", "b": "1", "c": "1"}})
    client = world.delta()
    first = client.subscribe(type_, "a", "b", "c")[0]
    client.settle()
    world.commit(**{type_.short: {"a": "2"}})
    second = client.wire[type_]
    assert told([second]) == [(type_.short, ["a"], [])]
    assert second.nonce != first.nonce
    assert second.version != first.version == client.session.status().types[0].acknowledged.version  # type: ignore[union-attr]


def test_a_missing_resource_is_sent_as_removed_and_sent_once_created(type_: ResourceType) -> None:
    """Rule 10."""
    world = World(**{type_.short: {"a": "1"}})
    client = world.delta()
    assert told(client.subscribe(type_, "a", "b")) == [(type_.short, ["a"], ["b"])]
    client.settle()
    world.commit(**{type_.short: {"b": "1"}})
    assert told(client.settle()) == []
    assert told(client.inbox[1:]) == [(type_.short, ["b"], [])]


def test_a_removal_and_a_return_are_sent(type_: ResourceType) -> None:
    """Rule 9, delta."""
    world = World(**{type_.short: {"a": "1", "b": "1"}})
    client = world.delta()
    client.subscribe(type_, "a", "b")
    client.settle()
    world.commit(**{type_.short: {"b": None}})
    assert told([client.wire[type_]]) == [(type_.short, [], ["b"])]
    client.settle()
    world.commit(**{type_.short: {"b": "2"}})
    assert told([client.wire[type_]]) == [(type_.short, ["b"], [])]


def test_unsubscribed_resources_are_not_sent(type_: ResourceType) -> None:
    """Rule 11: and an unsubscribe needs no answer."""
    world = World(**{type_.short: {"a": "1", "b": "1"}})
    client = world.delta()
    client.subscribe(type_, "a", "b")
    client.settle()
    assert not client.unsubscribe(type_, "b")
    world.commit(**{type_.short: {"b": "2"}})
    assert not client.wire
    assert not client.unsubscribe(type_, "a")
    world.commit(**{type_.short: {"a": "2"}})
    assert not client.wire


def test_an_update_waits_for_the_ack(type_: ResourceType) -> None:
    world = World(**{type_.short: {"a": "1"}})
    client = world.delta()
    client.subscribe(type_, "a")
    world.commit(**{type_.short: {"a": "2"}})
    world.commit(**{type_.short: {"a": "3"}})
    assert [r.body for r in client.ack(type_)[0].resources] == [b"3"]
    assert len(client.inbox) == 2
