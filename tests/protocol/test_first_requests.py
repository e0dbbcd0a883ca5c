"""Responses to the first request of a type, on a new or a resumed stream (rules 5, 14 and 15).

Excludes later requests (test_rules) and the order of updates (test_ordering).
"""

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, NODE, Client, World, told
from xds.protocol.messages import DeltaRequest, SotwRequest, Variant
from xds.protocol.ordering import RESUME_GRACE_SECONDS
from xds.protocol.status import VersionStamp
from xds.snapshot.resource import ResourceType

both = pytest.mark.parametrize("variant", list(Variant))


def settled(client: Client) -> Client:
    client.settle()
    return client


def test_a_reconnect_in_the_state_of_the_world_gets_every_resource() -> None:
    """Rule 5: whatever version the request states."""
    world = World(cds={"a": "1"})
    session = settled_sotw(world)
    again = world.sotw().session
    again.receive(SotwRequest(CDS, version=session.inbox[0].version, nonce="of another stream", node=NODE), 0)
    assert told(again.take_responses(0)) == [("cds", ["a"], [])]


def settled_sotw(world: World) -> Client:
    client = world.sotw()
    client.subscribe(CDS)
    return settled(client)


def test_endpoints_follow_a_cluster_sent_before_their_first_request() -> None:
    """Rules 4 and 15: on a reconnect the cluster changed and its endpoints did not."""
    world = World(cds={"a": "1", "b": "1"}, eds={"a": "1", "b": "1"})
    old = world.delta()
    old.subscribe(CDS)
    old.subscribe(EDS, "a", "b")
    settled(old)
    world.clients.clear()
    world.commit(cds={"a": "2"})
    new = world.delta()
    assert told(new.subscribe(CDS, known=old.versions(CDS))) == [("cds", ["a"], [])]
    assert told(new.subscribe(EDS, "a", "b", known=old.versions(EDS))) == [("eds", ["a"], [])]
    forgetful = world.delta()
    forgetful.subscribe(CDS)
    assert told(forgetful.subscribe(EDS, "a", "b", known=old.versions(EDS))) == [("eds", ["a", "b"], [])]


@both
@pytest.mark.parametrize("type_", [CDS, LDS], ids=lambda type_: type_.short)
def test_the_first_wildcard_request_is_answered_even_if_empty(variant: Variant, type_: ResourceType) -> None:
    """Rule 14: without it Envoy's `/ready` takes 30 s."""
    client = World().client(variant)
    assert told(client.subscribe(type_)) == [(type_.short, [], [])]
    assert client.ack(type_) == []


@both
def test_an_empty_first_request_subscribes_to_nothing_of_types_without_a_legacy_wildcard(variant: Variant) -> None:
    """Rule 14 doesn't apply to these types."""
    world = World(eds={"a": "1"})
    client = world.client(variant)
    assert client.subscribe(EDS) == []
    world.commit(eds={"a": "2"})
    assert client.inbox == []


def test_current_versions_get_no_response() -> None:
    """Rules 5, 14 and 15: a reconnect costs the changes only."""
    world = World(cds={"a": "1", "b": "1"}, eds={"a": "1"})
    old = world.delta()
    old.subscribe(CDS)
    old.subscribe(EDS, "a")
    settled(old)
    new = world.delta()
    assert new.subscribe(CDS, known=old.versions(CDS)) == []
    assert new.subscribe(EDS, "a", known=old.versions(EDS)) == []
    world.commit(cds={"b": "2"})
    assert told([new.wire[CDS]]) == [("cds", ["b"], [])]


def test_a_reconnect_gets_removed_new_and_changed_resources() -> None:
    """Rule 15: with a wildcard and with names."""
    world = World(cds={"a": "1", "b": "1", "c": "1"})
    old = world.delta()
    old.subscribe(CDS)
    settled(old)
    world.clients.clear()
    world.commit(cds={"a": None, "b": "2", "d": "1"})
    new, named = world.delta(), world.delta()
    new.subscribe(CDS, known=old.versions(CDS))
    named.subscribe(CDS, "a", "b", "c", "d", "e", known=old.versions(CDS))
    assert told(new.inbox) == told(named.inbox) == []
    world.pass_time(RESUME_GRACE_SECONDS)
    assert told(new.inbox) == [("cds", ["b", "d"], ["a"])]
    assert told(named.inbox) == [("cds", ["b", "d"], ["a", "e"])]


def test_initial_versions_count_in_the_first_request_only() -> None:
    """Rule 15: "in the first request of each type"."""
    client = World(eds={"a": "1", "b": "1"}).delta()
    client.subscribe(EDS, "a")
    client.ack(EDS)
    request = DeltaRequest(EDS, frozenset("b"), initial_resource_versions={"b": client.versions(EDS)["a"]})
    client.session.receive(request, 0)
    assert told(client.session.take_responses(0)) == [("eds", ["b"], [])]


def test_a_resource_removed_before_the_response_to_a_reconnect_is_not_mentioned() -> None:
    """Rule 15: the proxy never had the resource, and didn't request the name."""
    world = World(cds={"a": "1"})
    old = world.delta()
    old.subscribe(CDS)
    settled(old)
    world.clients.clear()
    world.commit(cds={"a": None, "b": "1"})
    new = world.delta()
    new.subscribe(CDS, known=old.versions(CDS))
    world.commit(cds={"b": None})
    world.pass_time(RESUME_GRACE_SECONDS)
    assert told(new.inbox) == [("cds", [], ["a"])]


def test_resumed_versions_count_as_acknowledged() -> None:
    """The ACK came on another stream, and this stream has sent no response."""
    world = World(eds={"a": "1", "b": "1"})
    old = world.delta()
    old.subscribe(EDS, "a", "b")
    settled(old)
    right, wrong = world.delta(), world.delta()
    right.subscribe(EDS, "a", "b", known=old.versions(EDS))
    wrong.subscribe(EDS, "a", "b", known=old.versions(EDS) | {"a": "of another"})
    (status,) = right.session.status().types
    assert (status.sent, status.acknowledged) == (None, VersionStamp(world.store.version(EDS), world.now))
    (status,) = wrong.session.status().types
    assert status.acknowledged is None
