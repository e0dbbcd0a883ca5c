"""The rules of the xDS protocol, numbered as in docs/xds-rules.md. Make before break (13) is in test_ordering, first
requests and reconnects (14, 15) in test_first_requests.

Covers requests and responses of both variants. Excludes the wire, and the effect of requests on subscriptions
(test_subscription). The client model checks the necessity of every message.
"""

import dataclasses

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, NODE, RDS, SDS, Client, World, told
from xds.protocol.messages import Acknowledged, DeltaRequest, Node, Rejected, Rejection, Response, SotwRequest, Variant
from xds.snapshot.resource import Resource, ResourceType

both = pytest.mark.parametrize("variant", list(Variant))


def bodies(response: Response) -> dict[str, str]:
    return {item.name: item.body.decode() for item in response.resources}


def settled(client: Client) -> Client:
    client.settle()
    return client


@both
def test_the_node_counts_on_the_first_request_only(variant: Variant) -> None:
    """Rule 1."""
    client = World(cds={"a": "1"}).client(variant)
    client.subscribe(CDS)
    assert client.session.node == NODE
    client.node = Node("someone-else")
    client.ack(CDS)
    assert client.session.node == NODE


@both
def test_only_an_error_makes_a_nack(variant: Variant) -> None:
    """Rule 2: neither the version nor the nonce does."""
    world = World(cds={"a": "1"})
    client = world.client(variant)
    response = client.subscribe(CDS)[0]
    client.nack(CDS, "bad cluster")
    (event,) = client.events
    news = (("a", response.resources[0].version),)
    assert event == Rejected(
        CDS,
        response,
        Rejection(response.version, world.now, "bad cluster", news, news),
    )
    world.commit(cds={"a": "2"})
    client.ack(CDS)  # the model never states a version
    assert isinstance(client.events[0], Acknowledged)


def test_a_stale_nonce_gets_no_answer_in_the_state_of_the_world() -> None:
    """Rule 3: the client repeats the request with the new nonce."""
    world = World(eds={"a": "1", "b": "1"})
    client = world.sotw()
    old = client.subscribe(EDS, "a")[0]
    client.ack(EDS)
    world.commit(eds={"a": "2"})
    new = client.wire[EDS]
    assert client.session.receive(SotwRequest(EDS, frozenset("ab"), nonce=old.nonce), 0) == []
    assert not client.pull()
    client.interests[EDS].names.add("b")
    client.again[EDS].add("b")
    assert told(client.ack(EDS)) == [("eds", ["b"], [])]
    assert int(old.nonce) < int(new.nonce)


def test_subscription_changes_with_a_stale_nonce_count_in_delta() -> None:
    """Rule 3: "the server must honor changes to the subscription state even if the nonce is stale"."""
    world = World(eds={"a": "1", "b": "1"})
    client = world.delta()
    old = client.subscribe(EDS, "a")[0]
    client.ack(EDS)
    world.commit(eds={"a": "2"})
    request = DeltaRequest(EDS, frozenset("b"), nonce=old.nonce, error="and a stale NACK")
    assert client.session.receive(request, 0) == []
    client.interests[EDS].names.add("b")
    client.again[EDS].add("b")
    assert told(client.ack(EDS)) == [("eds", ["b"], [])]


@both
def test_a_request_without_nonce_is_neither_ack_nor_nack(variant: Variant) -> None:
    """Rule 3: a spontaneous request changes the subscription; the response stays in flight."""
    client = World(eds={"a": "1", "b": "1"}).client(variant)
    client.subscribe(EDS, "a")
    assert client.subscribe(EDS, "b") == []
    assert client.events == []
    assert told(client.ack(EDS)) == [("eds", ["b"], [])]


@both
def test_an_unchanged_resource_is_not_sent(variant: Variant) -> None:
    """Rule 4."""
    world = World(eds={"a": "1", "b": "1"})
    client = world.client(variant)
    client.subscribe(EDS, "a", "b")
    assert client.ack(EDS) == []
    world.commit(eds={"a": "2", "b": "1"})
    assert bodies(client.wire[EDS]) == {"a": "2"}


@both
def test_a_resource_back_at_the_version_of_the_proxy_is_not_sent(variant: Variant) -> None:
    """Rule 4: while a response is in flight, latest wins."""
    world = World(eds={"a": "1"})
    client = world.client(variant)
    client.subscribe(EDS, "a")
    world.commit(eds={"a": "2"})
    world.commit(eds={"a": "1"})
    world.commit(eds={"a": None})
    world.commit(eds={"a": "1"})
    assert client.ack(EDS) == []


@both
def test_unchanged_endpoints_follow_their_changed_cluster(variant: Variant) -> None:
    """Rules 4 and 12: otherwise the cluster warms for ever."""
    world = World(cds={"a": "1", "b": "1"}, eds={"a": "1", "b": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.subscribe(EDS, "a", "b")
    settled(client)
    start = len(client.inbox)
    world.commit(cds={"a": "2"})
    cds, eds = client.inbox[start:]
    assert (cds.type, bodies(eds)) == (CDS, {"a": "1"})
    assert client.settle() == []


def test_a_resource_subscribed_again_is_sent_again() -> None:
    """Rule 5: "the client may have forgotten those resources despite apparently remaining subscribed"."""
    client = World(eds={"a": "1", "b": "1"}).delta()
    client.subscribe(EDS, "a", "b")
    settled(client)
    assert told(client.subscribe(EDS, "a")) == [("eds", ["a"], [])]


@both
def test_a_resource_that_returns_is_sent_again(variant: Variant) -> None:
    """Rule 5."""
    client = World(eds={"a": "1", "b": "1"}).client(variant)
    client.subscribe(EDS, "a", "b")
    settled(client)
    assert client.unsubscribe(EDS, "a") == []
    assert told(client.subscribe(EDS, "a")) == [("eds", ["a"], [])]


@both
def test_the_legacy_wildcard_ends_with_the_first_name(variant: Variant) -> None:
    """Rule 6."""
    world = World(cds={"a": "1", "b": "1"})
    client = world.client(variant)
    assert told(client.subscribe(CDS)) == [("cds", ["a", "b"], [])]
    client.ack(CDS)
    client.subscribe(CDS, "*", "a")
    settled(client)
    client.unsubscribe(CDS, "*")
    settled(client)
    start = len(client.inbox)
    world.commit(cds={"b": "2"})
    client.unsubscribe(CDS, "a")
    world.commit(cds={"a": "2"})
    assert client.inbox[start:] == []


def test_a_stale_request_with_names_ends_the_legacy_wildcard() -> None:
    """Rule 6: a stale request is part of the stream even without a response."""
    world = World(cds={"a": "1"})
    client = world.sotw()
    first = client.subscribe(CDS)[0]
    client.ack(CDS)
    world.commit(cds={"a": "2"})
    session = client.session
    session.receive(SotwRequest(CDS, frozenset("a"), nonce=first.nonce), 0)
    session.receive(SotwRequest(CDS, frozenset(), nonce=client.wire[CDS].nonce), 0)
    subscription = session.subscription(CDS)
    assert subscription is not None
    assert not subscription.covers("a")


def test_lds_and_cds_send_the_full_set_and_other_types_the_changes() -> None:
    """Rule 7."""
    full = {"a": "1", "b": "1"}
    world = World(cds=full, eds=full, lds=full, rds=full, sds=full)
    client = world.sotw()
    for type_ in (CDS, LDS, EDS, RDS, SDS):
        client.subscribe(type_, *([] if type_ in (CDS, LDS) else full))
    settled(client)
    for type_, names in ((LDS, ["a", "b"]), (RDS, ["a"]), (SDS, ["a"]), (EDS, ["a"]), (CDS, ["a", "b"])):
        world.commit(**{type_.short: {"a": "2"}})
        assert told([client.wire[type_]]) == [(type_.short, names, [])]
        settled(client)


@both
def test_a_response_has_no_duplicate_names(variant: Variant) -> None:
    """Rule 8: endpoints changed, requested twice, and due after a changed cluster; the model counts the names."""
    world = World(cds={"a": "1"}, eds={"a": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.subscribe(EDS, "a")
    world.commit(eds={"a": "2"})
    client.subscribe(EDS, "*", "a")
    world.commit(cds={"a": "2"})
    client.ack(CDS)
    assert told(client.ack(EDS)) == [("eds", ["a"], [])]


def test_a_deletion_is_an_omission_in_sotw() -> None:
    """Rule 9: of types other than LDS and CDS no removal is sent."""
    full = {"a": "1", "b": "1"}
    world = World(cds=full, lds=full, rds=full, eds=full)
    client = world.sotw()
    for type_ in (CDS, LDS, EDS, RDS):
        client.subscribe(type_, *([] if type_ in (CDS, LDS) else full))
    settled(client)
    world.commit(lds={"a": None})
    assert told([client.wire[LDS]]) == [("lds", ["b"], [])]
    settled(client)
    start = len(client.inbox)
    world.commit(rds={"a": None}, eds={"a": None})
    assert client.inbox[start:] == []
    world.commit(cds={"a": None, "b": None})
    assert told(client.inbox[start:]) == [("cds", [], [])]
    world.commit(rds={"a": "1"}, eds={"a": "2"})
    assert told(client.inbox[start + 1 :]) == [("eds", ["a"], [])]  # the route was never gone at the proxy


@both
def test_a_missing_resource_is_removed_in_delta_and_omitted_in_sotw(variant: Variant) -> None:
    """Rule 10."""
    world = World(rds={"a": "1"})
    client = world.client(variant)
    assert told(client.subscribe(RDS, "b")) == ([("rds", [], ["b"])] if variant is Variant.DELTA else [])
    settled(client)
    world.commit(rds={"b": "1"})
    assert told([client.wire[RDS]]) == [("rds", ["b"], [])]


def test_an_unsubscribe_gets_a_response_only_under_a_wildcard() -> None:
    """Rule 11: with the resource or its removal."""
    client = World(cds={"a": "1", "b": "1"}).delta()
    client.subscribe(CDS, "*", "a", "x")
    settled(client)
    assert told(client.unsubscribe(CDS, "a", "x")) == [("cds", ["a"], ["x"])]
    settled(client)
    assert client.unsubscribe(CDS, "b") == []
    assert client.unsubscribe(CDS, "*") == []


@both
def test_time_alone_sends_no_response(variant: Variant) -> None:
    """Rule 16: without a TTL no heartbeat is due."""
    world = World(cds={"a": "1"}, lds={"a": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.subscribe(LDS)
    settled(client)
    assert client.session.deadline() is None
    start = len(client.inbox)
    world.pass_time(1e6)
    assert client.inbox[start:] == []
    assert "ttl" not in {field.name for field in dataclasses.fields(Resource)}


@both
def test_a_rejected_resource_is_not_sent_again_until_changed(variant: Variant) -> None:
    """Rule 17: a resource rejected alone is to blame."""
    world = World(rds={"a": "1", "b": "1"})
    client = world.client(variant)
    client.subscribe(RDS, "a", "b")
    assert [bodies(response) for response in client.settle_as_envoy()] == []
    world.commit(rds={"b": "bad"})
    client.settle_as_envoy()
    assert client.session.status().types[0].rejected_names == ("b",)
    start = len(client.inbox)
    world.commit(rds={"c": "1"})
    world.commit(rds={"a": "2"})
    client.settle_as_envoy()
    world.commit(rds={"b": "worse, so bad"})
    client.settle_as_envoy()
    world.commit(rds={"b": "bad"})  # changed, and possibly good now
    client.settle_as_envoy()
    world.commit(rds={"b": "2"})
    client.settle_as_envoy()
    assert [bodies(response) for response in client.inbox[start:]] == [
        {"a": "2"},
        {"b": "worse, so bad"},
        {"b": "bad"},
        {"b": "2"},
    ]
    assert client.session.status().types[0].rejected_count == 0


@both
@pytest.mark.parametrize("type_", [RDS, EDS, SDS])
def test_resources_rejected_together_are_sent_again_in_parts(variant: Variant, type_: ResourceType) -> None:
    """Rule 17: a NACK hides the good resources, so parts are sent until an ACK or the NACK of a single resource."""
    world = World(**{type_.short: {"a": "1", "b": "bad", "c": "1", "d": "1"}})
    client = world.client(variant)
    client.subscribe(type_, *"abcd")
    client.settle_as_envoy()
    assert [sorted(bodies(response)) for response in client.inbox] == [
        ["a", "b", "c", "d"],
        ["a", "b"],
        ["a"],
        ["b"],
        ["c", "d"],
    ]
    assert client.versions(type_).keys() == set("acd")
    assert client.session.status().types[0].rejected_names == ("b",)


@both
@pytest.mark.parametrize("type_", [CDS, LDS])
def test_clusters_and_listeners_without_blame_count_as_accepted(variant: Variant, type_: ResourceType) -> None:
    """Rule 17: only blamed resources go back. A full set repeats their former versions, so that other changes go on."""
    world = World(**{type_.short: {"a": "1", "b": "1"}})
    client = world.client(variant)
    client.subscribe(type_)
    client.settle_as_envoy()
    start = len(client.inbox)
    world.commit(**{type_.short: {"a": "bad", "b": "2", "c": "bad"}})
    client.settle_as_envoy()
    world.commit(**{type_.short: {"d": "1"}})
    client.settle_as_envoy()
    first, second = client.inbox[start:]
    assert bodies(first) == {"a": "bad", "b": "2", "c": "bad"}
    rest = {"a": "1", "b": "2"} if variant is Variant.SOTW else {}
    assert bodies(second) == rest | {"d": "1"}
    assert client.session.status().types[0].rejected_names == ("a", "c")


@both
def test_a_message_without_blame_starts_a_bisection_of_clusters(variant: Variant) -> None:
    """Rule 17: Envoy rejects an unreadable response as a whole, without a name."""
    world = World(cds={"a": "1", "b": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.ack(CDS)
    start = len(client.inbox)
    world.commit(cds={"a": "2", "b": "bad", "c": "1"})
    while CDS in client.wire:
        bad = any("bad" in item.body.decode() for item in client.wire[CDS].resources)
        client.nack(CDS, "Proto constraint validation failed") if bad else client.ack(CDS)
    parts = [bodies(response) for response in client.inbox[start:]]
    if variant is Variant.DELTA:
        assert [sorted(part) for part in parts] == [["a", "b", "c"], ["a", "b"], ["a"], ["b"], ["c"]]
    else:
        assert parts == [
            {"a": "2", "b": "bad", "c": "1"},
            {"a": "2", "b": "bad"},
            {"a": "2", "b": "1"},
            {"a": "2", "b": "bad"},
            {"a": "2", "b": "1", "c": "1"},
        ]
    assert client.versions(CDS) == {name: item.version for name, item in world.served.resources(CDS).items()}


def test_a_change_amid_a_bisection_is_sent_separately() -> None:
    world = World(rds={"a": "1", "b": "bad", "c": "1"})
    client = world.delta()
    client.subscribe(RDS, *"abc")
    client.nack(RDS)
    assert sorted(bodies(client.wire[RDS])) == ["a", "b"]
    world.commit(rds={"c": "2", "b": None})
    client.nack(RDS)
    client.settle_as_envoy()
    assert client.versions(RDS) == {name: item.version for name, item in world.served.resources(RDS).items()}
    assert client.session.status().types[0].pending == 0


@both
def test_a_rejected_resource_is_sent_on_request(variant: Variant) -> None:
    """Rules 5 and 17, where other proxies have accepted the version."""
    world = World(rds={"a": "1"})
    world.client(variant).subscribe(RDS, "a")
    client = world.client(variant)
    client.subscribe(RDS, "a")
    client.nack(RDS)
    world.clients[0].ack(RDS)
    assert not client.wire
    client.unsubscribe(RDS, "a")
    assert told(client.subscribe(RDS, "a")) == [("rds", ["a"], [])]


@both
def test_a_response_has_no_errors_by_resource(variant: Variant) -> None:
    """Rule 18: no proxy implements resource_errors, so a response has no field for errors."""
    assert "errors" not in " ".join(field.name for field in dataclasses.fields(Response))
    client = World().client(variant)
    client.subscribe(CDS)
    client.nack(CDS, "no")
    assert client.session.status().types[0].last_rejection is not None
