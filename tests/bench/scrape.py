"""A scrape of the control plane's metrics: size, time, and for how long other work waits."""

import asyncio
import base64
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.figures import Figure
from tests.bench.objects import IN_A_FILE, NAMESPACE, Object, ingress, service, temporary_folder
from tests.bench.server import Served, served, write
from tests.support.ads_client import LDS, DeltaClient
from tests.support.authority import Authority

INGRESSES: Final = 5000
PROXIES: Final = 1000
ROUNDS: Final = 15

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


async def measure() -> AsyncIterator[Figure]:
    """Each Ingress has a Secret of its own, as the dates of served certificates are most of a scrape."""
    with temporary_folder() as temporary:
        folder = Path(temporary) / "manifests"
        folder.mkdir()
        _fill(folder)
        async with served(folder, "--default-tls-secret", f"{NAMESPACE}/cert-0") as server:
            await server.ready()
            async with contextlib.AsyncExitStack() as stack:
                await _connect(stack, server)
                async for figure in _scrapes(server):
                    yield figure


async def _scrapes(server: Served) -> AsyncIterator[Figure]:
    for name, headers in (("plain", {}), ("OpenMetrics, gzip", {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"})):
        seconds, waits, cpu, size, lines = [], [], [], 0, 0
        for _ in range(ROUNDS):
            before = server.cpu_exact
            async with _waiting(server) as waited:
                began = time.perf_counter()
                size, lines = await _scrape(server, headers)
                seconds.append(time.perf_counter() - began)
            cpu.append(server.cpu_exact - before)
            waits.append(max(waited))
            await asyncio.sleep(0.2)
        if not headers:
            yield Figure(f"{name}: lines", lines)
        yield Figure(f"{name}: size", size / 1024, "kB")
        yield Figure(f"{name}: CPU", 1000 * statistics.median(cpu), "ms")
        yield Figure(f"{name}: scrape", 1000 * statistics.median(seconds), "ms")
        yield Figure(f"{name}: longest wait of a probe beside", 1000 * statistics.median(waits), "ms")


async def _scrape(server: Served, headers: Mapping[str, str]) -> tuple[int, int]:
    """Bytes as sent, and lines."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "", **headers}) as session,
        session.get(f"http://{server.admin}/metrics") as answer,
    ):
        data = await answer.read()
    return len(data), data.count(b"\n")


@contextlib.asynccontextmanager
async def _waiting(server: Served) -> AsyncIterator[list[float]]:
    """The seconds of probes, one after the other."""
    waited: list[float] = []

    async def probe() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.perf_counter()
                async with session.get(f"http://{server.admin}/healthz") as answer:
                    await answer.read()
                waited.append(time.perf_counter() - began)

    task = asyncio.create_task(probe())
    try:
        await asyncio.sleep(0.05)
        yield waited
        await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _connect(stack: contextlib.AsyncExitStack, server: Served) -> None:
    for number in range(PROXIES):
        client = DeltaClient(server.listen, f"envoy-{number}")
        stack.push_async_callback(client.close)
        await client.open().subscribe(LDS, "none")  # else each gets 5,000 certificates
    while await server.metric("xds_ingress_proxies_connected") < PROXIES:
        await asyncio.sleep(0.1)


def _fill(folder: Path) -> None:
    authority, items = Authority(), list[Object]()
    for number in range(INGRESSES):
        issued = authority.issue(f"host-{number}.example.com")  # equal certificates would be served as one
        data = {"tls.crt": issued.certificate, "tls.key": issued.private_key}
        encoded = {name: base64.b64encode(content).decode() for name, content in data.items()}
        found = ingress(number)
        found["spec"]["tls"] = [{"hosts": [f"host-{number}.example.com"], "secretName": f"cert-{number}"}]
        metadata = {"name": f"cert-{number}", "namespace": NAMESPACE}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/tls",
            "data": encoded,
        }
        items += [found, service(number), secret]
    for start in range(0, len(items), IN_A_FILE):
        content = {"apiVersion": "v1", "kind": "List", "items": items[start:][:IN_A_FILE]}
        write(folder / f"objects-{start}.json", json.dumps(content))
