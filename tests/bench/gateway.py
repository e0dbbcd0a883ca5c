"""5,000 HTTPRoutes of one Gateway, beside 5,000 Ingresses."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.changes import Cost, cost
from tests.bench.fake_envoys import fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import GatewaySite, Site, temporary_folder
from tests.bench.server import served

COUNT: Final = 5000
STREAMS: Final = 20
ROUNDS: Final = 40

EDITED: Final = 6
MOVING: Final = 7

BESIDE: Final = "Ingresses"


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one site.

    Attributes:
        start: Seconds to /readyz.
        cpu: Seconds of the server's processor until then.
        memory: Megabytes, with STREAMS streams.
        edit: The cost of an edit of a route.
        endpoint: The cost of a change of an endpoint.
        edit_size: Bytes of an edit on a stream.
    """

    start: float
    cpu: float
    memory: float
    edit: Cost
    endpoint: Cost
    edit_size: float


async def measure() -> AsyncIterator[Figure]:
    """Delta streams. Files are read again with each edit, of one object each."""
    routes, ingresses = await _measured(GatewaySite), await _measured(Site)
    yield Figure(f"{COUNT:,} HTTPRoutes: start", routes.start, "s", {BESIDE: ingresses.start})
    yield Figure(f"{COUNT:,} HTTPRoutes: CPU at the start", routes.cpu, "s", {BESIDE: ingresses.cpu})
    name = f"{COUNT:,} HTTPRoutes, {STREAMS} streams: memory"
    yield Figure(name, routes.memory, "MB", {BESIDE: ingresses.memory})
    yield Figure("CPU for an edit", routes.edit.cpu, "ms", {BESIDE: ingresses.edit.cpu})
    yield Figure("edit to last ACK", routes.edit.last, "ms", {BESIDE: ingresses.edit.last})
    yield Figure("sent to each for an edit", routes.edit_size, "B", {BESIDE: ingresses.edit_size})
    yield Figure("CPU for an endpoint change", routes.endpoint.cpu, "ms", {BESIDE: ingresses.endpoint.cpu})
    yield Figure("endpoint change to last ACK", routes.endpoint.last, "ms", {BESIDE: ingresses.endpoint.last})


async def _measured(kind: type[Site]) -> Measured:
    with temporary_folder() as temporary:
        site = kind(Path(temporary), COUNT, moving=[MOVING], edited=[EDITED])

        async def edit(text: str) -> None:
            site.edit(EDITED, f"/{text}")

        async def move(first: str) -> None:
            site.move(MOVING, first)

        async with served(site.folder, *site.flags) as server:
            start = await server.ready()
            cpu = await server.settled()
            async with fake_envoys(server.listen, STREAMS) as fleet:
                await fleet.quiet()
                memory = server.memory
                before = (await fleet.stat())["bytes"]
                edits = await cost(server, fleet, edit, rounds=ROUNDS)
                size = ((await fleet.stat())["bytes"] - before) / STREAMS / (ROUNDS + 1)
                endpoints = await cost(server, fleet, move, rounds=ROUNDS)
    return Measured(start, cpu, memory, edits, endpoints, size)
