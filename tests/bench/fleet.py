"""One endpoint changes among 1,000 clusters of 10 endpoints, in a fleet of 1,000 proxies."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.changes import Change, Cost, cost
from tests.bench.fake_envoys import fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, temporary_folder
from tests.bench.peers import peer
from tests.bench.server import Running, served

CLUSTERS: Final = 1000
STREAMS: Final = 1000
ROUNDS: Final = 20
PEER_ROUNDS: Final = 5
"""Peers take a second or more of processor for a round."""

MOVING: Final = 7


@dataclass(frozen=True, slots=True)
class Fed:
    """The cost of feeding a fleet: seconds of processor, and megabytes after the feed and after the changes."""

    feeding: float
    memory: float
    change: Cost
    memory_after: float


async def measure(caches: Collection[str]) -> AsyncIterator[Figure]:
    """Here a change is a file, whose reading is included; go-control-plane gets a function call."""
    with temporary_folder() as temporary:
        site = Site(Path(temporary), CLUSTERS, moving=[MOVING])
        for sotw in (False, True):
            here, beside = await _side_by_side(site, caches, sotw=sotw)
            for figure in _figures("SotW" if sotw else "delta", here, beside):
                yield figure


async def _side_by_side(site: Site, caches: Collection[str], *, sotw: bool) -> tuple[Fed, dict[str, Fed]]:
    async def move(first: str) -> None:
        site.move(MOVING, first)

    async with served(site.folder) as server:
        await server.ready()
        here = await _feed(server, move, ROUNDS, sotw=sotw)
        beside = {name: await _feed_peer(name, server, sotw=sotw) for name in caches}
    return here, beside


async def _feed_peer(name: str, original: Running, *, sotw: bool) -> Fed:
    async with peer(name, original.listen) as server:

        async def move(first: str) -> None:
            await server.move(MOVING, first)

        return await _feed(server, move, PEER_ROUNDS, sotw=sotw)


async def _feed(server: Running, change: Change, rounds: int, *, sotw: bool) -> Fed:
    before = await server.settled()
    async with fake_envoys(server.listen, STREAMS, sotw=sotw) as fleet:
        await fleet.quiet()
        feeding, memory = await server.settled() - before, server.memory
        changed = await cost(server, fleet, change, rounds=rounds)
        return Fed(feeding, memory, changed, server.memory)


_LIMITS: Final = {"delta": (1 / 10, 1 / 8, 1 / 3), "SotW": (1 / 6, None, None)}


def _figures(variant: str, here: Fed, beside: dict[str, Fed]) -> Iterator[Figure]:
    def figure(name: str, of: Callable[[Fed], float], unit: str, limit: float | None = None) -> Figure:
        others = {name: of(fed) for name, fed in beside.items()}
        return Figure(f"{variant}: {name}", of(here), unit, others, limit if others else None)

    cpu, last, feeding = _LIMITS[variant]
    yield figure("CPU for a change", lambda fed: fed.change.cpu, "ms", cpu)
    yield figure("change to first ACK", lambda fed: fed.change.first, "ms")
    yield figure("change to last ACK", lambda fed: fed.change.last, "ms", last)
    yield figure("change to last ACK, worst", lambda fed: fed.change.worst, "ms")
    yield figure("feeding all, CPU", lambda fed: fed.feeding, "s", feeding)
    yield figure("memory, all fed", lambda fed: fed.memory, "MB")
    yield figure("memory after changes", lambda fed: fed.memory_after, "MB")
