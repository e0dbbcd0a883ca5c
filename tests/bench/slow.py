"""Proxies without reads, beside 100 that read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.bench.changes import cost
from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, temporary_folder
from tests.bench.server import Served, served

CLUSTERS: Final = 1000
STREAMS: Final = 100
TRICKLING: Final = 50
STOPPED: Final = 2
"""One never reads; one stops after the first resources, so that there is room for a response, and sends no ACK."""

ROUNDS: Final = 100
PATIENCE: Final = 70
"""Limit in seconds, until streams without room for a response must be ended."""

MOVING: Final = 7


async def measure() -> AsyncIterator[Figure]:
    """Slow streams read one byte a second of their connection, after its handshake."""
    with temporary_folder() as temporary:
        site = Site(Path(temporary) / "manifests", CLUSTERS, moving=[MOVING])
        log = Path(temporary) / "log"
        async with served(site.folder, log=log) as server:
            await server.ready()
            async with fake_envoys(server.listen, STREAMS) as fleet:
                async for figure in _compare(site, server, fleet):
                    yield figure
        yield Figure("lines of the log that give that reason", log.read_text().count("read nothing"))


async def _compare(site: Site, server: Served, fleet: FakeEnvoys) -> AsyncIterator[Figure]:
    async def move(first: str) -> None:
        site.move(MOVING, first)

    await fleet.quiet()
    without = await cost(server, fleet, move, rounds=ROUNDS)
    memory = server.memory
    async with _slow(server):
        beside = await cost(server, fleet, move, rounds=ROUNDS)
        column = "without slow ones"
        name = f"beside {TRICKLING} that trickle, {STOPPED} stopped"
        yield Figure(f"{name}: change to last ACK", beside.last, "ms", {column: without.last})
        yield Figure(f"{name}: … worst", beside.worst, "ms", {column: without.worst})
        yield Figure(f"{name}: CPU for a change", beside.cpu, "ms", {column: without.cpu})
        yield Figure(f"{name}: memory", server.memory, "MB", {column: memory})
        await _until_cut_off(server)
        slow = TRICKLING + STOPPED
        yield Figure(f"of {slow} slow ones still connected", await _connected(server) - STREAMS)
        yield Figure(
            f"of {slow} cut off: xds_ingress_streams_ended_unread_total",
            await server.metric("xds_ingress_streams_ended_unread_total"),
        )
    after = await cost(server, fleet, move, rounds=ROUNDS)
    yield Figure("change to last ACK, when they are gone", after.last, "ms", {column: without.last})


@contextlib.asynccontextmanager
async def _slow(server: Served) -> AsyncIterator[None]:
    async with (
        fake_envoys(server.listen, TRICKLING, rate=1),
        fake_envoys(server.listen, 1, stopped=True),
        fake_envoys(server.listen, 1) as later,
    ):
        await later.quiet()
        await later.ask("stop")
        yield


async def _until_cut_off(server: Served) -> None:
    """For PATIENCE seconds."""
    for _ in range(PATIENCE):
        if await _connected(server) <= STREAMS:
            return
        await asyncio.sleep(1)


async def _connected(server: Served) -> float:
    return await server.metric("xds_ingress_proxies_connected")
