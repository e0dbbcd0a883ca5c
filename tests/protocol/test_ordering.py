"""Make before break, rule 13: the waits of types for one another on a stream.

Covers both variants, which differ in the form of a removal only. Excludes responses to first requests, which go at
once. The client model also checks after any sequence that no route names an unsent cluster, and that no cluster goes
before its routes (test_properties).
"""

import pytest

from tests.support.xds_client_model import CDS, ECDS, EDS, LDS, RDS, SDS, VHDS, Client, World, told
from xds.protocol.messages import Variant
from xds.protocol.ordering import CLUSTER_WAIT_LIMIT_SECONDS
from xds.protocol.warming import WARMING_GRACE_SECONDS
from xds.snapshot.resource import ResourceType

both = pytest.mark.parametrize("variant", list(Variant))


def envoy(variant: Variant, *, without: ResourceType | None = None) -> Client:
    """A client with a listener, a route to cluster a, a secret and a filter's configuration, all acknowledged."""
    one = {"a": "1"}
    world = World(cds=one, eds=one, sds={"s": "1"}, ecds={"e": "1"}, lds={"l": "1"}, rds={"r": "1:a"})
    client = world.client(variant)
    for type_, names in ((CDS, []), (EDS, ["a", "b"]), (LDS, []), (RDS, ["r"]), (SDS, ["s"]), (ECDS, ["e"])):
        if type_ is not without:
            client.subscribe(type_, *names)
    client.settle()
    client.inbox.clear()
    return client


def types(client: Client) -> list[str]:
    return [response.type.short for response in client.inbox]


@both
def test_one_commit_goes_out_in_order(variant: Variant) -> None:
    """Rule 13: CDS, EDS, SDS, ECDS, LDS, RDS, if no cluster is new."""
    client = envoy(variant)
    changed = {"rds": {"r": "2:a"}, "lds": {"l": "2"}, "ecds": {"e": "2"}, "sds": {"s": "2"}, "eds": {"a": "2"}}
    client.world.commit(**changed, cds={"a": "2"})
    assert types(client) == ["cds", "eds", "sds", "ecds", "lds", "rds"]


@both
def test_filter_configurations_do_not_wait_for_new_clusters(variant: Variant) -> None:
    """Rule 13: the routes that a new configuration is for come later in any case."""
    client = envoy(variant)
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, ecds={"e": "2"}, rds={"r": "2:b"})
    assert types(client) == ["cds", "eds", "ecds"]


@both
def test_routes_do_not_wait_for_filter_configurations_without_a_subscription(variant: Variant) -> None:
    """Rule 13: a client that knows nothing of ECDS gets all other types as before."""
    client = envoy(variant, without=ECDS)
    client.world.commit(ecds={"e": "2"}, lds={"l": "2"}, rds={"r": "2:a"})
    assert types(client) == ["lds", "rds"]
    client.settle()
    assert client.session.oldest_unanswered is None


@both
def test_routes_do_not_wait_for_the_ack_of_filter_configurations(variant: Variant) -> None:
    """Rule 13: the order of sending is the order in which Envoy applies the responses of a stream."""
    client = envoy(variant)
    client.world.commit(ecds={"e": "2"})
    client.world.commit(ecds={"e": "3"}, rds={"r": "2:a"})
    assert types(client) == ["ecds", "rds"]
    assert told(client.ack(ECDS))[-1:] == [("ecds", ["e"], [])]


@both
def test_listeners_and_routes_wait_for_the_endpoints_of_new_clusters(variant: Variant) -> None:
    """Rule 13 (a): until the ACK of the cluster and the sending of its endpoints."""
    client = envoy(variant)
    client.unsubscribe(EDS, "b")
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b"}, lds={"l": "2"})
    assert types(client) == ["cds"]
    client.ack(CDS)
    assert types(client) == ["cds"]
    client.subscribe(EDS, "b")
    assert types(client) == ["cds", "eds", "lds", "rds"]


@both
def test_nothing_waits_for_the_endpoints_of_a_cluster_that_has_none(variant: Variant) -> None:
    """A cluster found by DNS: only the ACK counts."""
    client = envoy(variant)
    client.world.commit(cds={"dns": "1"}, rds={"r": "2:dns"})
    assert types(client) == ["cds"]
    client.ack(CDS)
    assert types(client) == ["cds", "rds"]


@both
def test_listeners_and_routes_wait_for_the_ack_of_new_clusters(variant: Variant) -> None:
    """Rule 13 (a): even if the endpoints went right behind."""
    client = envoy(variant)
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b"}, lds={"l": "2"})
    assert types(client) == ["cds", "eds"]
    client.ack(EDS)
    assert types(client) == ["cds", "eds"]
    client.ack(CDS)
    assert types(client) == ["cds", "eds", "lds", "rds"]


@both
def test_the_wait_for_endpoints_ends_some_time_after_the_ack(variant: Variant) -> None:
    """Rule 13 (a): for a client without a subscription to endpoints."""
    client = envoy(variant, without=EDS)
    session = client.session
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b"})
    client.world.pass_time(10 * WARMING_GRACE_SECONDS)
    assert session.deadline() is None
    client.ack(CDS)
    assert session.deadline() == client.world.now + WARMING_GRACE_SECONDS
    client.world.pass_time(WARMING_GRACE_SECONDS - 0.1)
    assert types(client) == ["cds"]
    client.world.pass_time(0.1)
    assert types(client) == ["cds", "rds"]
    assert session.deadline() is None


@both
def test_the_wait_for_endpoints_ends_with_a_nack_of_the_clusters(variant: Variant) -> None:
    """Rule 13 (a)."""
    client = envoy(variant)
    client.unsubscribe(EDS, "b")
    client.world.commit(cds={"b": "bad"}, eds={"b": "1"}, rds={"r": "2:b"})
    client.nack(CDS)
    assert types(client) == ["cds", "rds"]


@both
def test_routes_do_not_wait_without_a_subscription_to_clusters(variant: Variant) -> None:
    """Rule 13 (a)."""
    client = envoy(variant, without=CDS)
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b"})
    assert types(client) == ["eds", "rds"]


@both
def test_routes_do_not_wait_for_changed_clusters(variant: Variant) -> None:
    """Rule 13 (a): a changed cluster keeps serving while warming."""
    client = envoy(variant)
    client.world.commit(cds={"a": "2"}, rds={"r": "2:a"})
    assert types(client) == ["cds", "eds", "rds"]


@both
def test_a_first_request_is_served_while_updates_wait(variant: Variant) -> None:
    """Rule 13 (a): an answer to a new subscription never waits."""
    client = envoy(variant)
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b", "q": "1:b"})
    client.inbox.clear()
    client.subscribe(RDS, "q")
    assert told(client.inbox) == [("rds", ["q"], [])]


@both
def test_endpoints_never_wait(variant: Variant) -> None:
    """Rule 13 (d): whatever is pending besides."""
    client = envoy(variant)
    client.world.commit(cds={"b": "1"}, rds={"r": "2:b"})
    client.inbox.clear()
    client.world.commit(eds={"a": "2"})
    assert told(client.inbox) == [("eds", ["a"], [])]


@both
def test_removed_clusters_go_after_the_ack_of_routes_without_them(variant: Variant) -> None:
    """Rule 13 (b)."""
    client = envoy(variant)
    delta = variant is Variant.DELTA
    client.world.commit(cds={"b": "1", "a": None}, eds={"b": "1", "a": None}, rds={"r": "2:b"})
    assert told(client.inbox) == [("cds", ["b"] if delta else ["a", "b"], []), ("eds", ["b"], [])]
    client.ack(EDS)
    client.inbox.clear()
    client.ack(CDS)
    assert told(client.inbox) == [("rds", ["r"], [])]
    client.inbox.clear()
    client.ack(RDS)
    assert told(client.inbox) == ([("cds", [], ["a"])] if delta else [("cds", ["b"], [])])


@both
def test_removed_clusters_stay_while_a_route_update_is_rejected(variant: Variant) -> None:
    """Rule 13 (b): the proxy still routes to these clusters."""
    client = envoy(variant)
    client.world.commit(cds={"b": "1", "a": None}, eds={"b": "1"}, rds={"r": "bad:b"})
    client.ack(EDS)
    client.ack(CDS)
    client.inbox.clear()
    client.nack(RDS)
    client.world.commit(cds={"b": "2"})
    client.settle()
    assert "a" in client.held[CDS]
    client.world.commit(rds={"r": "3:b"})
    assert "a" in client.told[CDS]
    client.ack(RDS)
    assert "a" not in client.told[CDS]


@both
def test_removed_clusters_go_at_once_without_a_subscription_to_routes(variant: Variant) -> None:
    """Rule 13 (b)."""
    world = World(cds={"a": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.settle()
    world.commit(cds={"a": None})
    assert CDS in client.wire


def test_a_full_set_with_kept_clusters_has_a_version_of_its_own() -> None:
    """Rule 13 (b): two different sets must not have one version."""
    client = envoy(Variant.SOTW)
    client.world.commit(cds={"b": "1", "a": None}, eds={"b": "1"}, rds={"r": "2:b"})
    version = client.wire[CDS].version
    client.settle()
    assert version != client.inbox[-1].version == client.world.store.version(CDS)


def test_full_sets_with_different_kept_clusters_have_different_versions() -> None:
    """Rule 13 (b): an equal number of clusters is kept from one snapshot, but different clusters."""
    versions = []
    for kept in ("a", "b"):
        world = World(cds={kept: "1"}, lds={"l": "1"}, rds={"r": f"1:{kept}"})
        client = world.sotw()
        for type_, names in ((CDS, []), (LDS, []), (RDS, ["r"])):
            client.subscribe(type_, *names)
        client.settle()
        world.commit(cds={"c": "1", kept: None}, rds={"r": "2:c"})
        versions.append(client.wire[CDS].version)
    assert versions[0] != versions[1]


def test_a_kept_cluster_is_sent_on_request() -> None:
    """Rules 5 and 13 (b): the proxy requests a cluster again that its routes need."""
    client = envoy(Variant.DELTA)
    client.world.commit(cds={"a": None}, rds={"r": "bad:"})
    client.nack(RDS)
    assert told(client.subscribe(CDS, "a")) == [("cds", ["a"], []), ("eds", ["a"], [])]
    client.ack(CDS)
    client.world.commit(rds={"r": "2:"})
    assert told(client.ack(RDS)) == [("cds", [], ["a"])]


def test_endpoints_are_removed_after_their_cluster() -> None:
    """Rule 13 (c): by then Envoy has unsubscribed, and no removal is sent."""
    client = envoy(Variant.DELTA)
    client.world.commit(cds={"a": None}, eds={"a": None}, rds={"r": "2:"})
    assert told(client.inbox) == [("rds", ["r"], [])]
    client.ack(RDS)
    assert told(client.inbox[1:]) == [("cds", [], ["a"])]
    client.ack(CDS)
    assert told(client.inbox[2:]) == [("eds", [], ["a"])]
    other = envoy(Variant.DELTA)
    other.world.commit(cds={"a": None}, eds={"a": None}, rds={"r": "2:"})
    other.ack(RDS)
    other.unsubscribe(EDS, "a")
    other.settle()
    assert types(other) == ["rds", "cds"]


def test_routes_secrets_and_filter_configurations_are_removed_after_their_listener() -> None:
    """Rule 13 (c)."""
    client = envoy(Variant.DELTA)
    client.world.commit(lds={"l": None}, rds={"r": None}, ecds={"e": None}, sds={"s": None})
    assert told(client.inbox) == [("lds", [], ["l"])]
    client.ack(LDS)
    assert told(client.inbox[1:]) == [("sds", [], ["s"]), ("ecds", [], ["e"]), ("rds", [], ["r"])]


def test_secrets_are_removed_after_their_clusters() -> None:
    """Rule 13 (c): the proxy's clusters may name them."""
    client = envoy(Variant.DELTA)
    client.world.commit(rds={"r": None}, sds={"s": None}, cds={"a": None}, eds={"a": None})
    assert told(client.inbox) == [("rds", [], ["r"])]
    client.ack(RDS)
    assert told(client.inbox[1:]) == [("cds", [], ["a"])]
    client.ack(CDS)
    assert told(client.inbox[2:]) == [("eds", [], ["a"]), ("sds", [], ["s"])]


def test_updates_after_a_reconnect_go_in_order() -> None:
    """Rules 13 and 15: an outdated resumed resource is an update, not a new subscription."""
    old = envoy(Variant.DELTA)
    world = old.world
    world.clients.clear()
    world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b", "q": "1:b"})
    new = world.delta()
    for type_, names in ((CDS, []), (EDS, ["a"]), (LDS, []), (RDS, ["r", "q"])):
        new.subscribe(type_, *names, known=old.versions(type_))
    assert told(new.inbox) == [("cds", ["b"], []), ("rds", ["q"], [])]
    new.ack(RDS)
    new.ack(CDS)
    assert told(new.subscribe(EDS, "b")) == [("eds", ["b"], []), ("rds", ["r"], [])]


@both
def test_routes_do_not_wait_for_a_new_cluster_that_is_removed_again(variant: Variant) -> None:
    """Rule 13: clusters and routes don't wait for each other for ever."""
    client = envoy(variant)
    client.unsubscribe(EDS, "b")
    client.world.commit(cds={"b": "1"}, eds={"b": "1"}, rds={"r": "2:b"})
    client.world.commit(cds={"b": None}, eds={"b": None}, rds={"r": "3:a"})
    client.settle()
    assert client.held[RDS]["r"].body == b"3:a"
    assert set(client.held[CDS]) == {"a"}


def test_a_resumed_proxy_keeps_clusters_of_its_present_routes() -> None:
    """Rules 13 and 15: during the disconnect the route moved to another cluster, and the old cluster was removed."""
    old = envoy(Variant.DELTA)
    world = old.world
    world.clients.clear()
    world.commit(cds={"a": None, "b": "1"}, eds={"a": None, "b": "1"}, rds={"r": "2:b"})
    new = world.delta()
    for type_, names in ((CDS, []), (EDS, ["a"]), (LDS, []), (RDS, ["r"]), (VHDS, [])):
        new.subscribe(type_, *names, known=old.versions(type_))
    assert told(new.inbox) == [("cds", ["b"], []), ("vhds", [], ["r/_"])]
    new.ack(CDS)
    new.ack(VHDS)
    new.subscribe(EDS, "b")
    new.ack(EDS)
    assert types(new)[-2:] == ["rds", "vhds"]
    new.ack(RDS)
    new.ack(VHDS)
    assert told(new.inbox[-1:]) == [("cds", [], ["a"])]


@both
def test_removed_clusters_go_although_routes_keep_changing(variant: Variant) -> None:
    """Rule 13 (b): the removal waits for the ACK of the route's change, and not for newer changes."""
    client = envoy(variant)
    names = [f"c{number}" for number in range(50)]
    client.world.commit(
        cds=dict.fromkeys(names, "1") | {"a": None}, eds=dict.fromkeys(names, "1"), rds={"r": "2:" + ",".join(names)}
    )
    client.settle()
    client.world.commit(rds={"r": "3:" + ",".join(names)})
    for number in range(1, 50):
        client.world.commit(cds={names[number - 1]: None}, rds={"r": f"{number}:" + ",".join(names[number:])})
        answer(client)
        assert len(client.told[CDS]) <= 50 - number + 3
        assert RDS in client.wire


@both
def test_routes_and_removed_clusters_do_not_wait_while_clusters_keep_changing(variant: Variant) -> None:
    """Rule 13 (a) and (b): every change makes a new cluster before the ACK of the last."""
    client = envoy(variant)
    client.unsubscribe(EDS, "a", "b")
    before = "a"
    for number in range(100):
        now = f"c{number}"
        client.world.commit(cds={now: "1", before: None}, rds={"r": f"{number}:{now}"})
        client.world.pass_time(0.5)
        answer(client)
        before = now
        assert len(client.told[CDS]) < 20
    assert len([kind for kind in types(client) if kind == "rds"]) > 5


@both
def test_the_cluster_wait_limit_begins_with_the_ack_of_the_first_clusters(variant: Variant) -> None:
    """Rule 13 (a): routes wait for a slow proxy."""
    client = envoy(variant, without=EDS)
    client.world.commit(cds={"b": "1"}, rds={"r": "2:b"})
    client.world.pass_time(2 * CLUSTER_WAIT_LIMIT_SECONDS)
    client.world.commit(cds={"c": "1"}, rds={"r": "3:c"})
    client.ack(CDS)
    client.world.pass_time(CLUSTER_WAIT_LIMIT_SECONDS / 2)
    assert types(client) == ["cds", "cds"]
    assert client.session.deadline() == client.world.now + CLUSTER_WAIT_LIMIT_SECONDS / 2
    client.world.pass_time(CLUSTER_WAIT_LIMIT_SECONDS / 2)
    assert types(client) == ["cds", "cds", "rds"]
    assert client.session.deadline() is None


def test_routes_resubscribed_while_in_flight_keep_their_clusters() -> None:
    """Rule 13 (b): the proxy may apply the old routes in flight before the new ones."""
    client = envoy(Variant.DELTA)
    client.world.commit(rds={"r": "2:a"})
    client.unsubscribe(RDS, "r")
    client.world.commit(cds={"b": "1", "a": None}, eds={"b": "1"}, rds={"r": "3:b"})
    client.subscribe(RDS, "r")
    client.ack(EDS)
    client.ack(CDS)
    client.ack(RDS)
    assert client.held[RDS]["r"].body == b"2:a"
    assert "a" in client.told[CDS]
    client.settle()
    assert set(client.held[CDS]) == {"b"}


def test_a_resumed_proxy_without_route_versions_keeps_clusters() -> None:
    """Rules 13 and 15: the proxy resumes with clusters, and has routes without stating versions."""
    old = envoy(Variant.DELTA)
    world = old.world
    world.clients.clear()
    world.commit(cds={"b": "1", "a": None}, rds={"r": "2:b"})
    new = world.delta()
    new.subscribe(CDS, known=old.versions(CDS))
    new.subscribe(LDS, known=old.versions(LDS))
    new.subscribe(RDS, "r")
    new.subscribe(VHDS)
    new.ack(CDS)
    assert "a" in new.told[CDS]
    new.settle()
    assert set(new.held[CDS]) == {"b"}


@both
def test_removed_secrets_and_routes_go_although_listeners_keep_changing(variant: Variant) -> None:
    """Rule 13 (c)."""
    client = envoy(variant)
    client.world.commit(lds={"l": "2"})
    for number in range(20):
        client.world.commit(lds={"l": f"{number + 3}"}, **({"sds": {"s": None}} if not number else {}))
        answer(client)
        assert LDS in client.wire
    if variant is Variant.DELTA:
        assert "s" not in client.held[SDS]


def answer(client: Client) -> None:
    """Acknowledge the responses in flight, without their successors."""
    for type_ in list(client.wire):
        client.ack(type_)
