"""The memory bound of `xds bootstrap --max-memory`, on a real Envoy that clients fill.

Requests with 50 KB of headers wait for a backend that never answers, so that Envoy holds each of them.
Excludes: the limit of a container (k8s/envoy/deployment.yaml passes it by the downward API: tests/manifests).
"""

import asyncio
import contextlib
import json
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.http import get
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.site import Site, echoes, site
from xds.bootstrap.config import FULL_MEMORY

CLIENTS = 1_200
HEADER_KILOBYTES = 50
MAX_MEMORY_BYTES = 48_000_000
PAUSE_SECONDS = 0.004
"""Pause after each client. Envoy looks at its memory every 250 ms, and takes 60 clients, 3 MB, in between."""

OVERSHOOT = 2.0
"""More than a busy machine lets Envoy take between two looks at its memory. Without a bound it takes 228 MB."""

SLACK = 1.15

HOST = "a.example"

pytestmark = needs_envoy


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """As many descriptors as the system allows: each client takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def silent_backend() -> AsyncIterator[int]:
    """The port of a server that reads requests, and never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=CLIENTS)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def running(folder: Path, stats_port: int, max_memory_bytes: int | None) -> AsyncIterator[Site]:
    web, silent = service("web"), service("silent")
    shop = ingress("shop", rule(HOST, path("/", "web"), path("/silent", "silent")))
    async with echoes([web]) as slices, silent_backend() as port:
        silent_slice = slice_of("silent", "127.0.0.1", ports=[{"port": port}])
        bound = site(
            folder, shop, web, silent, silent_slice, *slices, stats_port=stats_port, max_memory_bytes=max_memory_bytes
        )
        async with bound as started:
            yield started


@contextlib.asynccontextmanager
async def filling(port: int) -> AsyncIterator[None]:
    """Clients that wait for an answer of the silent backend, from the last request sent to the end."""
    writers: list[asyncio.StreamWriter] = []
    headers = "".join(f"x-{number}: {'a' * 1000}\r\n" for number in range(HEADER_KILOBYTES))
    request = f"GET /silent HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n".encode()
    try:
        for _ in range(CLIENTS):
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                writer.write(request)
                await writer.drain()
            await asyncio.sleep(PAUSE_SECONDS)
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


async def heap_bytes(site: Site) -> int:
    """The size that Envoy's monitor compares with the bound."""
    memory = json.loads(await site.envoy.get("/memory"))
    return int(memory["heap_size"]) - int(memory["pageheap_unmapped"])


async def until_status(site: Site, *expected: int) -> None:
    async with asyncio.timeout(30):
        while (await site.get(HOST)).status not in expected:
            await asyncio.sleep(0.05)


async def test_a_full_envoy_stays_below_its_bound_and_recovers(tmp_path: Path) -> None:
    stats_port = free_port()
    async with running(tmp_path, stats_port, MAX_MEMORY_BYTES) as site:
        assert (await site.get(HOST)).status == 200
        async with filling(site.proxy.http_port):
            await until_status(site, 503, 0)
            assert await heap_bytes(site) < MAX_MEMORY_BYTES * OVERSHOOT
            assert await heap_bytes(site) > MAX_MEMORY_BYTES * FULL_MEMORY / SLACK
            assert (await get(stats_port, "any", "/ready")).status == 200
        await until_status(site, 200)


async def test_an_envoy_without_a_bound_takes_more(tmp_path: Path) -> None:
    """The control case: the same clients need more memory."""
    async with running(tmp_path, free_port(), None) as site, filling(site.proxy.http_port):
        assert (await site.get(HOST)).status == 200
        assert await heap_bytes(site) > MAX_MEMORY_BYTES * OVERSHOOT
