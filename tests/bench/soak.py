"""Memory of the server with 1,000 proxies, before and after 10,000 endpoint changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.bench.changes import one
from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, temporary_folder
from tests.bench.server import Served, served

CLUSTERS: Final = 1000
STREAMS: Final = 1000
CHANGES: Final = 10_000
AT_ONCE: Final = 100
WARM: Final = 2000
"""Changes after which the history is full and the allocator has enough memory."""


async def measure() -> AsyncIterator[Figure]:
    """Delta. Changes come in bursts of AT_ONCE clusters, each burst after all ACKs of the one before."""
    with temporary_folder() as temporary:
        site = Site(Path(temporary), CLUSTERS, moving=range(AT_ONCE))
        async with served(site.folder) as server:
            await server.ready()
            yield Figure("no proxy", server.memory, "MB")
            async with fake_envoys(server.listen, STREAMS) as fleet:
                await fleet.quiet()
                yield Figure(f"{STREAMS:,} proxies, all fed", server.memory, "MB", limit=200)
                warm = await _soak(site, server, fleet, WARM)
                yield Figure(f"after {WARM:,} changes", warm, "MB", limit=200)
                end = await _soak(site, server, fleet, CHANGES - WARM)
                yield Figure(f"after {CHANGES:,} changes", end, "MB", {f"after {WARM:,}": warm}, 1.05)
                yield Figure("at most", server.peak, "MB")


async def _soak(site: Site, server: Served, fleet: FakeEnvoys, changes: int) -> float:
    """The memory after so many changes, in megabytes."""

    async def burst(text: str) -> None:
        for number in range(AT_ONCE):
            site.move(number, text)

    for _ in range(changes // AT_ONCE):
        await one(fleet, burst)
    await server.settled()
    return server.memory
