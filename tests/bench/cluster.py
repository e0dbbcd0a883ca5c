"""Start on a real API server with 5,000 Ingresses, Services and EndpointSlices of 10 endpoints each."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from tests.bench.figures import Figure
from tests.bench.filled import INGRESSES, SERVICES, SLICES, filled
from tests.bench.imports import import_cpu
from tests.bench.server import Served, serving

COUNT: Final = 5000


async def measure() -> AsyncIterator[Figure]:
    """Times are from the start of the process, imports included unless stated. "Lists unread" is the time in which the
    API server sends the same three lists to a client that only counts bytes.
    """
    async with filled(COUNT) as full:
        seconds, size = await _read_lists(full.session)
        async with serving("--kubeconfig", str(full.cluster.kubeconfig)) as server:
            for figure in await _started(server):
                yield figure
    yield Figure("the same lists, unread, wall", seconds, "s")
    yield Figure("their size", size / 1e6, "MB")


async def _started(server: Served) -> list[Figure]:
    seconds = await server.ready()
    cpu, memory, peak = server.cpu, server.memory, server.peak
    return [
        Figure("start to first snapshot, wall", seconds, "s"),
        Figure("start to first snapshot, CPU", cpu, "s"),
        Figure("… after imports", cpu - await import_cpu("xds.cli.serve, xds.controlplane.app"), "s", limit=1.2),
        Figure("memory", memory, "MB", limit=250),
        Figure("memory at most", peak, "MB"),
        Figure("resources in the first snapshot", await server.metric("xds_ingress_resources")),
    ]


async def _read_lists(session: aiohttp.ClientSession) -> tuple[float, int]:
    """Seconds and bytes."""
    began = time.monotonic()
    sizes = await asyncio.gather(*(_read(session, path) for path in (SERVICES, SLICES, INGRESSES)))
    return time.monotonic() - began, sum(sizes)


async def _read(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path, headers={"Accept-Encoding": "identity"}) as answer:
        return sum([len(piece) async for piece in answer.content.iter_any()])
