"""Watchdog: finds connected proxies without progress, and ends a stream where a new one may help."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

import structlog

from xds.problems.reasons import Reason
from xds.protocol.messages import ErrorCode, ProtocolError
from xds.protocol.session import Session
from xds.protocol.status import BEHIND_SECONDS, StreamHealth
from xds.protocol.stuck import StreamHistory, Stuck, StuckReason
from xds.snapshot.resource import ResourceType

STUCK_CHECK_SECONDS: Final = 5.0
"""Interval between two checks of all streams."""

CHECKED_STREAMS_PER_TURN: Final = 200
"""Streams checked before other tasks get a turn: about half a millisecond's worth."""

REMEDIES: Final[Mapping[StuckReason, str]] = {
    StuckReason.NOT_SUBSCRIBED: "a new stream is tried once; else restart the Envoy, and check its bootstrap",
    StuckReason.SILENT: "a new stream is tried once; else look at the Envoy's CPU and log, or restart it",
    StuckReason.FLAPPING: "look at the network and the Envoy's log; node ids must differ from proxy to proxy",
    StuckReason.UNSUPPORTED: Reason.PROXY_UNSUPPORTED.remedy,
}

_log = structlog.get_logger()


class OpenStream(Protocol):
    session: Session
    peer: str
    node: str

    def end(self, error: ProtocolError) -> None: ...


class Watchdog:
    """Checks streams for progress.

    Args:
        streams: All open streams.
        clock: Seconds, monotonic: the clock of the sessions.

    Attributes:
        behind: Number of proxies with a response unanswered for BEHIND_SECONDS, by type, as of the last check.
        rejecting: Number of proxies that reject resources, by type, as of the last check.
    """

    def __init__(self, streams: Collection[OpenStream], clock: Callable[[], float]) -> None:
        self._streams = streams
        self._clock = clock
        self._history = StreamHistory()
        self._stuck: dict[OpenStream, tuple[Stuck, ...]] = {}
        self.behind: Counter[ResourceType] = Counter()
        self.rejecting: Counter[ResourceType] = Counter()

    def stuck(self, stream: OpenStream) -> tuple[Stuck, ...]:
        """Why the stream makes no progress as of now; empty: progress, or no verdict yet."""
        return self._history.stuck(stream.session.health(), self._clock())

    def is_stuck(self, stream: OpenStream) -> bool:
        """Whether the stream makes no progress, as of the last check."""
        return stream in self._stuck

    def stuck_counts(self) -> Mapping[StuckReason, int]:
        """Number of stuck proxies by reason, as of the last check."""
        found = Counter(reason for stuck in self._stuck.values() for reason in {each.reason for each in stuck})
        return {reason: found[reason] for reason in StuckReason}

    def ended(self, stream: OpenStream) -> None:
        """Note the end of a stream."""
        self._stuck.pop(stream, None)
        self._history.ended(stream.node, stream.session.health().since, self._clock())

    async def run(self) -> None:
        """Check all streams every STUCK_CHECK_SECONDS, until cancelled."""
        while True:
            await asyncio.sleep(STUCK_CHECK_SECONDS)
            await self.check_all()

    async def check_all(self) -> None:
        """Check all streams, and count."""
        behind, rejecting = Counter[ResourceType](), Counter[ResourceType]()
        for number, stream in enumerate(list(self._streams)):
            if stream in self._streams:
                behind.update(self.check(stream))
                rejecting.update({type_ for type_, _ in stream.session.rejected()})
            if number % CHECKED_STREAMS_PER_TURN == CHECKED_STREAMS_PER_TURN - 1:
                await asyncio.sleep(0)
        self.behind, self.rejecting = behind, rejecting

    def check(self, stream: OpenStream) -> Iterable[ResourceType]:
        """Log new reasons of a stream, and end the stream if a new one may help. Returns the types that are behind."""
        health, now = stream.session.health(), self._clock()
        stuck = self._history.stuck(health, now)
        for each in set(stuck) - set(self._stuck.pop(stream, ())):
            type_ = each.type.short if each.type else ""
            _log.warning(
                "proxy_stuck",
                peer=stream.peer,
                node=stream.node,
                reason=str(each.reason),
                type=type_,
                remedy=REMEDIES[each.reason],
            )
        if stuck:
            self._stuck[stream] = stuck
        if self._history.should_restart(health, stuck, now):
            reasons = ", ".join(
                f"{each.reason}: {each.type.short}" if each.type else str(each.reason) for each in stuck
            )
            text = f"the stream makes no progress ({reasons}); reconnect"
            stream.end(ProtocolError(ErrorCode.UNAVAILABLE, text))
        return types_behind(health, now)


def types_behind(health: StreamHealth, now: float) -> list[ResourceType]:
    """The types with a response that has been unanswered for long."""
    return [type_ for type_, sent_at in health.unanswered if now - sent_at > BEHIND_SECONDS]
