"""Listeners that a proxy can't bind: judged line by line, rejected by that proxy alone, and sent again to it.

Covers sessions without a wire, with a busy port beside bad and good listeners, and the report. Excludes real Envoys
(tests/e2e/test_port_in_use.py) and random fleets (test_trial).
"""

from collections.abc import Iterable

import pytest

from tests.support.xds_client_model import CDS, LDS, Client, World
from xds.protocol.messages import Rejected, Variant
from xds.protocol.rejection.bind_retries import BIND_RETRY_SECONDS
from xds.protocol.rejection.nack import TRUNCATED, blamed_names, listener_reasons, unbound_names
from xds.protocol.rejection.reports import RECOUNT_SECONDS, RejectionReports
from xds.protocol.status import DeliveryState

both = pytest.mark.parametrize("variant", list(Variant))

IN_USE = "cannot bind '0.0.0.0:9000': Address already in use"


def nack(client: Client, reasons: dict[str, str], *, cut: bool = False) -> None:
    """Reject some listeners of the response as Envoy does, and take the others; none if the message is cut."""
    text = "Error adding/updating listener(s) " + "".join(f"{name}: {reason}\n" for name, reason in reasons.items())
    response = client.wire.pop(LDS)
    news = client.news.pop(LDS)
    rejected = news if cut else set(reasons)
    client._apply(response, news - rejected, without=rejected)
    client.refused[LDS] |= {item.name: item.version for item in response.resources if item.name in rejected}
    client.again[LDS] |= rejected
    client._answer(response, text + (TRUNCATED if cut else ""))


def follower(world: World, variant: Variant, *, busy: Iterable[str] = ()) -> Client:
    client = world.client(variant)
    client.subscribe(LDS)
    if busy:
        nack(client, dict.fromkeys(busy, IN_USE))
    client.settle()
    return client


def held(client: Client) -> dict[str, str]:
    return {name: item.body.decode() for name, item in client.held[LDS].items()}


def sent(client: Client, start: int) -> list[set[str]]:
    return [{item.name for item in response.resources} for response in client.inbox[start:]]


def test_each_line_of_a_message_is_the_reason_of_one_listener() -> None:
    message = (
        f"Error adding/updating listener(s) tcp/1: {IN_USE}\nbad: no filter chains\nspecified: none\ntcp/2: {IN_USE}\n"
    )
    names = {"tcp/1", "tcp/2", "bad", "good"}
    assert blamed_names(LDS, message, names) == {"tcp/1", "tcp/2", "bad"}
    assert listener_reasons(message, names)["bad"] == "no filter chains\nspecified: none"
    assert unbound_names(message, {"tcp/1", "tcp/2", "bad"}) == {"tcp/1": IN_USE, "tcp/2": IN_USE}


def test_a_name_with_colons_has_its_reason() -> None:
    message = f"Error adding/updating listener(s) tcp/[fd00::7]:9000: {IN_USE}"
    assert unbound_names(message, {"tcp/[fd00::7]:9000"}) == {"tcp/[fd00::7]:9000": IN_USE}
    assert blamed_names(LDS, message, {"tcp/[fd00::7]:9000", "tcp/9000"}) == {"tcp/[fd00::7]:9000"}


def test_a_reason_that_only_quotes_cannot_bind_is_no_port_in_use() -> None:
    assert not unbound_names("Error adding/updating listener(s) a: bad name 'cannot bind'", {"a"})


@pytest.mark.parametrize("end", range(1, len("cannot bind")))
def test_a_reason_cut_too_early_blames_no_listener(end: int) -> None:
    message = f"Error adding/updating listener(s) a: no\nb: {IN_USE[:end]}{TRUNCATED}"
    assert blamed_names(LDS, message, {"a", "b"}) == {"a"}


@both
def test_a_listener_on_a_busy_port_comes_again_each_minute_until_it_is_bound(variant: Variant) -> None:
    world = World(lds={"a": "1", "b": "1"})
    client = follower(world, variant, busy=["b"])
    start = len(client.inbox)
    assert held(client) == {"a": "1"}
    assert client.session.status().types[0].rejected_names == ("b",)
    for attempts in range(1, 4):
        world.pass_time(BIND_RETRY_SECONDS)
        nack(client, {"b": IN_USE})
        assert len(client.inbox) - start == attempts
        assert client.session.status().types[0].rejected_names == ("b",)
    world.pass_time(BIND_RETRY_SECONDS - 1)
    assert len(client.inbox) - start == 3
    world.pass_time(1)
    client.settle()
    assert held(client) == {"a": "1", "b": "1"}
    assert sent(client, start) == [{"a", "b"} if variant is Variant.SOTW else {"b"}] * 4
    assert not client.session.status().types[0].rejected_count
    assert client.session.deadline() is None
    world.pass_time(BIND_RETRY_SECONDS)
    assert not client.session.is_active


@both
def test_an_attempt_that_fails_again_is_no_news(variant: Variant) -> None:
    world = World(lds={"a": "1", "b": "1"})
    client = follower(world, variant, busy=["b"])
    first = client.session.status().types[0].last_rejection
    for reason, is_repeated in ((IN_USE, True), ("cannot bind '0.0.0.0:9000': Permission denied", False)):
        world.pass_time(BIND_RETRY_SECONDS)
        nack(client, {"b": reason})
        (event,) = client.events
        assert isinstance(event, Rejected)
        assert event.rejection.is_repeated is is_repeated
        assert (client.session.status().types[0].last_rejection == first) is is_repeated
    (found,) = client.session.out_of_sync([world.store.resources(LDS)["b"]])
    assert found.state is DeliveryState.REJECTED
    assert found.message == "cannot bind '0.0.0.0:9000': Permission denied"


@both
def test_a_bad_listener_beside_a_busy_port_is_blamed_and_the_busy_one_is_not(variant: Variant) -> None:
    world = World(lds={"a": "1", "bad": "1", "busy": "1"})
    one = world.client(variant)
    one.subscribe(LDS)
    nack(one, {"busy": IN_USE, "bad": "no filter chains specified"})
    one.settle()
    assert world.last_good.names_on_trial(LDS) == {"bad"}
    two = world.client(variant)
    two.subscribe(LDS)
    two.settle()
    assert held(two) == {"a": "1", "busy": "1"}
    start = len(one.inbox)
    world.pass_time(BIND_RETRY_SECONDS)
    one.settle()
    assert held(one) == {"a": "1", "busy": "1"}
    assert "bad" not in set().union(*sent(one, start))


@both
def test_other_listeners_change_while_a_port_is_busy(variant: Variant) -> None:
    world = World(lds={"a": "1", "b": "1"})
    client = follower(world, variant, busy=["b"])
    world.commit(lds={"a": "2", "c": "1"})
    client.settle()
    assert held(client) == {"a": "2", "c": "1"}
    world.commit(lds={"a": None})
    world.pass_time(BIND_RETRY_SECONDS)
    client.settle()
    assert held(client) == {"b": "1", "c": "1"}


def test_the_last_rejection_names_busy_ports_of_earlier_ones() -> None:
    world = World(lds={"busy": "1"})
    client = follower(world, Variant.DELTA, busy=["busy"])
    world.commit(lds={"bad": "1"})
    nack(client, {"bad": "no filter chains specified"})
    last = client.session.status().types[0].last_rejection
    assert last
    assert last.message.splitlines()[-1] == f"busy: {IN_USE}"
    assert "bad: no filter chains specified" in last.message
    world.commit(lds={"bad": None})
    client.settle()
    last = client.session.status().types[0].last_rejection
    assert last
    assert last.message == f"busy: {IN_USE}"


@both
def test_a_changed_listener_is_sent_at_once_and_its_attempts_end(variant: Variant) -> None:
    world = World(lds={"a": "1", "b": "1"})
    client = follower(world, variant, busy=["b"])
    world.commit(lds={"b": "2"})
    client.settle()
    assert held(client) == {"a": "1", "b": "2"}
    assert client.session.deadline() is None


@both
def test_a_removed_listener_is_not_sent_again(variant: Variant) -> None:
    world = World(lds={"a": "1", "b": "1"})
    client = follower(world, variant, busy=["b"])
    world.commit(lds={"b": None})
    client.settle()
    start = len(client.inbox)
    world.pass_time(3 * BIND_RETRY_SECONDS)
    assert client.inbox[start:] == []
    assert not client.session.status().types[0].rejected_count


@both
def test_busy_ports_are_tried_together(variant: Variant) -> None:
    names = [f"tcp/{number}" for number in range(9000, 9020)]
    world = World(lds=dict.fromkeys(names[:10], "1"))
    client = follower(world, variant, busy=names[:10])
    world.pass_time(20)
    world.commit(lds=dict.fromkeys(names[10:], "1"))
    nack(client, dict.fromkeys(names[10:], IN_USE))
    start = len(client.inbox)
    world.pass_time(BIND_RETRY_SECONDS - 10)
    assert sent(client, start) == [set(names)]
    client.settle()
    assert held(client) == dict.fromkeys(names, "1")


@both
def test_names_beyond_a_cut_message_are_found_and_tried_too(variant: Variant) -> None:
    names = [f"tcp/{number}" for number in range(9000, 9008)]
    world = World(lds=dict.fromkeys(names, "1"))
    client = world.client(variant)
    client.subscribe(LDS)
    while client.wire:
        on_wire = [item.name for item in client.wire[LDS].resources]
        nack(client, dict.fromkeys(on_wire[:2], IN_USE), cut=len(on_wire) > 2)
    assert client.session.status().types[0].rejected_count == len(names)
    assert not world.last_good.is_any_on_trial
    world.pass_time(BIND_RETRY_SECONDS)
    client.settle()
    assert held(client) == dict.fromkeys(names, "1")


@both
def test_clusters_are_removed_while_a_port_is_busy(variant: Variant) -> None:
    """A proxy without the listener names none of its clusters."""
    world = World(cds={"a": "1", "b": "1"}, lds={"l": "1"})
    client = world.client(variant)
    client.subscribe(CDS)
    client.ack(CDS)
    client.subscribe(LDS)
    nack(client, {"l": IN_USE})
    world.commit(cds={"a": None})
    client.settle()
    assert client.versions(CDS).keys() == {"b"}
    assert client.session.oldest_unanswered is None


@both
def test_a_listener_that_is_served_again_after_a_trial_is_tried_again(variant: Variant) -> None:
    """The port of the last good version is busy at one proxy."""
    world = World(lds={"a": "1"})
    good = follower(world, variant)
    busy = follower(world, variant, busy=["a"])
    world.commit(lds={"a": "2"})
    nack(busy, {"a": IN_USE})
    nack(good, {"a": "no filter chains specified"})
    assert world.served.resources(LDS)["a"].body == b"1"
    nack(busy, {"a": IN_USE})
    good.settle()
    assert held(good) == {"a": "1"}
    start = len(busy.inbox)
    world.pass_time(BIND_RETRY_SECONDS)
    busy.settle()
    assert held(busy) == {"a": "1"}
    assert len(busy.inbox) == start + 1
    world.commit(lds={"a": "3"})
    for client in (good, busy):
        client.settle()
        assert held(client) == {"a": "3"}


def test_a_stream_that_is_silent_is_not_sent_a_listener_twice() -> None:
    world = World(lds={"a": "1"})
    client = follower(world, Variant.DELTA, busy=["a"])
    world.pass_time(BIND_RETRY_SECONDS)
    start = len(client.inbox)
    world.pass_time(10 * BIND_RETRY_SECONDS)
    assert client.inbox[start:] == []
    deadline = client.session.deadline()
    assert deadline is not None
    assert deadline > world.now


def reports_of(world: World) -> RejectionReports:
    reports = RejectionReports(world.store, world.fleet)
    for client in world.clients:
        for event in client.events:
            if isinstance(event, Rejected):
                reports.add(event, client.session)
    return reports


@both
def test_the_report_counts_the_proxies_that_cannot_bind(variant: Variant) -> None:
    world = World(lds={"a": "1", "tcp/9000": "1"})
    for number in range(5):
        client = world.client(variant)
        client.subscribe(LDS)
        if number < 2:
            nack(client, {"tcp/9000": IN_USE})
    reports = reports_of(world)
    sessions = [client.session for client in world.clients]
    (report,) = reports.current(sessions, world.now)
    assert report.message == IN_USE
    assert report.effect.format("Listener tcp/9000").startswith("Listener tcp/9000 cannot bind on 2 of 5 proxies")
    world.pass_time(BIND_RETRY_SECONDS)
    world.clients[0].settle()
    nack(world.clients[1], {"tcp/9000": IN_USE})
    (recounted,) = reports.current(sessions, world.now + RECOUNT_SECONDS)
    assert (recounted.proxies, recounted.of_proxies) == (1, 5)
    assert reports.current(sessions[:2], world.now + RECOUNT_SECONDS + 1) == [recounted]
    world.pass_time(BIND_RETRY_SECONDS)
    world.clients[1].settle()
    assert reports.current(sessions, world.now) == []


def test_a_listener_that_another_proxy_calls_bad_is_reported_so() -> None:
    world = World(lds={"tcp/9000": "1"})
    for reason in (IN_USE, "no filter chains specified"):
        client = world.client()
        client.subscribe(LDS)
        nack(client, {"tcp/9000": reason})
    (report,) = reports_of(world).current([client.session for client in world.clients], world.now)
    assert (report.message, report.of_proxies) == ("no filter chains specified", 0)
    assert report.on_trial


def test_a_busy_port_is_reported_so_when_the_proxy_that_calls_it_bad_has_left() -> None:
    world = World(lds={"tcp/9000": "1"})
    good = world.client()
    good.subscribe(LDS)
    for reason in ("no filter chains specified", IN_USE):
        client = world.client()
        client.subscribe(LDS)
        if client.wire:
            nack(client, {"tcp/9000": reason})
        if client is world.clients[1]:
            good.ack(LDS)
    reports = reports_of(world)
    sessions = [client.session for client in world.clients]
    (report,) = reports.current(sessions, world.now)
    assert (report.message, report.of_proxies) == ("no filter chains specified", 0)
    world.build.leave(sessions[1], world.now)
    (report,) = reports.current([sessions[0], sessions[2]], world.now)
    assert (report.message, report.of_proxies) == (IN_USE, 2)


def test_a_busy_port_that_other_proxies_have_bound_is_reported_beside_a_bad_listener() -> None:
    world = World(lds={"tcp/9000": "1"})
    follower(world, Variant.DELTA)
    client = world.client()
    client.subscribe(LDS)
    world.commit(lds={"bad": "1"})
    nack(client, {"tcp/9000": IN_USE})
    nack(client, {"bad": "no"})
    start = reports_of(world)
    assert {report.resource.name for report in start.current([client.session], world.now)} == {"bad"}
    both_bad = world.client()
    both_bad.subscribe(LDS)
    nack(both_bad, {"tcp/9000": IN_USE})
    found = reports_of(world).current([each.session for each in world.clients], world.now)
    assert {report.resource.name: bool(report.of_proxies) for report in found} == {"bad": False, "tcp/9000": True}
