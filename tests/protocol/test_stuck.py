"""Proxies that are connected and get nowhere: how that is seen, and when a new stream is worth a try.

Excludes what is done about it (tests/features/test_watchdog).
"""

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, World
from xds.protocol import stuck as stuck_module
from xds.protocol.messages import Node
from xds.protocol.status import StreamHealth
from xds.protocol.stuck import FLAPS, PATIENCE, SHORT, WINDOW, Reason, StreamHistory, Stuck
from xds.snapshot.resource import ResourceType

LATER = 2 * PATIENCE


def pulse(world: World, *types: ResourceType, node: Node | None = None) -> StreamHealth:
    """Of an Envoy that asked for these and answered."""
    client = world.delta()
    client.node = node or client.node
    for type_ in types:
        client.subscribe(type_)
    client.settle()
    return client.session.pulse()


def test_an_envoy_that_never_asks_for_clusters_or_listeners() -> None:
    """After a NACK and a reconnect it may not: https://github.com/envoyproxy/envoy/issues/34334"""
    world = World(cds={"a": "1"}, lds={"l": "1"})
    attendance, start = StreamHistory(), world.now
    lacks = pulse(world, LDS)
    assert attendance.stuck(lacks, start + PATIENCE) == ()
    assert attendance.stuck(lacks, start + LATER) == (Stuck(Reason.NOT_ASKED, CDS, start),)
    assert attendance.stuck(pulse(world, CDS, LDS), start + LATER) == ()


def test_other_clients_may_want_less() -> None:
    world = World(cds={"a": "1"})
    assert StreamHistory().stuck(pulse(world, CDS, node=Node("tool", user_agent="grpcurl")), world.now + LATER) == ()


def test_a_proxy_that_does_not_answer() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    client, attendance = world.delta(), StreamHistory()
    client.subscribe(LDS)
    client.ack(LDS)
    world.pass_time(1)
    client.subscribe(CDS)
    sent = world.now
    assert attendance.stuck(client.session.pulse(), sent + PATIENCE) == ()
    assert attendance.stuck(client.session.pulse(), sent + LATER) == (Stuck(Reason.SILENT, CDS, sent),)
    client.ack(CDS)
    assert attendance.stuck(client.session.pulse(), sent + LATER) == ()


def test_streams_that_end_soon_and_come_again() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    attendance, good = StreamHistory(), pulse(world, CDS, LDS)
    now = world.now
    assert good.node
    for number in range(FLAPS - 1):
        attendance.ended(good.node.id, now, now + number)
    attendance.ended(good.node.id, now, now + SHORT)  # that one was no short one
    assert attendance.stuck(good, now + SHORT) == ()
    attendance.ended(good.node.id, now + SHORT, now + SHORT + 1)
    assert attendance.stuck(good, now + SHORT + 1) == (Stuck(Reason.FLAPPING, None, now),)
    assert attendance.stuck(good, now + WINDOW + SHORT) == ()
    assert not attendance.may_be_cured(good, attendance.stuck(good, now + SHORT + 1), now), "a new stream is no cure"


def test_a_new_stream_is_tried_once_until_one_does_well() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    attendance, lacks, good = StreamHistory(), pulse(world, LDS), pulse(world, CDS, LDS)
    now = world.now + LATER
    found = attendance.stuck(lacks, now)
    assert attendance.may_be_cured(lacks, found, now)
    assert not attendance.may_be_cured(lacks, found, now)
    assert not attendance.may_be_cured(good, (), world.now)
    assert not attendance.may_be_cured(lacks, found, now), "it is too early to say that it does well"
    assert not attendance.may_be_cured(good, (), now + LATER)
    assert attendance.may_be_cured(lacks, found, now)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck_module, "NODES_LIMIT", 3)
    attendance = StreamHistory()
    for number in range(10):
        attendance.ended(f"node-{number}", 0, 1)
        lost = StreamHealth(Node(f"node-{number}"), 0, (), ())
        attendance.may_be_cured(lost, (Stuck(Reason.SILENT, EDS, 0),), 0)
    assert len(attendance._ended) == len(attendance._cured) == 3
