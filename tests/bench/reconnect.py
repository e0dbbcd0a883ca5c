"""1,000 proxies leave and come back at once, to 1,000 clusters of 10 endpoints."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.changes import one
from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, temporary_folder
from tests.bench.server import Served, served

CLUSTERS: Final = 1000
STREAMS: Final = 1000

MOVING: Final = 7


@dataclass(frozen=True, slots=True)
class Return:
    """The cost of a reconnect: seconds of processor until the server is quiet, resources sent to a stream, seconds to
    the last resource. `ended`: streams that the server ended on the way, and that reconnected.
    """

    cpu: float
    sent: float
    last: float
    ended: int


async def measure() -> AsyncIterator[Figure]:
    """Delta; streams resume with the versions of all their resources. Where every resource changed, no version is
    right.
    """
    with temporary_folder() as temporary:
        site = Site(Path(temporary), CLUSTERS, moving=[MOVING])
        async with served(site.folder) as server:
            await server.ready()
            async with fake_envoys(server.listen, STREAMS) as fleet:
                await fleet.quiet()
                same = await _return(server, fleet, "known")
                different = await _return(server, fleet, "stale")

                async def move(first: str) -> None:
                    site.move(MOVING, first)

                _, last = await one(fleet, move)
            for figure in _figures(same, different):
                yield figure
            yield Figure("a change afterwards, to the last ACK", last, "ms")
            yield Figure("memory", server.memory, "MB")
            yield Figure("memory at most", server.peak, "MB")


def _figures(same: Return, different: Return) -> Iterator[Figure]:
    column = "everything changed"
    yield Figure("nothing changed: CPU", same.cpu, "s", {column: different.cpu})
    yield Figure("nothing changed: resources sent to each", same.sent, "", {column: different.sent})
    yield Figure("nothing changed: streams ended by the server", same.ended, "", {column: different.ended})
    yield Figure("everything changed: leaving to the last resource", different.last, "s")


async def _return(server: Served, fleet: FakeEnvoys, having: str) -> Return:
    cpu, before = await server.settled(), await fleet.stat()
    began = time.time_ns()
    await fleet.reconnect(having)
    spent = await server.settled() - cpu
    stat = await fleet.stat()
    sent = sum(stat["resources"].values()) - sum(before["resources"].values())
    return Return(spent, sent / STREAMS, (stat["last"] - began) / 1e9, stat["ended"] - before["ended"])
