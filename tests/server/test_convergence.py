"""The time from a change to the last answer: what counts, and what doesn't.

Excludes which revisions a stream has answered (tests/protocol, `Session.oldest_unanswered`).
"""

import pytest
from prometheus_client import CollectorRegistry, Histogram

from xds.server.convergence import REMEMBERED, Convergence, StreamProgress
from xds.snapshot.store import Revision


class Observed:
    """A Propagation and what it observed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.propagation = Convergence(Histogram("seconds", "Seconds.", registry=self.registry))

    def spread(self, number: int, *lags: StreamProgress, read_at: float = 100.0) -> None:
        """A revision that concerns these streams."""
        spread = self.propagation.begin(Revision(number, read_at, read_at, ()))
        for lag in lags:
            lag.wait_for(spread)

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """How many, and their sum."""
        return self.registry.get_sample_value("seconds_count"), self.registry.get_sample_value("seconds_sum")


@pytest.fixture
def observed() -> Observed:
    return Observed()


def test_the_last_answer_counts(observed: Observed) -> None:
    one, other = StreamProgress(), StreamProgress()
    observed.spread(1, one, other)
    observed.propagation.answered(one, None, 101.0)
    assert observed.seconds == (0, 0)
    observed.propagation.answered(other, None, 103.0)
    assert observed.seconds == (1, 3.0)


def test_an_answer_to_several_revisions_counts_for_each(observed: Observed) -> None:
    lag = StreamProgress()
    observed.spread(1, lag, read_at=100.0)
    observed.spread(2, lag, read_at=101.0)
    observed.propagation.answered(lag, None, 102.0)
    assert observed.seconds == (2, 3.0)


def test_what_is_still_unanswered_waits(observed: Observed) -> None:
    lag = StreamProgress()
    for number in (1, 2, 3):
        observed.spread(number, lag)
    observed.propagation.answered(lag, 3, 101.0)
    assert observed.seconds == (2, 2.0)
    assert len(lag) == 1


def test_an_answer_that_says_nothing_new_counts_for_nothing(observed: Observed) -> None:
    lag = StreamProgress()
    observed.spread(5, lag)
    observed.propagation.answered(lag, 5, 101.0)
    observed.propagation.answered(lag, 2, 101.0)
    assert observed.seconds == (0, 0)


def test_nobody_waits_for_a_stream_that_ended(observed: Observed) -> None:
    """Its end is no answer; the others' answers count."""
    gone, stays = StreamProgress(), StreamProgress()
    observed.spread(1, gone, stays)
    observed.propagation.ended(gone)
    assert observed.seconds == (0, 0)
    observed.propagation.answered(stays, None, 101.0)
    assert observed.seconds == (1, 1.0)


def test_a_revision_that_concerns_nobody_counts_for_nothing(observed: Observed) -> None:
    observed.spread(1)
    assert observed.seconds == (0, 0)


def test_what_a_stream_that_never_answers_costs_is_bounded(observed: Observed) -> None:
    """Later revisions don't wait for it."""
    stuck, answers = StreamProgress(), StreamProgress()
    for number in range(REMEMBERED + 10):
        observed.spread(number, stuck, answers)
        observed.propagation.answered(answers, None, 101.0)
    assert len(stuck) == REMEMBERED
    assert observed.seconds[0] == 10


def test_the_end_of_the_last_stream_leaves_the_last_answer(observed: Observed) -> None:
    one, other = StreamProgress(), StreamProgress()
    observed.spread(1, one, other)
    observed.propagation.answered(one, None, 103.0)
    observed.propagation.ended(other)
    assert observed.seconds == (1, 3.0)
