"""Stuck proxies: connected without making progress."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.protocol.status import StreamHealth
from xds.snapshot.resource import ResourceType

ACK_DEADLINE_SECONDS: Final = 30.0
"""Time for an Envoy to subscribe to every type it needs, and to answer a response. Envoy itself waits 15 s for the
resources that a new cluster or listener needs (`initial_fetch_timeout`).
"""

SHORT_STREAM_SECONDS: Final = 60.0
"""A stream of at least this length doesn't count as flapping."""

FLAPPING_STREAMS: Final = 5
"""Short streams of a node within FLAPPING_WINDOW_SECONDS that make the node flapping."""

FLAPPING_WINDOW_SECONDS: Final = 300.0

NODES_LIMIT: Final = 10_000
"""Nodes remembered for short or restarted streams."""

REQUIRED_TYPES: Final = (ResourceType.CLUSTER, ResourceType.LISTENER)
"""Types that every Envoy subscribes to."""


class StuckReason(StrEnum):
    NOT_SUBSCRIBED = "not asked"
    """An Envoy never asked for clusters or listeners. This can happen after a NACK and a reconnect:
    https://github.com/envoyproxy/envoy/issues/34334
    """
    SILENT = "silent"
    """A response has no answer."""
    FLAPPING = "flapping"
    """Streams of the node end soon after they begin, again and again."""
    UNSUPPORTED = "unsupported version"
    """The proxy's Envoy is older than the oldest one that is served."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A reason why a proxy makes no progress.

    Attributes:
        type: The type concerned; None: every type.
        since: Seconds of the caller's clock.
    """

    reason: StuckReason
    type: ResourceType | None
    since: float


class StreamHistory:
    """Past streams by node id. Proxies that share a node id count as one proxy."""

    def __init__(self) -> None:
        self._ended: dict[str, deque[float]] = {}
        self._restarted: dict[str, None] = {}

    def ended(self, node: str, since: float, now: float) -> None:
        """Record the end of a stream that began at `since`."""
        if now - since >= SHORT_STREAM_SECONDS:
            return
        ends = self._ended.pop(node, None) or deque(maxlen=FLAPPING_STREAMS)
        ends.append(now)
        self._ended[node] = ends
        _drop_oldest(self._ended)

    def stuck(self, health: StreamHealth, now: float) -> tuple[Stuck, ...]:
        """List the reasons why the proxy of this stream makes no progress."""
        node = health.node
        if node is None:
            return ()
        found = [*_not_subscribed(health, node.user_agent, now), *_silent(health, now)]
        ends = self._ended.get(node.id)
        if ends and len(ends) == FLAPPING_STREAMS and ends[0] > now - FLAPPING_WINDOW_SECONDS:
            found.append(Stuck(StuckReason.FLAPPING, None, ends[0]))
        return tuple(found)

    def should_restart(self, health: StreamHealth, stuck: Iterable[Stuck], now: float) -> bool:
        """Whether to end the stream so that the proxy connects again. A node is restarted once; a later stream of the
        node that makes progress allows another restart.
        """
        if health.node is None:
            return False
        node = health.node.id
        if any(each.reason is not StuckReason.FLAPPING for each in stuck):
            if node in self._restarted:
                return False
            self._restarted[node] = None
            _drop_oldest(self._restarted)
            return True
        if now - health.since > 2 * ACK_DEADLINE_SECONDS:
            self._restarted.pop(node, None)
        return False


def _not_subscribed(health: StreamHealth, user_agent: str, now: float) -> Iterable[Stuck]:
    """Missing subscriptions of an Envoy. Other clients may want, for example, endpoints alone."""
    if user_agent.startswith("envoy") and now - health.since > ACK_DEADLINE_SECONDS:
        for type_ in REQUIRED_TYPES:
            if type_ not in health.subscribed:
                yield Stuck(StuckReason.NOT_SUBSCRIBED, type_, health.since)


def _silent(health: StreamHealth, now: float) -> Iterable[Stuck]:
    for type_, sent_at in health.unanswered:
        if now - sent_at > ACK_DEADLINE_SECONDS:
            yield Stuck(StuckReason.SILENT, type_, sent_at)


def _drop_oldest(nodes: dict[str, deque[float]] | dict[str, None]) -> None:
    if len(nodes) > NODES_LIMIT:
        del nodes[next(iter(nodes))]
