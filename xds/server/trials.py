"""Trials on the event loop: proxies are asked about versions that other proxies of their build rejected."""

import asyncio
from math import isfinite

from xds.protocol.fleet import BuildFleet
from xds.protocol.rejection.trial import Candidate
from xds.server.fanout import Fanout
from xds.server.stream import Clock, Stream


class Trials:
    """Advances the trial of each build when a proxy answered, connected or left, and when a round runs out of time.

    Args:
        clock: Seconds, monotonic: the clock of the store's revisions.
    """

    def __init__(self, fanout: Fanout, clock: Clock) -> None:
        self._fanout = fanout
        self._clock = clock
        self._streams: dict[Candidate, Stream] = {}
        self._timers: dict[BuildFleet, asyncio.TimerHandle] = {}

    def add(self, stream: Stream) -> None:
        self._streams[stream.session] = stream

    def remove(self, stream: Stream) -> None:
        """Forget a stream that ended, with its proxy's rejections."""
        build = stream.session.build
        self._streams.pop(stream.session, None)
        revisions = build.leave(stream.session, self._clock())
        if revisions:
            self._fanout.push(*((build, revision) for revision in revisions))
        self.advance(build)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def advance(self, build: BuildFleet) -> None:
        """Send the offers of the next round, if one begins now."""
        timer = self._timers.pop(build, None)
        if timer is None and not build.last_good.is_any_on_trial:
            return
        if timer is not None:
            timer.cancel()
        if self._fanout.queued:
            self._fanout.catch_up_all()
        for proxy in build.trial.advance(build.proxies, self._clock()):
            self._fanout.flush(self._streams[proxy])
        if isfinite(build.trial.deadline):
            delay = max(0.0, build.trial.deadline - self._clock())
            self._timers[build] = asyncio.get_running_loop().call_later(delay, self.advance, build)
