"""The session from the server's side: errors, events, status, objects shared between streams, and costs.

Excludes the content and order of responses (test_rules, test_ordering).
"""

import gc
import sys
import tracemalloc
import weakref

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, NODE, RDS, World, inline, told
from xds.protocol import subscription as subscription_module
from xds.protocol.backlog import VANISHED_LIMIT
from xds.protocol.fleet import Fleet
from xds.protocol.messages import (
    Acknowledged,
    DeltaRequest,
    ErrorCode,
    Node,
    ProtocolError,
    Rejection,
    Response,
    SotwRequest,
    Unserved,
    Variant,
)
from xds.protocol.rejection.nack import MESSAGE_LIMIT
from xds.protocol.session import UNSERVED_LIMIT, Session
from xds.protocol.status import VersionStamp
from xds.protocol.subscription import Subscription
from xds.snapshot.store import Store

both = pytest.mark.parametrize("variant", list(Variant))


def test_a_stream_without_a_node_ends() -> None:
    session = World().delta().session
    with pytest.raises(ProtocolError, match="must have a node") as caught:
        session.receive(DeltaRequest(CDS), 0)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_stream_ends_before_the_first_snapshot() -> None:
    session = Session(Fleet(Store(), inline, vhds=True), Variant.DELTA, now=0)
    with pytest.raises(ProtocolError, match="no snapshot yet") as caught:
        session.receive(DeltaRequest(CDS, node=NODE), 0)
    assert caught.value.code is ErrorCode.UNAVAILABLE


@both
def test_names_beyond_the_limit_end_the_stream(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "NAMES_LIMIT", 3)
    client = World().client(variant)
    client.subscribe(EDS, "a", "b", "c")
    with pytest.raises(ProtocolError, match="more than 3 names") as caught:
        client.subscribe(EDS, "d")
    assert caught.value.code is ErrorCode.RESOURCE_EXHAUSTED


@both
def test_an_unserved_type_is_noted_and_gets_no_response(variant: Variant) -> None:
    client = World(cds={"a": "1"}).client(variant)
    kind = DeltaRequest if variant is Variant.DELTA else SotwRequest
    session = client.session
    assert session.receive(kind("type.googleapis.com/x.Runtime", node=NODE), 0) == [
        Unserved("type.googleapis.com/x.Runtime")
    ]
    assert session.receive(kind("type.googleapis.com/x.Runtime"), 0) == []
    assert session.take_responses(0) == []
    assert client.subscribe(CDS)
    for number in range(2 * UNSERVED_LIMIT):
        session.receive(kind(f"type.googleapis.com/{number}"), 0)
    assert len(session.status().unserved) == UNSERVED_LIMIT


@both
def test_requests_return_events(variant: Variant) -> None:
    client = World(eds={"a": "1"}).client(variant)
    response = client.subscribe(EDS, "a")[0]
    assert client.events == []
    assert client.session.subscription(EDS) == Subscription(frozenset("a"))
    client.ack(EDS)
    assert client.events == [Acknowledged(EDS, response)]
    client.subscribe(EDS, "a")
    assert client.events == []
    client.unsubscribe(EDS, "a")
    assert client.session.subscription(EDS) == Subscription()


@both
def test_a_repeated_ack_counts_once(variant: Variant) -> None:
    client = World(eds={"a": "1"}).client(variant)
    response = client.subscribe(EDS, "a")[0]
    client.ack(EDS)
    kind = DeltaRequest(EDS, nonce=response.nonce, error="late")
    other = SotwRequest(EDS, frozenset("a"), nonce=response.nonce, error="late")
    assert client.session.receive(kind if variant is Variant.DELTA else other, 0) == []
    assert client.session.status().types[0].last_rejection is None


@both
def test_the_status_has_versions_and_messages_with_times(variant: Variant) -> None:
    world = World(cds={"a": "1"})
    client = world.client(variant)
    assert client.session.status().node is None
    first = client.subscribe(CDS)[0]
    world.pass_time(1)
    client.ack(CDS)
    world.commit(cds={"a": "2"})
    second = client.wire[CDS]
    world.pass_time(1)
    client.nack(CDS, "x" * 2 * MESSAGE_LIMIT)
    status = client.session.status()
    assert (status.variant, status.node, status.since) == (variant, NODE, 100.0)
    (cds,) = status.types
    assert (cds.type, cds.subscribed, cds.wildcard) == (CDS, 0, True)
    assert cds.sent == VersionStamp(second.version, 101.0)
    assert cds.acknowledged == VersionStamp(first.version, 101.0)
    rejected = (("a", second.resources[0].version),)
    assert cds.last_rejection == Rejection(second.version, 102.0, "x" * MESSAGE_LIMIT, rejected, rejected)
    assert (cds.rejected_count, cds.in_flight, cds.pending) == (1, False, 0)


@both
def test_oldest_unanswered_revision(variant: Variant) -> None:
    world = World(eds={"a": "1", "b": "1"})
    client = world.client(variant)
    client.subscribe(EDS, "a", "b")
    assert client.session.oldest_unanswered is None  # a response to a request holds no unanswered revision
    client.ack(EDS)
    world.commit(eds={"a": "2"})
    world.commit(eds={"b": "2"})
    world.commit(eds={"b": "3"})
    assert client.session.oldest_unanswered == 2
    client.ack(EDS)
    assert client.session.oldest_unanswered == 3
    assert client.wire[EDS].revision == 4
    client.ack(EDS)
    assert client.session.oldest_unanswered is None


def test_a_session_ignores_changes_without_a_subscription() -> None:
    world = World(eds={"a": "1"})
    client = world.delta()
    client.subscribe(EDS, "a")
    client.subscribe(CDS)
    for commit, concerned in (({"eds": {"a": "2"}}, True), ({"eds": {"b": "1"}}, False), ({"cds": {"c": "1"}}, True)):
        revision = world.commit(**commit)
        assert revision is not None
        assert client.session.oldest_unanswered == (revision.number if concerned else None)
        client.settle()
    assert client.session.subscription(RDS) is None


@both
def test_streams_with_equal_content_share_a_response(variant: Variant) -> None:
    """Encoded once for the fleet: streams share nonce, names and resources, whatever a stream got before."""
    world = World(cds={"a": "1", "b": "1"}, eds={"a": "1", "b": "1"})
    one, two = world.client(variant), world.client(variant)
    one.subscribe(RDS, "r")
    for client in (one, two):
        client.subscribe(CDS)
        client.settle()
    one.subscribe(EDS, "b")
    one.settle()
    for client in (one, two):
        client.subscribe(EDS, "a")
        client.settle()
    world.commit(eds={"a": "2"}, rds={"r": "1:a"})
    one.settle()
    two.settle()
    world.commit(cds={"b": "2"}, rds={"r": "2:a"})
    for type_ in (CDS, EDS):
        both_got = [[r for r in client.inbox if r.type is type_ and "a" in told([r])[0][1]] for client in (one, two)]
        assert both_got[0] == both_got[1]  # responses compare by identity
        assert weakref.ref(both_got[0][0])() is both_got[0][0]


def test_responses_and_names_go_with_their_last_stream() -> None:
    """After a change of the snapshot, neither names nor responses outlive the last stream that has them in flight."""
    world = World(cds={"a": "1"})
    client = world.delta()
    response = weakref.ref(client.subscribe(EDS, *(f"name {number}" for number in range(100)))[0])
    asked = client.session.subscription(EDS)
    assert asked is not None
    names = weakref.ref(asked.names)
    world.clients.clear()
    world.build.leave(client.session, world.now)
    del client, asked
    world.commit(cds={"a": "2"})
    world.delta().subscribe(CDS)
    gc.collect()
    assert response() is None
    assert names() is None


@both
def test_a_burst_of_streams_shares_a_response(variant: Variant) -> None:
    """No stream has answered yet when the next stream begins."""
    world = World(cds={"a": "1"}, eds={"a": "1"})
    clients = [world.client(variant) for _ in range(100)]
    for type_, wanted in ((CDS, []), (EDS, ["a"])):
        assert len({id(client.subscribe(type_, *wanted)[0]) for client in clients}) == 1


def test_initial_versions_beyond_the_limit_end_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "NAMES_LIMIT", 3)
    session = World().delta().session
    with pytest.raises(ProtocolError, match="more than 3 names"):
        session.receive(DeltaRequest(CDS, initial_resource_versions=dict.fromkeys("abcd", "1"), node=NODE), 0)


def test_unsubscribed_names_beyond_the_limit_end_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a wildcard every unsubscribed name is due, and waits for the answer to a response."""
    monkeypatch.setattr(subscription_module, "NAMES_LIMIT", 5)
    client = World(cds={"a": "1"}).delta()
    client.subscribe(CDS, "*")
    for number in range(5):
        client.subscribe(CDS, f"name {number}")
        client.unsubscribe(CDS, f"name {number}")
    with pytest.raises(ProtocolError, match="more than 5 names"):
        client.subscribe(CDS, "one more")


def test_vanished_resources_are_remembered_up_to_a_limit() -> None:
    """State of the world has no word for such a removal, and under a wildcard names come and go without end."""
    world = World()
    client = world.sotw()
    client.subscribe(EDS, "*")
    for number in range(VANISHED_LIMIT + 10):
        world.commit(eds={f"name {number}": "1"})
        client.settle()
        world.commit(eds={f"name {number}": None})
    vanished = client.session._type_streams[EDS].backlog.vanished
    assert len(vanished) == VANISHED_LIMIT
    assert not any(base.body for base in vanished.values())


def test_variants_share_no_response() -> None:
    world = World(eds={"a": "1"})
    assert world.delta().subscribe(EDS, "a")[0] is not world.sotw().subscribe(EDS, "a")[0]


def test_a_repeated_response_gets_a_new_nonce() -> None:
    client = World(eds={"a": "1"}).delta()
    first = client.subscribe(EDS, "a")[0]
    client.ack(EDS)
    second = client.subscribe(EDS, "a")[0]
    assert (first.resources, first.nonce != second.nonce) == (second.resources, True)


@both
def test_the_cost_of_a_change_does_not_depend_on_subscriptions(variant: Variant) -> None:
    """Counted in function calls, independent of the machine: ten times the clusters, the same calls."""
    assert calls_of_a_change(variant, 30) == calls_of_a_change(variant, 300)


def calls_of_a_change(variant: Variant, size: int) -> int:
    names = [f"c{number}" for number in range(size)]
    world = World(cds=dict.fromkeys(names, "1"), eds=dict.fromkeys(names, "1"))
    client = world.client(variant)
    client.subscribe(CDS)
    client.subscribe(EDS, *names)
    client.settle()
    world.clients.clear()
    revision = world.commit(eds={"c7": "2"})
    assert revision is not None
    count = 0

    def count_call(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # callbacks of other objects would be counted
    sys.setprofile(count_call)
    try:
        client.session.update(revision)
        responses = client.session.take_responses(0)
    finally:
        sys.setprofile(None)
        gc.enable()
    assert [len(response.resources) for response in responses] == [1]
    return count


def test_an_idle_stream_holds_little_memory() -> None:
    """A thousand streams with a thousand names each hold shared objects once."""
    names = [f"cluster-with-a-name-of-some-length-{number}" for number in range(1000)]
    world = World(cds=dict.fromkeys(names, "1"), eds=dict.fromkeys(names, "1"), lds={"l": "1"}, rds={"r": "1"})
    connect(world, names)
    tracemalloc.start()
    try:
        sessions = [connect(world, names) for _ in range(50)]
        each = tracemalloc.get_traced_memory()[0] / len(sessions)
    finally:
        tracemalloc.stop()
    assert each < 8_000


def connect(world: World, names: list[str]) -> Session:
    session = Session(world.fleet, Variant.DELTA, now=0)

    def ask(request: DeltaRequest) -> list[Response]:
        session.receive(request, 0)
        return session.take_responses(0)

    node = Node("envoy")
    for type_, wanted in ((CDS, []), (EDS, names), (LDS, []), (RDS, ["r"])):
        for response in ask(DeltaRequest(type_, frozenset(wanted), node=node)):
            ask(DeltaRequest(type_, nonce=response.nonce))
    return session
