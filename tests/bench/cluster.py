"""5,000 Ingresses, Services and EndpointSlices with 10 endpoints each in a real API server."""

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.server import Served, serving
from tests.support.cluster import Cluster, cluster

COUNT: Final = 5000
ENDPOINTS: Final = 10
CONNECTIONS: Final = 48
NAMESPACE: Final = "bench"

CORE: Final = f"/api/v1/namespaces/{NAMESPACE}"
INGRESSES: Final = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SERVICES: Final = f"{CORE}/services"


async def measure() -> dict[str, float]:
    """Times are from the start of the process, imports included. The lists unread are what the API server takes to send
    the same three lists to a client that only counts bytes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        async with cluster(Path(temporary)) as running, _session(running) as session:
            await _fill(running, session)
            seconds, size = await _read_lists(session)
            async with serving("--kubeconfig", str(running.kubeconfig)) as server:
                figures = await _started(server)
            return {
                **figures,
                "the same lists, unread, wall (s)": seconds,
                "their size (MB)": size / 1e6,
            }


async def _started(server: Served) -> dict[str, float]:
    seconds = await server.ready()
    cpu, memory, peak = server.cpu, server.memory, server.peak
    return {
        "start to first snapshot, wall (s)": seconds,
        "start to first snapshot, CPU (s)": cpu,
        "memory (MB)": memory,
        "memory at most (MB)": peak,
        "resources in the first snapshot": await _resources(server),
    }


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


async def _create(session: aiohttp.ClientSession, objects: Iterator[tuple[str, dict[str, Any]]]) -> None:
    for path, body in objects:
        async with session.post(path, data=json.dumps(body)) as answer:
            await answer.read()


def _objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Collections and what belongs into them. Without selectors: the EndpointSlice controller leaves them alone."""
    for number in range(COUNT):
        name = f"web-{number}"
        yield SERVICES, {"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}
        yield SLICES, _slice(name, number)
        yield INGRESSES, _ingress(name, f"host-{number}.example.com")


def _slice(name: str, number: int) -> dict[str, Any]:
    network = f"10.{number >> 8}.{number & 255}"
    return {
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [
            {"addresses": [f"{network}.{host}"], "conditions": {"ready": True}, "nodeName": "node-1"}
            for host in range(1, ENDPOINTS + 1)
        ],
    }


def _ingress(name: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {"metadata": {"name": name}, "spec": {"ingressClassName": "envoy", "rules": [rule]}}


async def _read_lists(session: aiohttp.ClientSession) -> tuple[float, int]:
    """Seconds and bytes."""
    began = time.monotonic()
    sizes = await asyncio.gather(*(_read(session, path) for path in (SERVICES, SLICES, INGRESSES)))
    return time.monotonic() - began, sum(sizes)


async def _read(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path, headers={"Accept-Encoding": "identity"}) as answer:
        return sum([len(piece) async for piece in answer.content.iter_any()])
