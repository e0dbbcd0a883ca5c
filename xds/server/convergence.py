"""How long a change takes to reach the last proxy."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from prometheus_client import Histogram

from xds.snapshot.store import Revision

REMEMBERED: Final = 1000
"""Revisions that one stream may be behind and still be waited for."""


@dataclass(slots=True)
class RevisionProgress:
    """A revision on its way: how many streams have not answered it yet, or not been told of it, and when the last one
    answered that has.
    """

    number: int
    read_at: float
    streams: int = 0
    answered_at: float | None = None


class StreamProgress:
    """The revisions that one stream has not answered yet, oldest first."""

    __slots__ = ("_spreads",)

    def __init__(self) -> None:
        self._spreads: deque[RevisionProgress] = deque()

    def __len__(self) -> int:
        return len(self._spreads)

    def wait_for(self, spread: RevisionProgress) -> None:
        if len(self._spreads) < REMEMBERED:
            spread.streams += 1
            self._spreads.append(spread)

    def answered(self, behind: int | None) -> list[RevisionProgress]:
        """Forget what was answered: all revisions before `behind`, or all."""
        done = []
        while self._spreads and (behind is None or self._spreads[0].number < behind):
            spread = self._spreads.popleft()
            spread.streams -= 1
            done.append(spread)
        return done


class Convergence:
    """Observes, for each revision that concerned a proxy, the seconds from its being read to the last answer."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def begin(self, revision: Revision) -> RevisionProgress:
        return RevisionProgress(revision.number, revision.read_at)

    def answered(self, lag: StreamProgress, behind: int | None, now: float) -> None:
        """A stream answered, and is now `behind` by revisions from that number on (None: by none)."""
        for spread in lag.answered(behind):
            spread.answered_at = now
            self._observe(spread)

    def told(self, spread: RevisionProgress) -> None:
        """A stream was told, which counted for one that hasn't answered until then."""
        spread.streams -= 1
        self._observe(spread)

    def ended(self, lag: StreamProgress) -> None:
        """A stream is gone: nobody waits for its answers, and its end is none."""
        for spread in lag.answered(None):
            self._observe(spread)

    def _observe(self, spread: RevisionProgress) -> None:
        if not spread.streams and spread.answered_at is not None:
            self._histogram.observe(spread.answered_at - spread.read_at)
