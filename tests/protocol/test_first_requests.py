"""What is said to the first request of a type, of a new stream or of one that takes up another (rules 5, 14 and 15).

Excludes what a later request asks for (test_rules), and in which order the answers' changes go out (test_ordering).
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


def test_sotw_reconnects_get_everything() -> None:
    """Rule 5: whatever version they state."""
    world = World(cds={"a": "1"})
    session = settled_sotw(world)
    again = world.sotw().session
    again.receive(SotwRequest(CDS, version=session.inbox[0].version, nonce="of another stream", node=NODE), 0)
    assert told(again.take_responses(0)) == [("cds", ["a"], [])]


def settled_sotw(world: World) -> Client:
    client = world.sotw()
    client.subscribe(CDS)
    return settled(client)


def test_endpoints_follow_a_cluster_that_came_before_they_were_asked_for() -> None:
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
def test_a_first_request_without_names_asks_for_nothing_of_the_other_types(variant: Variant) -> None:
    """Rule 14 is not for them."""
    world = World(eds={"a": "1"})
    client = world.client(variant)
    assert client.subscribe(EDS) == []
    world.commit(eds={"a": "2"})
    assert client.inbox == []


def test_right_versions_are_not_answered() -> None:
    """Rules 5, 14 and 15: a reconnect costs nothing but what changed."""
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


def test_a_reconnect_is_told_what_is_gone_new_and_changed() -> None:
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


def test_known_versions_count_in_the_first_request_only() -> None:
    """Rule 15: "in the first request of each type"."""
    client = World(eds={"a": "1", "b": "1"}).delta()
    client.subscribe(EDS, "a")
    client.ack(EDS)
    request = DeltaRequest(EDS, frozenset("b"), initial_resource_versions={"b": client.versions(EDS)["a"]})
    client.session.receive(request, 0)
    assert told(client.session.take_responses(0)) == [("eds", ["b"], [])]


def test_what_is_gone_before_a_reconnect_is_answered_is_not_mentioned() -> None:
    """Rule 15: the proxy never had it, and didn't ask for it by name."""
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


def test_what_a_proxy_brought_counts_as_acknowledged() -> None:
    """It was, on another stream; and nothing was sent on this one."""
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
