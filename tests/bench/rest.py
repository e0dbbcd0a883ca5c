"""Latency at rest: from an EndpointSlice's line in a watch to the first byte at a proxy, with Contour in turn."""

import asyncio
import contextlib
import os
import random
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench import contour
from tests.bench.changes import marker
from tests.bench.fake_envoys import FakeEnvoys, fake_envoys
from tests.bench.figures import Figure
from tests.bench.filled import SLICES, Filled, filled, in_namespace
from tests.bench.objects import endpoint_slice
from tests.bench.server import Running, serving

SERVICES: Final = 200
FLIPS: Final = 300
"""Of each side with one stream."""

STREAMS: Final = 1000
FLIPS_OF_MANY: Final = 40

DROPPED: Final = 5
"""First flips of each side that don't count: caches are empty."""

PAUSE_SECONDS: Final = (0.03, 0.12)
PAUSE_SECONDS_OF_MANY: Final = (0.3, 0.6)

CHECKOUT: Final = "BENCH_BEFORE"
"""The environment variable with the folder of another checkout of this project, to be measured in turn as well."""

HERE: Final = "here"
BEFORE: Final = "before"


@dataclass(frozen=True, slots=True)
class Side:
    """A server that follows a namespace of its own, so that a flip there is no work for the others."""

    name: str
    server: Running
    sotw: bool

    @property
    def namespace(self) -> str:
        return _namespace(self.name)


@dataclass(frozen=True, slots=True)
class Flips:
    """Milliseconds, one for each flip.

    Attributes:
        first: From the line at the bare watch to the first byte at the first stream.
        middle: The same at the middle one.
        last: The same at the last one.
        cpu: Of the server's processor.
    """

    first: list[float] = field(default_factory=list)
    middle: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


async def measure() -> AsyncIterator[Figure]:
    """The bare watch and the streams are in one process, whose clock stamps both."""
    names = (HERE, *([BEFORE] if os.environ.get(CHECKOUT) else []), contour.NAME)
    async with filled(SERVICES, namespaces=tuple(map(_namespace, names))) as full, _sides(full, names) as sides:
        one = await _measured(full, sides, 1, FLIPS, PAUSE_SECONDS)
        many = await _measured(full, sides, STREAMS, FLIPS_OF_MANY, PAUSE_SECONDS_OF_MANY)
    for figure in (*_of_one(one), *_of_many(many)):
        yield figure


def _namespace(name: str) -> str:
    return f"bench-{name.partition(' ')[0].lower()}"


@contextlib.asynccontextmanager
async def _sides(full: Filled, names: Sequence[str]) -> AsyncIterator[list[Side]]:
    async with contextlib.AsyncExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = []
        for name in names:
            if name == contour.NAME:
                server: Running = await stack.enter_async_context(contour.running(full.cluster, _namespace(name)))
            else:
                source = ("--kubeconfig", str(full.cluster.kubeconfig), "--namespace", _namespace(name))
                checkout = Path(os.environ[CHECKOUT]) if name == BEFORE else None
                log = temporary / f"{name}.log"
                served = serving(*source, "--log-level", "info", log=log, checkout=checkout)
                server = await stack.enter_async_context(served)
            sides.append(Side(name, server, sotw=name == contour.NAME))
        yield sides


async def _measured(
    full: Filled, sides: Sequence[Side], streams: int, count: int, pause: tuple[float, float]
) -> dict[str, Flips]:
    """The flips of all sides, which take turns."""
    async with contextlib.AsyncExitStack() as stack:
        fleets = {}
        for side in sides:
            fleet = await stack.enter_async_context(fake_envoys(side.server.listen, streams, sotw=side.sotw))
            await fleet.quiet()
            path = in_namespace(SLICES, side.namespace)
            url = f"{full.cluster.server}{path}?watch=1&resourceVersion=0"
            await fleet.follow(url, full.cluster.ca, full.cluster.token)
            fleets[side.name] = fleet
        found = {side.name: Flips() for side in sides}
        for number in range(DROPPED + count):
            for side in sides:
                await asyncio.sleep(random.uniform(*pause))
                into = found[side.name] if number >= DROPPED else Flips()
                await _flip(full, side, fleets[side.name], into)
        return found


async def _flip(full: Filled, side: Side, fleet: FakeEnvoys, into: Flips) -> None:
    number, text = random.randrange(SERVICES), marker()
    changed = endpoint_slice(number, text)
    path = in_namespace(f"{SLICES}/{changed['metadata']['name']}", side.namespace)
    await fleet.mark(text, fleet.size)
    cpu = side.server.cpu_exact
    await full.patch(path, {"endpoints": changed["endpoints"]})
    seen = await fleet.seen(fleet.size)
    await asyncio.sleep(0.02 if fleet.size == 1 else 0.2)  # the ACKs, and whatever follows a push
    into.cpu.append((side.server.cpu_exact - cpu) * 1000)
    for times, at in ((into.first, seen.first_byte), (into.middle, seen.p50_byte), (into.last, seen.last_byte)):
        times.append((at - seen.line) / 1e6)


def _of_one(flips: Mapping[str, Flips]) -> Iterator[Figure]:
    yield _figure(flips, "1 stream, line to first byte: median", lambda each: statistics.median(each.first), limit=1.0)
    yield _figure(flips, "1 stream, 90 %", lambda each: _percentile(each.first, 90))
    yield _figure(flips, "1 stream, 99 %", lambda each: _percentile(each.first, 99))
    yield _figure(flips, "1 stream, CPU for a flip", lambda each: statistics.mean(each.cpu))


def _of_many(flips: Mapping[str, Flips]) -> Iterator[Figure]:
    many = f"{STREAMS:,} streams"
    yield _figure(flips, f"{many}, first: median", lambda each: statistics.median(each.first), limit=1.0)
    yield _figure(flips, f"{many}, first: 90 %", lambda each: _percentile(each.first, 90))
    yield _figure(flips, f"{many}, middle: median", lambda each: statistics.median(each.middle))
    yield _figure(flips, f"{many}, last: median", lambda each: statistics.median(each.last))
    yield _figure(flips, f"{many}, CPU for a flip", lambda each: statistics.mean(each.cpu))


def _figure(
    flips: Mapping[str, Flips], name: str, of: Callable[[Flips], float], *, limit: float | None = None
) -> Figure:
    beside = {other: of(each) for other, each in flips.items() if other != HERE}
    return Figure(name, of(flips[HERE]), "ms", beside, limit if BEFORE not in flips else None)


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
