"""Trials on the event loop: proxies are asked about versions that other proxies of their build rejected."""

import asyncio
from math import inf, isfinite

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
        self._timers: dict[BuildFleet, tuple[float, asyncio.TimerHandle]] = {}

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
        for _, timer in self._timers.values():
            timer.cancel()

    def advance(self, build: BuildFleet) -> None:
        """Send the offers of the next round, if one begins now.

        Called at each request. Only the proxies that are looked at for an offer catch up with pending revisions: the
        others keep their turns.
        """
        if build not in self._timers and not build.last_good.is_any_on_trial:
            return
        caught_up: list[Stream] = []

        def catch_up(proxy: Candidate) -> None:
            stream = self._streams[proxy]
            if stream.pending_revisions or stream in self._fanout.queued:
                self._fanout.catch_up(stream)
                caught_up.append(stream)

        chosen = build.trial.advance(build.proxies, self._clock(), catch_up)
        for stream in dict.fromkeys([*(self._streams[proxy] for proxy in chosen), *caught_up]):
            self._fanout.flush(stream)
        self._set_timer(build)

    def _set_timer(self, build: BuildFleet) -> None:
        """Advance again at the end of the round."""
        deadline, (set_for, timer) = build.trial.deadline, self._timers.get(build, (inf, None))
        if deadline == set_for:
            return
        if timer is not None:
            timer.cancel()
            del self._timers[build]
        if isfinite(deadline):
            delay = max(0.0, deadline - self._clock())
            self._timers[build] = (deadline, asyncio.get_running_loop().call_later(delay, self._time_out, build))

    def _time_out(self, build: BuildFleet) -> None:
        del self._timers[build]
        self.advance(build)
