"""Proxies that are connected and get nowhere."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.protocol.status import StreamHealth
from xds.snapshot.resource import ResourceType

PATIENCE: Final = 30.0
"""Seconds in which an Envoy asks for all that it needs, and answers what it is sent: it waits 15 s itself for what a
new cluster or listener needs (`initial_fetch_timeout`).
"""

SHORT: Final = 60.0
"""Seconds. A stream that lasts longer is none that flaps."""

FLAPS: Final = 5
"""Short streams of a node within WINDOW that make it flapping."""

WINDOW: Final = 300.0
"""Seconds."""

NODES_LIMIT: Final = 10_000
"""Nodes remembered, of those whose streams were short or were ended."""

NEEDED: Final = (ResourceType.CLUSTER, ResourceType.LISTENER)


class Reason(StrEnum):
    NOT_ASKED = "not asked"
    """An Envoy never asked for clusters or listeners. After a NACK and a reconnect it may not:
    https://github.com/envoyproxy/envoy/issues/34334
    """
    SILENT = "silent"
    """It has not answered what it was sent."""
    FLAPPING = "flapping"
    """Its streams end soon after they began, again and again."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a proxy gets nowhere, with which type (None: any), and since when in seconds of the caller's clock."""

    reason: Reason
    type: ResourceType | None
    since: float


class StreamHistory:
    """What streams of one node tell together. Streams may share a node id; then they are taken for one proxy."""

    def __init__(self) -> None:
        self._ended: dict[str, deque[float]] = {}
        self._cured: dict[str, None] = {}

    def ended(self, node: str, since: float, now: float) -> None:
        """A stream that began at `since` is over."""
        if now - since >= SHORT:
            return
        ends = self._ended.pop(node, None) or deque(maxlen=FLAPS)
        ends.append(now)
        self._ended[node] = ends
        _bound(self._ended)

    def stuck(self, pulse: StreamHealth, now: float) -> tuple[Stuck, ...]:
        """All that keeps this stream's proxy from getting on."""
        node = pulse.node
        if node is None:
            return ()
        found = [*_not_asked(pulse, node.user_agent, now), *_silent(pulse, now)]
        ends = self._ended.get(node.id)
        if ends and len(ends) == FLAPS and ends[0] > now - WINDOW:
            found.append(Stuck(Reason.FLAPPING, None, ends[0]))
        return tuple(found)

    def may_be_cured(self, pulse: StreamHealth, stuck: Iterable[Stuck], now: float) -> bool:
        """Whether to end the stream, since a new one may do better: once, until one of that node has done well."""
        if pulse.node is None:
            return False
        node = pulse.node.id
        if any(each.reason is not Reason.FLAPPING for each in stuck):
            if node in self._cured:
                return False
            self._cured[node] = None
            _bound(self._cured)
            return True
        if now - pulse.since > 2 * PATIENCE:
            self._cured.pop(node, None)
        return False


def _not_asked(pulse: StreamHealth, user_agent: str, now: float) -> Iterable[Stuck]:
    """Other clients than Envoy may want nothing but, say, endpoints."""
    if user_agent.startswith("envoy") and now - pulse.since > PATIENCE:
        yield from (Stuck(Reason.NOT_ASKED, type_, pulse.since) for type_ in NEEDED if type_ not in pulse.asked)


def _silent(pulse: StreamHealth, now: float) -> Iterable[Stuck]:
    for type_, sent_at in pulse.unanswered:
        if now - sent_at > PATIENCE:
            yield Stuck(Reason.SILENT, type_, sent_at)


def _bound(nodes: dict[str, deque[float]] | dict[str, None]) -> None:
    if len(nodes) > NODES_LIMIT:
        del nodes[next(iter(nodes))]
