"""When more endpoints are told.

Time is the test's. Excludes what it saves (`make bench ONLY=storm`), who has answered (test_propagation.py), and what
is told to the pace and asks it (test_ads.py, tests/test_app_in_process.py).
"""

from collections.abc import Callable

import pytest

from xds.server.convergence import RevisionProgress
from xds.server.debounce import BREATH, FEW, LOOK, EndpointDebounce

SIZE = 2 * FEW


class Fleet:
    """Proxies of which some answer after a while."""

    def __init__(self, size: int = SIZE) -> None:
        self.now = 100.0
        self.spread = RevisionProgress(1, self.now, streams=size)
        self.pace = EndpointDebounce(lambda: self.now, self._sleep)
        self.left: Callable[[float], int] = lambda _: size
        self.hurries_after = 3600.0

    async def waited(self) -> float:
        """Seconds until the pace says to go on."""
        before = self.now
        await self.pace.wait(lambda: self.now - before >= self.hurries_after)
        return self.now - before

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.spread.streams = self.left(self.now - 100.0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


async def test_the_first_change_goes_at_once(fleet: Fleet) -> None:
    assert await fleet.waited() == 0


async def test_a_change_that_most_have_answered_is_followed_at_once(fleet: Fleet) -> None:
    fleet.pace.told(fleet.spread)
    fleet.spread.streams = SIZE // 2
    assert await fleet.waited() == 0


async def test_a_few_proxies_are_told_at_once() -> None:
    few = Fleet(FEW)
    few.pace.told(few.spread)
    assert await few.waited() == 0


async def test_else_more_may_come_for_as_long_as_it_took_them(fleet: Fleet) -> None:
    fleet.pace.told(fleet.spread)
    fleet.left = lambda since: SIZE if since < 2.5 * LOOK else SIZE // 2
    assert await fleet.waited() == pytest.approx(2 * 3 * LOOK, abs=LOOK)


@pytest.mark.parametrize(("before", "waits"), [(0, 2), (0.5, 1.5), (1.5, 0.5), (2, 0), (9, 0)])
async def test_who_never_answers_holds_nobody_up_for_long(fleet: Fleet, before: float, waits: float) -> None:
    """Whatever the time since they were told, of which it counts."""
    fleet.pace.told(fleet.spread)
    fleet.now += before * BREATH
    assert await fleet.waited() == pytest.approx(waits * BREATH, abs=2 * LOOK)


async def test_what_is_urgent_ends_the_waiting(fleet: Fleet) -> None:
    fleet.pace.told(fleet.spread)
    fleet.hurries_after = 2 * LOOK
    assert await fleet.waited() == pytest.approx(2 * LOOK, abs=LOOK)


async def test_what_is_told_meanwhile_ends_the_waiting(fleet: Fleet) -> None:
    def tell(_: float) -> int:
        fleet.pace.told(RevisionProgress(2, fleet.now, streams=SIZE))
        return SIZE

    fleet.pace.told(fleet.spread)
    fleet.left = tell
    assert await fleet.waited() == pytest.approx(LOOK)


async def test_endpoints_never_wait_for_something_else(fleet: Fleet) -> None:
    fleet.pace.told(fleet.spread)
    fleet.pace.told(None)
    assert await fleet.waited() == 0
