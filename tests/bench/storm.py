"""1,000 endpoint changes a second over 500 services, for a minute, to 200 proxies."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, cluster_name, temporary_folder
from tests.bench.server import Served, served

SERVICES: Final = 500
STREAMS: Final = 200
RATE: Final = 1000
SECONDS: Final = 60
STEP: Final = 0.01

CHANGES: Final = RATE * SECONDS


async def measure() -> AsyncIterator[Figure]:
    """Delta. A change replaces a JSON file, and the server's CPU includes reading the files: on two processors a real
    API server couldn't take so many writes. The folder waits for 3 ms of rest, at most 100 ms, before a read; the delay
    includes this.
    """
    with temporary_folder() as temporary:
        site = Site(Path(temporary), SERVICES, moving=range(SERVICES))
        async with served(site.folder) as server:
            await server.ready()
            async with fake_envoys(server.listen, STREAMS) as fleet:
                await fleet.quiet()
                async for figure in _storm(site, server, fleet):
                    yield figure


async def _storm(site: Site, server: Served, fleet: FakeEnvoys) -> AsyncIterator[Figure]:
    memory, cpu = server.memory, server.cpu
    await fleet.ask("storm")
    made_at = await _blow(site)
    right = await _settled(fleet)
    late = (time.time_ns() - made_at[-1]) / 1e9
    spent, took = server.cpu - cpu, (made_at[-1] - made_at[0]) / 1e9
    delays = await fleet.delays(made_at, SERVICES)
    yield Figure("changes a second, made", CHANGES / took)
    yield Figure("CPU of the server, its catching up included", spent / took, "cores", limit=1)
    yield Figure("streams with a wrong end state", STREAMS - right, limit=0)
    yield Figure("from the last change to that", late, "s")
    yield Figure("change to ACK, median", delays.p50, "ms")
    yield Figure("change to ACK, 99 %", delays.p99, "ms")
    yield Figure("change to ACK, worst", delays.worst, "ms")
    yield Figure("changes that reached a stream, of 100", 100 * delays.count / (CHANGES * STREAMS))
    yield Figure("memory", server.memory, "MB", {"before": memory})


async def _blow(site: Site) -> list[int]:
    """Make changes at the rate, if the machine can. Returns the time of each, in nanoseconds since 1970."""
    made_at: list[int] = []
    began = time.monotonic()
    while len(made_at) < CHANGES:
        due = min(CHANGES, int((time.monotonic() - began) * RATE))
        for number in range(len(made_at), due):
            made_at.append(time.time_ns())
            site.move(number % SERVICES, _address(number))
        await asyncio.sleep(STEP)
    return made_at


def _address(change: int) -> str:
    """An address for go/fleet/storm.go, lower than all others, as endpoints are sorted."""
    return f"1.{change >> 16}.{change >> 8 & 255}.{change & 255}"


async def _settled(fleet: FakeEnvoys) -> int:
    """The number of streams with the last change of every service, after all have it or after a minute."""
    last = {cluster_name(number % SERVICES): _address(number) for number in range(CHANGES - SERVICES, CHANGES)}
    right = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while (right := await fleet.holding(last)) < fleet.size:
                await asyncio.sleep(0.02)
    return right
