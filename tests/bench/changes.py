"""The cost of one change to a fleet, in rounds."""

import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.bench.fake_envoys import FakeEnvoys, Seen
from tests.bench.server import Running

Change = Callable[[str], Awaitable[None]]
"""Makes a change that brings the text to the streams concerned."""

_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a change.

    Attributes:
        cpu: Milliseconds of the server's processor, on average.
        first: Milliseconds from just before the change to the first stream's ACK, in the median round.
        last: The same to the last stream's ACK.
        worst: `last` in the worst round.
    """

    cpu: float
    first: float
    last: float
    worst: float


async def cost(server: Running, fleet: FakeEnvoys, change: Change, *, rounds: int, streams: int = 0) -> Cost:
    """Measure changes in sequence, each after the last ACK of the one before. An uncounted change comes first.

    Args:
        streams: Streams concerned; 0: all.
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
    """An address used nowhere else, and not part of another address."""
    number = next(_numbers)
    return f"99.{100 + number // 10000}.{100 + number // 100 % 100}.{100 + number % 100}"
