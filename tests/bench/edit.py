"""An Ingress gets another path, among 100 Ingresses and among 10,000."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.changes import Cost, cost
from tests.bench.fake_envoys import fake_envoys
from tests.bench.figures import Figure
from tests.bench.objects import Site, temporary_folder
from tests.bench.server import Served, served

FEW: Final = 100
MANY: Final = 10_000
STREAMS: Final = 20
ROUNDS: Final = 40

EDITED: Final = 7


@dataclass(frozen=True, slots=True)
class Edit:
    """The cost of an edit, and its bytes on a stream."""

    cost: Cost
    size: float


async def measure() -> AsyncIterator[Figure]:
    """An edit is a file of its own; the time includes reading the file."""
    edits = {count: await _edits(count) for count in (FEW, MANY)}
    for variant in ("delta", "SotW"):
        few, many = edits[FEW][variant], edits[MANY][variant]
        limit = 2 if variant == "delta" else None
        name = f"{variant}, {STREAMS} streams, {MANY:,} Ingresses"
        column = f"{FEW} Ingresses"
        yield Figure(f"{name}: CPU for an edit", many.cost.cpu, "ms", {column: few.cost.cpu}, limit)
        yield Figure(f"{name}: edit to last ACK", many.cost.last, "ms", {column: few.cost.last})
        yield Figure(f"{name}: sent to each", many.size, "B", {column: few.size}, limit)


async def _edits(count: int) -> dict[str, Edit]:
    with temporary_folder() as temporary:
        site = Site(Path(temporary), count, edited=[EDITED])
        async with served(site.folder) as server:
            await server.ready()
            return {variant: await _edit(site, server, sotw=variant == "SotW") for variant in ("delta", "SotW")}


async def _edit(site: Site, server: Served, *, sotw: bool) -> Edit:
    async def edit(text: str) -> None:
        site.edit(EDITED, f"/{text}")

    async with fake_envoys(server.listen, STREAMS, sotw=sotw) as fleet:
        await fleet.quiet()
        before = (await fleet.stat())["bytes"]
        costs = await cost(server, fleet, edit, rounds=ROUNDS)
        size = ((await fleet.stat())["bytes"] - before) / STREAMS / (ROUNDS + 1)
    return Edit(costs, size)
