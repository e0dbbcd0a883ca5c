"""The cost of an endpoint change is the same among 10,000 clusters, and arises only with subscriptions."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.bench.changes import cost
from tests.bench.fake_envoys import fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, cluster_name, temporary_folder
from tests.bench.server import Served, served

FEW: Final = 1000
MANY: Final = 10_000
STREAMS: Final = 200
ROUNDS: Final = 50

ALL: Final = 100
SUBSCRIBED: Final = 10

MOVING: Final = 7


async def measure() -> AsyncIterator[Figure]:
    """Delta. A change is a file of its own; the time includes reading the file."""
    async with _serving(FEW) as (site, server):
        few = await _cost(site, server, STREAMS)
        alone = await _cost(site, server, SUBSCRIBED)
        among = await _cost(site, server, SUBSCRIBED, others=ALL - SUBSCRIBED)
    async with _serving(MANY) as (site, server):
        many = await _cost(site, server, STREAMS)
    yield Figure(f"CPU for a change, {STREAMS} streams, {MANY:,} clusters", many, "ms", {f"{FEW:,} clusters": few}, 1.2)
    name = f"CPU for a change, {SUBSCRIBED} of {ALL} streams subscribed"
    yield Figure(name, among, "ms", {f"{SUBSCRIBED} streams alone": alone}, 1.2)


@contextlib.asynccontextmanager
async def _serving(count: int) -> AsyncIterator[tuple[Site, Served]]:
    with temporary_folder() as temporary:
        site = Site(Path(temporary), count, moving=[MOVING])
        async with served(site.folder) as server:
            await server.ready()
            yield site, server


async def _cost(site: Site, server: Served, streams: int, others: int = 0) -> float:
    """Milliseconds, among further streams without a subscription to the cluster."""

    async def move(first: str) -> None:
        site.move(MOVING, first)

    async with contextlib.AsyncExitStack() as stack:
        if others:
            without = [cluster_name(MOVING)]
            await (await stack.enter_async_context(fake_envoys(server.listen, others, without=without))).quiet()
        fleet = await stack.enter_async_context(fake_envoys(server.listen, streams))
        await fleet.quiet()
        return (await cost(server, fleet, move, rounds=ROUNDS)).cpu
