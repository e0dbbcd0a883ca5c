"""5,000 Ingresses, Services and EndpointSlices with 10 endpoints each in a real API server."""

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.figures import Figure
from tests.bench.objects import NAMESPACE, Object, endpoint_slice, ingress, service
from tests.bench.server import Served, serving
from tests.support.cluster import Cluster, cluster

COUNT: Final = 5000
CONNECTIONS: Final = 48

CORE: Final = f"/api/v1/namespaces/{NAMESPACE}"
INGRESSES: Final = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SERVICES: Final = f"{CORE}/services"


async def measure() -> AsyncIterator[Figure]:
    """Times are from the start of the process, imports included. The lists unread are what the API server takes to send
    the same three lists to a client that only counts bytes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        async with cluster(Path(temporary)) as running, _session(running) as session:
            await _fill(running, session)
            seconds, size = await _read_lists(session)
            async with serving("--kubeconfig", str(running.kubeconfig)) as server:
                for figure in await _started(server):
                    yield figure
    yield Figure("the same lists, unread, wall", seconds, "s")
    yield Figure("their size", size / 1e6, "MB")


async def _started(server: Served) -> list[Figure]:
    return [
        Figure("start to first snapshot, wall", await server.ready(), "s"),
        Figure("start to first snapshot, CPU", server.cpu, "s"),
        Figure("memory", server.memory, "MB"),
        Figure("memory at most", server.peak, "MB"),
        Figure("resources in the first snapshot", await _resources(server)),
    ]


async def _resources(server: Served) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"http://{server.admin}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    samples = [sample for family in families for sample in family.samples]
    return int(sum(sample.value for sample in samples if sample.name == "xds_resources"))


def _session(running: Cluster) -> aiohttp.ClientSession:
    trusting = ssl.create_default_context(cafile=running.ca)
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusting)
    return aiohttp.ClientSession(running.server, headers=headers, connector=connector, raise_for_status=True)


async def _fill(running: Cluster, session: aiohttp.ClientSession) -> None:
    """So many requests at a time as there are connections."""
    await running.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    objects = _objects()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_create(session, objects))


async def _create(session: aiohttp.ClientSession, objects: Iterator[tuple[str, Object]]) -> None:
    for path, body in objects:
        async with session.post(path, data=json.dumps(body)) as answer:
            await answer.read()


def _objects() -> Iterator[tuple[str, Object]]:
    """Collections and what belongs into them."""
    for number in range(COUNT):
        yield SERVICES, service(number)
        yield SLICES, endpoint_slice(number)
        yield INGRESSES, ingress(number)


async def _read_lists(session: aiohttp.ClientSession) -> tuple[float, int]:
    """Seconds and bytes."""
    began = time.monotonic()
    sizes = await asyncio.gather(*(_read(session, path) for path in (SERVICES, SLICES, INGRESSES)))
    return time.monotonic() - began, sum(sizes)


async def _read(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path, headers={"Accept-Encoding": "identity"}) as answer:
        return sum([len(piece) async for piece in answer.content.iter_any()])
