"""10,000 Ingresses of which a third have policies, beside as many without."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.changes import Cost, cost
from tests.bench.fake_envoys import fake_envoys
from tests.bench.figures import Figure
from tests.bench.filters import FAMILIES
from tests.bench.objects import NO_ANNOTATIONS, Annotations, Site, temporary_folder, unannotated
from tests.bench.server import served

COUNT: Final = 10_000
STREAMS: Final = 20
ROUNDS: Final = 40

EDITED: Final = 6
"""Has a policy."""

BESIDE: Final = "without policies"

_FAMILIES: Final = [annotations for name, annotations in FAMILIES.items() if annotations and name != "error pages"]
"""The default backend of the error pages is no Service here."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one site.

    Attributes:
        start: Seconds to /readyz.
        memory: Megabytes, with STREAMS streams.
        first: Bytes to a proxy that connects.
        edit: The cost of an edit.
        edit_size: Bytes of an edit on a stream.
    """

    start: float
    memory: float
    first: float
    edit: Cost
    edit_size: float


async def measure() -> AsyncIterator[Figure]:
    """Delta streams."""
    some, none = await _measured(_third), await _measured(unannotated)
    yield Figure(f"{COUNT:,} Ingresses: start", some.start, "s", {BESIDE: none.start})
    yield Figure(f"{COUNT:,} Ingresses, {STREAMS} streams: memory", some.memory, "MB", {BESIDE: none.memory})
    yield Figure(f"{COUNT:,} Ingresses: sent to a proxy that connects", some.first, "B", {BESIDE: none.first})
    yield Figure("CPU for an edit", some.edit.cpu, "ms", {BESIDE: none.edit.cpu})
    yield Figure("edit to last ACK", some.edit.last, "ms", {BESIDE: none.edit.last})
    yield Figure("sent to each for an edit", some.edit_size, "B", {BESIDE: none.edit_size})


def _third(number: int) -> Mapping[str, str]:
    return NO_ANNOTATIONS if number % 3 else _FAMILIES[number // 3 % len(_FAMILIES)]


async def _measured(annotations: Annotations) -> Measured:
    with temporary_folder() as temporary:
        site = Site(Path(temporary), COUNT, edited=[EDITED], annotations=annotations)

        async def edit(text: str) -> None:
            site.edit(EDITED, f"/{text}")

        async with served(site.folder) as server:
            start = await server.ready()
            async with fake_envoys(server.listen, STREAMS) as fleet:
                await fleet.quiet()
                before = (await fleet.stat())["bytes"]
                memory = server.memory
                costs = await cost(server, fleet, edit, rounds=ROUNDS)
                after = (await fleet.stat())["bytes"]
    return Measured(start, memory, before / STREAMS, costs, (after - before) / STREAMS / (ROUNDS + 1))
