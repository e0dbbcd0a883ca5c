"""Endpoints change while 5,000 Ingresses are translated again, on a real API server."""

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator
from typing import Final

from tests.bench.changes import one
from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.filled import SERVICES, SHARED, SLICES, Filled, filled
from tests.bench.objects import endpoint_slice
from tests.bench.server import serving

COUNT: Final = 5000
STREAMS: Final = 10
IDLE: Final = 100
TOGGLES: Final = 10
APART: Final = 1.5
"""Seconds between two translations of everything."""

MOVING: Final = 7


async def measure() -> AsyncIterator[Figure]:
    """Every Ingress uses a shared Service besides its own; the shared port comes and goes, which changes all virtual
    hosts. Delays are from just before the request to the API server to the last stream's ACK, one endpoint change after
    another.
    """
    async with filled(COUNT, shared=True) as full, serving("--kubeconfig", str(full.cluster.kubeconfig)) as server:
        await server.ready()
        async with fake_envoys(server.listen, STREAMS) as fleet:
            await fleet.quiet()
            idle = [await _change(full, fleet) for _ in range(IDLE)]
            before = await server.settled()
            busy = await _while_translating(full, fleet)
            cpu = await server.settled() - before
    names = ("median", "99 %", "worst")
    for name, value, was in zip(names, _summary(busy), _summary(idle), strict=True):
        yield Figure(f"endpoint change to last ACK, {name}", value, "ms", {"nothing else to do": was})
    late = max(busy) - statistics.median(idle)
    yield Figure("the worst is later than the idle median by", late, "ms", limit=20)
    yield Figure("endpoint changes while translating", len(busy))
    yield Figure("CPU of all that, for each translation of everything", cpu / TOGGLES, "s")


async def _change(full: Filled, fleet: FakeEnvoys) -> float:
    async def move(first: str) -> None:
        endpoints = endpoint_slice(MOVING, first)["endpoints"]
        await full.patch(f"{SLICES}/web-{MOVING}-1", {"endpoints": endpoints})

    _, last = await one(fleet, move)
    return last


async def _while_translating(full: Filled, fleet: FakeEnvoys) -> list[float]:
    toggling = asyncio.create_task(_toggle(full))
    delays = []
    try:
        while not toggling.done():
            delays.append(await _change(full, fleet))
        await toggling
    finally:
        toggling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await toggling
    return delays


async def _toggle(full: Filled) -> None:
    for port in itertools.islice(itertools.cycle((81, 80)), TOGGLES):
        await full.patch(f"{SERVICES}/{SHARED}", {"spec": {"ports": [{"port": port}]}})
        await asyncio.sleep(APART)


def _summary(delays: list[float]) -> tuple[float, float, float]:
    return statistics.median(delays), statistics.quantiles(delays, n=100)[98], max(delays)
