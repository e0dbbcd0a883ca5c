"""Rounds of one change to a fleet, and what each costs."""

import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.bench.fake_envoys import FakeEnvoys, Seen
from tests.bench.server import Running

Change = Callable[[str], Awaitable[None]]
"""Makes a change that brings the text to those it concerns."""

_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a change. `cpu`: milliseconds of the server's processor, on average. `first`, `last`: milliseconds from just
    before it is made until the first stream has acknowledged it, and the last; in the median round. `worst`: the last
    in the worst.
    """

    cpu: float
    first: float
    last: float
    worst: float


async def cost(server: Running, fleet: FakeEnvoys, change: Change, *, rounds: int, streams: int = 0) -> Cost:
    """Of one change after another, each when all streams have the one before. One more comes first, uncounted.

    Args:
        streams: How many it concerns; 0: all.
    """
    await one(fleet, change, streams)
    before = await server.settled()
    times = [await one(fleet, change, streams) for _ in range(rounds)]
    cpu = await server.settled() - before
    firsts, lasts = zip(*times, strict=True)
    return Cost(cpu * 1000 / rounds, statistics.median(firsts), statistics.median(lasts), max(lasts))


async def one(fleet: FakeEnvoys, change: Change, streams: int = 0) -> tuple[float, float]:
    """Milliseconds until the first and the last stream had acknowledged the change."""
    text = marker()
    await fleet.mark(text, streams or fleet.size)
    began = time.time_ns()
    await change(text)
    seen: Seen = await fleet.seen(streams or fleet.size)
    return (seen.first - began) / 1e6, (seen.last - began) / 1e6


def marker() -> str:
    """An address that nothing else has, and that is no part of another."""
    number = next(_numbers)
    return f"99.{100 + number // 10000}.{100 + number // 100 % 100}.{100 + number % 100}"
