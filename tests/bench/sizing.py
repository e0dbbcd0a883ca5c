"""Memory of the control plane and of an Envoy by the number of Ingresses, each with a Service of ten endpoints."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.figures import Figure
from tests.bench.objects import endpoint_slice, ingress, service, temporary_folder
from tests.bench.server import Running, Served, serving, write
from tests.support.envoy import free_port, running_envoy

COUNTS: Final = (0, 100, 1_000, 5_000, 10_000)
CLUSTERS: Final = "cluster_manager.active_clusters"
PATIENCE_SECONDS: Final = 300.0


async def measure() -> AsyncIterator[Figure]:
    for count in COUNTS:
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(temporary_folder()))
            items = [make(number) for number in range(count) for make in (service, endpoint_slice, ingress)]
            write(folder / "manifests" / "all.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
            ports = ("--http-port", str(free_port()), "--https-port", str(free_port()))
            source = ("--from", str(folder / "manifests"), "--listener-address", "127.0.0.1", *ports)
            server: Served = await stack.enter_async_context(serving(*source))
            seconds = await server.ready()
            envoy = await stack.enter_async_context(running_envoy(server.listen, folder, node="bench"))
            await envoy.until_ready()
            await _until_clusters(envoy.admin, count)
            title = f"{count:,} Ingresses"
            yield Figure(f"{title}: start of the control plane", seconds, "s")
            yield Figure(f"{title}: memory of the control plane", server.memory, "MB")
            yield Figure(f"{title}: peak memory of the control plane", server.peak, "MB")
            yield Figure(f"{title}: memory of an Envoy", Running(envoy.process, "").memory, "MB")


async def _until_clusters(admin: int, count: int) -> None:
    """Wait until Envoy has a cluster for each Service."""
    url = f"http://127.0.0.1:{admin}/stats?filter={CLUSTERS}$"
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as answer:
                if int((await answer.text()).rpartition(":")[2] or 0) >= count:
                    return
            await asyncio.sleep(0.5)
