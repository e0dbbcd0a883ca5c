"""Notices proxies that are connected and get nowhere, and ends a stream where a new one may do better."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

import structlog

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.protocol.session import Session
from xds.protocol.stuck import StreamHistory, Stuck, StuckReason

INTERVAL: Final = 5.0
"""Seconds between two looks at all streams."""

AT_ONCE: Final = 200
"""Streams that are looked at before the others get their turn: about half a millisecond's worth."""

_log = structlog.get_logger()


class Watched(Protocol):
    """A stream."""

    session: Session
    peer: str
    node: str

    def end(self, error: ProtocolError) -> None: ...


class Watchdog:
    """Looks after the streams.

    Args:
        streams: Those that are open.
        clock: That of their sessions.
    """

    def __init__(self, streams: Collection[Watched], clock: Callable[[], float]) -> None:
        self._streams = streams
        self._clock = clock
        self._history = StreamHistory()
        self._known: dict[Watched, tuple[Stuck, ...]] = {}

    def stuck(self, stream: Watched) -> tuple[Stuck, ...]:
        """What keeps its proxy from getting on, as of now."""
        return self._history.stuck(stream.session.health(), self._clock())

    def counts(self) -> Mapping[StuckReason, int]:
        """How many proxies are stuck, by reason, as of the last look."""
        found = Counter(reason for stuck in self._known.values() for reason in {each.reason for each in stuck})
        return {reason: found[reason] for reason in StuckReason}

    def ended(self, stream: Watched) -> None:
        """It is not open any more."""
        self._known.pop(stream, None)
        self._history.ended(stream.node, stream.session.health().since, self._clock())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            for number, stream in enumerate(list(self._streams)):
                if stream in self._streams:
                    self.look(stream)
                if number % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)

    def look(self, stream: Watched) -> None:
        """Log what is new about it, and end it if that may help."""
        health, now = stream.session.health(), self._clock()
        stuck = self._history.stuck(health, now)
        for each in set(stuck) - set(self._known.pop(stream, ())):
            type_ = each.type.short if each.type else ""
            _log.warning("proxy_stuck", peer=stream.peer, node=stream.node, reason=str(each.reason), type=type_)
        if stuck:
            self._known[stream] = stuck
        if self._history.should_restart(health, stuck, now):
            text = f"this stream gets nowhere ({', '.join(_told(each) for each in stuck)}); connect again"
            stream.end(ProtocolError(ErrorCode.UNAVAILABLE, text))


def _told(stuck: Stuck) -> str:
    return f"{stuck.reason}: {stuck.type.short}" if stuck.type else str(stuck.reason)
