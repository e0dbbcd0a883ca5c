"""Convergence time: which answers count, and for which revisions.

Excludes which revisions a stream has answered (tests/protocol, `Session.oldest_unanswered`).
"""

import pytest
from prometheus_client import CollectorRegistry, Histogram

from xds.server.convergence import UNANSWERED_REVISIONS_LIMIT, Convergence, StreamProgress
from xds.snapshot.store import Revision


class Observed:
    """A Convergence and the observed seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.convergence = Convergence(Histogram("seconds", "Seconds.", registry=self.registry))

    def push(self, number: int, *streams: StreamProgress, read_at: float = 100.0) -> None:
        """Push a revision to streams."""
        revision = self.convergence.begin(Revision(number, read_at, read_at, ()))
        for stream in streams:
            stream.await_answer(revision)

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """Count and sum."""
        return self.registry.get_sample_value("seconds_count"), self.registry.get_sample_value("seconds_sum")


@pytest.fixture
def observed() -> Observed:
    return Observed()


def test_the_last_answer_of_a_revision_counts(observed: Observed) -> None:
    first, last = StreamProgress(), StreamProgress()
    observed.push(1, first, last)
    observed.convergence.answered(first, None, 101.0)
    assert observed.seconds == (0, 0)
    observed.convergence.answered(last, None, 103.0)
    assert observed.seconds == (1, 3.0)


def test_an_answer_to_several_revisions_counts_for_each(observed: Observed) -> None:
    stream = StreamProgress()
    observed.push(1, stream, read_at=100.0)
    observed.push(2, stream, read_at=101.0)
    observed.convergence.answered(stream, None, 102.0)
    assert observed.seconds == (2, 3.0)


def test_unanswered_revisions_are_not_observed(observed: Observed) -> None:
    stream = StreamProgress()
    for number in (1, 2, 3):
        observed.push(number, stream)
    observed.convergence.answered(stream, 3, 101.0)
    assert observed.seconds == (2, 2.0)
    assert len(stream) == 1


def test_an_answer_without_a_newly_answered_revision_counts_for_nothing(observed: Observed) -> None:
    stream = StreamProgress()
    observed.push(5, stream)
    observed.convergence.answered(stream, 5, 101.0)
    observed.convergence.answered(stream, 2, 101.0)
    assert observed.seconds == (0, 0)


def test_an_ended_stream_is_not_waited_for(observed: Observed) -> None:
    """The end of a stream is no answer. Answers of open streams count."""
    gone, stays = StreamProgress(), StreamProgress()
    observed.push(1, gone, stays)
    observed.convergence.ended(gone)
    assert observed.seconds == (0, 0)
    observed.convergence.answered(stays, None, 101.0)
    assert observed.seconds == (1, 1.0)


def test_a_revision_without_subscribers_is_not_observed(observed: Observed) -> None:
    observed.push(1)
    assert observed.seconds == (0, 0)


def test_unanswered_revisions_of_a_stream_are_bounded(observed: Observed) -> None:
    """Later revisions don't wait for a stuck stream."""
    stuck, answers = StreamProgress(), StreamProgress()
    for number in range(UNANSWERED_REVISIONS_LIMIT + 10):
        observed.push(number, stuck, answers)
        observed.convergence.answered(answers, None, 101.0)
    assert len(stuck) == UNANSWERED_REVISIONS_LIMIT
    assert observed.seconds[0] == 10


def test_the_last_answer_counts_when_the_last_unanswered_stream_ends(observed: Observed) -> None:
    first, last = StreamProgress(), StreamProgress()
    observed.push(1, first, last)
    observed.convergence.answered(first, None, 103.0)
    observed.convergence.ended(last)
    assert observed.seconds == (1, 3.0)
