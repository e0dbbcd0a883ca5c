"""Convergence: the time from reading a change to the last proxy's answer."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from prometheus_client import Histogram

from xds.snapshot.store import Revision

UNANSWERED_REVISIONS_LIMIT: Final = 1000
"""Unanswered revisions counted for one stream. Later ones don't wait for a stream that is so far behind."""


@dataclass(slots=True)
class RevisionProgress:
    """Progress of one revision through the fleet.

    Attributes:
        number: The revision's number.
        read_at: Seconds, when the revision's oldest change was read.
        streams: Streams that have not been pushed the revision yet, or have not answered.
        answered_at: Seconds, when the latest answer came; None: no answer yet.
    """

    number: int
    read_at: float
    streams: int = 0
    answered_at: float | None = None


class StreamProgress:
    """The revisions that one stream has not answered yet, oldest first."""

    __slots__ = ("_unanswered",)

    def __init__(self) -> None:
        self._unanswered: deque[RevisionProgress] = deque()

    def __len__(self) -> int:
        return len(self._unanswered)

    def await_answer(self, revision: RevisionProgress) -> None:
        if len(self._unanswered) < UNANSWERED_REVISIONS_LIMIT:
            revision.streams += 1
            self._unanswered.append(revision)

    def answered(self, oldest_unanswered: int | None) -> list[RevisionProgress]:
        """Remove and return the revisions before the number `oldest_unanswered`; None: all revisions."""
        answered = []
        while self._unanswered and (oldest_unanswered is None or self._unanswered[0].number < oldest_unanswered):
            revision = self._unanswered.popleft()
            revision.streams -= 1
            answered.append(revision)
        return answered


class Convergence:
    """Observes the convergence time of each revision that concerns a proxy."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._slowest: float | None = None

    def take_slowest(self) -> float | None:
        """The longest time since the last call, in seconds; None: no revision converged."""
        slowest, self._slowest = self._slowest, None
        return slowest

    def begin(self, revision: Revision) -> RevisionProgress:
        return RevisionProgress(revision.number, revision.read_at)

    def answered(self, stream: StreamProgress, oldest_unanswered: int | None, now: float) -> None:
        """Note an answer, after which `oldest_unanswered` is the oldest unanswered revision (None: no revision is)."""
        for revision in stream.answered(oldest_unanswered):
            revision.answered_at = now
            self._observe(revision)

    def pushed(self, revision: RevisionProgress) -> None:
        """Note that a stream caught up with a revision. The pending push counted as one unanswered stream."""
        revision.streams -= 1
        self._observe(revision)

    def ended(self, stream: StreamProgress) -> None:
        """Stop waiting for a stream that ended. The end is no answer."""
        for revision in stream.answered(None):
            self._observe(revision)

    def _observe(self, revision: RevisionProgress) -> None:
        if not revision.streams and revision.answered_at is not None:
            seconds = revision.answered_at - revision.read_at
            self._histogram.observe(seconds)
            if self._slowest is None or seconds > self._slowest:
                self._slowest = seconds
