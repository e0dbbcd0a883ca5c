"""When the next endpoint changes are pushed.

The clock is the test's. Excludes the saved work (`make bench ONLY=storm`), counting answers (test_convergence.py), and
the callers of the debounce (test_ads.py, tests/controlplane/test_app_in_process.py).
"""

from collections.abc import Callable

import pytest

from xds.server.convergence import RevisionProgress
from xds.server.debounce import ANSWER_POLL_SECONDS, ANSWER_WAIT_SECONDS, UNDEBOUNCED_STREAMS, EndpointDebounce

SIZE = 2 * UNDEBOUNCED_STREAMS


class Fleet:
    """Streams whose number of missing answers is a function of the time since the push."""

    def __init__(self, size: int = SIZE) -> None:
        self.now = 100.0
        self.revision = RevisionProgress(1, self.now, streams=size)
        self.debounce = EndpointDebounce(lambda: self.now, self._sleep)
        self.unanswered: Callable[[float], int] = lambda _: size
        self.urgent_after = 3600.0

    async def waited(self) -> float:
        """Seconds that the debounce waits."""
        before = self.now
        await self.debounce.wait(lambda: self.now - before >= self.urgent_after)
        return self.now - before

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.revision.streams = self.unanswered(self.now - 100.0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


async def test_the_first_change_is_pushed_at_once(fleet: Fleet) -> None:
    assert await fleet.waited() == 0


async def test_a_change_after_a_mostly_answered_push_is_pushed_at_once(fleet: Fleet) -> None:
    fleet.debounce.pushed(fleet.revision)
    fleet.revision.streams = SIZE // 2
    assert await fleet.waited() == 0


async def test_a_small_fleet_is_not_debounced() -> None:
    small = Fleet(UNDEBOUNCED_STREAMS)
    small.debounce.pushed(small.revision)
    assert await small.waited() == 0


async def test_changes_are_merged_for_twice_the_answer_time(fleet: Fleet) -> None:
    fleet.debounce.pushed(fleet.revision)
    fleet.unanswered = lambda since: SIZE if since < 2.5 * ANSWER_POLL_SECONDS else SIZE // 2
    assert await fleet.waited() == pytest.approx(2 * 3 * ANSWER_POLL_SECONDS, abs=ANSWER_POLL_SECONDS)


@pytest.mark.parametrize(("before", "waits"), [(0, 2), (0.5, 1.5), (1.5, 0.5), (2, 0), (9, 0)])
async def test_missing_answers_delay_changes_for_a_limited_time_after_the_push(
    fleet: Fleet, before: float, waits: float
) -> None:
    fleet.debounce.pushed(fleet.revision)
    fleet.now += before * ANSWER_WAIT_SECONDS
    assert await fleet.waited() == pytest.approx(waits * ANSWER_WAIT_SECONDS, abs=2 * ANSWER_POLL_SECONDS)


async def test_an_urgent_change_ends_the_wait(fleet: Fleet) -> None:
    fleet.debounce.pushed(fleet.revision)
    fleet.urgent_after = 2 * ANSWER_POLL_SECONDS
    assert await fleet.waited() == pytest.approx(2 * ANSWER_POLL_SECONDS, abs=ANSWER_POLL_SECONDS)


async def test_another_push_ends_the_wait(fleet: Fleet) -> None:
    def push(_: float) -> int:
        fleet.debounce.pushed(RevisionProgress(2, fleet.now, streams=SIZE))
        return SIZE

    fleet.debounce.pushed(fleet.revision)
    fleet.unanswered = push
    assert await fleet.waited() == pytest.approx(ANSWER_POLL_SECONDS)


async def test_a_push_of_other_resources_delays_no_endpoints(fleet: Fleet) -> None:
    fleet.debounce.pushed(fleet.revision)
    fleet.debounce.pushed(None)
    assert await fleet.waited() == 0
