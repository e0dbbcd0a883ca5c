"""Stuck proxies: their detection, and when to restart a stream.

Excludes the restart (tests/features/test_watchdog).
"""

import pytest

from tests.support.xds_client_model import CDS, EDS, LDS, World
from xds.protocol import stuck as stuck_module
from xds.protocol.messages import Node
from xds.protocol.status import StreamHealth
from xds.protocol.stuck import (
    ACK_DEADLINE_SECONDS,
    FLAPPING_STREAMS,
    FLAPPING_WINDOW_SECONDS,
    SHORT_STREAM_SECONDS,
    StreamHistory,
    Stuck,
    StuckReason,
)
from xds.snapshot.resource import ResourceType

LATER = 2 * ACK_DEADLINE_SECONDS


def stream_health(world: World, *types: ResourceType, node: Node | None = None) -> StreamHealth:
    """The health of an Envoy that has subscribed to these types and answered."""
    client = world.delta()
    client.node = node or client.node
    for type_ in types:
        client.subscribe(type_)
    client.settle()
    return client.session.health()


def test_an_envoy_without_clusters_or_listeners_is_stuck() -> None:
    """Possible after a NACK and a reconnect: https://github.com/envoyproxy/envoy/issues/34334"""
    world = World(cds={"a": "1"}, lds={"l": "1"})
    history, start = StreamHistory(), world.now
    lacks = stream_health(world, LDS)
    assert history.stuck(lacks, start + ACK_DEADLINE_SECONDS) == ()
    assert history.stuck(lacks, start + LATER) == (Stuck(StuckReason.NOT_SUBSCRIBED, CDS, start),)
    assert history.stuck(stream_health(world, CDS, LDS), start + LATER) == ()


def test_a_client_other_than_envoy_may_subscribe_to_less() -> None:
    world = World(cds={"a": "1"})
    assert (
        StreamHistory().stuck(stream_health(world, CDS, node=Node("tool", user_agent="grpcurl")), world.now + LATER)
        == ()
    )


def test_a_proxy_without_an_answer_is_stuck() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    client, history = world.delta(), StreamHistory()
    client.subscribe(LDS)
    client.ack(LDS)
    world.pass_time(1)
    client.subscribe(CDS)
    sent = world.now
    assert history.stuck(client.session.health(), sent + ACK_DEADLINE_SECONDS) == ()
    assert history.stuck(client.session.health(), sent + LATER) == (Stuck(StuckReason.SILENT, CDS, sent),)
    client.ack(CDS)
    assert history.stuck(client.session.health(), sent + LATER) == ()


def test_a_node_with_many_short_streams_is_flapping() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    history, good = StreamHistory(), stream_health(world, CDS, LDS)
    now = world.now
    assert good.node
    for number in range(FLAPPING_STREAMS - 1):
        history.ended(good.node.id, now, now + number)
    history.ended(good.node.id, now, now + SHORT_STREAM_SECONDS)  # not a short stream
    assert history.stuck(good, now + SHORT_STREAM_SECONDS) == ()
    history.ended(good.node.id, now + SHORT_STREAM_SECONDS, now + SHORT_STREAM_SECONDS + 1)
    assert history.stuck(good, now + SHORT_STREAM_SECONDS + 1) == (Stuck(StuckReason.FLAPPING, None, now),)
    assert history.stuck(good, now + FLAPPING_WINDOW_SECONDS + SHORT_STREAM_SECONDS) == ()
    assert not history.should_restart(good, history.stuck(good, now + SHORT_STREAM_SECONDS + 1), now), (
        "flapping is no reason for a restart"
    )


def test_a_node_is_restarted_once_until_a_stream_makes_progress() -> None:
    world = World(cds={"a": "1"}, lds={"l": "1"})
    history, lacks, good = StreamHistory(), stream_health(world, LDS), stream_health(world, CDS, LDS)
    now = world.now + LATER
    found = history.stuck(lacks, now)
    assert history.should_restart(lacks, found, now)
    assert not history.should_restart(lacks, found, now)
    assert not history.should_restart(good, (), world.now)
    assert not history.should_restart(lacks, found, now), "the stream is too young to show progress"
    assert not history.should_restart(good, (), now + LATER)
    assert history.should_restart(lacks, found, now)


def test_the_stream_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck_module, "NODES_LIMIT", 3)
    history = StreamHistory()
    for number in range(10):
        history.ended(f"node-{number}", 0, 1)
        lost = StreamHealth(Node(f"node-{number}"), 0, (), ())
        history.should_restart(lost, (Stuck(StuckReason.SILENT, EDS, 0),), 0)
    assert len(history._ended) == len(history._restarted) == 3
