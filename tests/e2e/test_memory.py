"""The memory bound of `xds bootstrap --max-memory`, on a real Envoy that clients fill.

Requests with 50 KB of headers wait for a backend that never answers, so that Envoy holds each. Uploads by HTTP/2
wait for a backend that no connection reaches.
Excludes: the limit of a container (k8s/envoy/deployment.yaml passes it by the downward API: tests/manifests).
"""

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.http import get
from tests.support.http2 import ACK, DATA, FRAME_BYTES, SETTINGS, http2
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.bootstrap.config import FULL_MEMORY
from xds.resources.http_limits import CLIENT_STREAM_WINDOW_BYTES

CLIENTS = 1_200
HEADER_KILOBYTES = 50
MAX_MEMORY_BYTES = 48_000_000
PAUSE_SECONDS = 0.004
"""Pause after each client. Envoy looks at its memory every 250 ms, and takes 60 clients, 3 MB, in between."""

OVERSHOOT = 2.0
"""More than a busy machine lets Envoy take between two looks at its memory. Without a bound it takes 228 MB."""

SLACK = 1.15

HOST = "a.example"

UPLOADS = 40
"""Four times MAX_MEMORY_BYTES, at CLIENT_STREAM_WINDOW_BYTES each."""

RESET_STREAMS = "envoy.overload_actions.reset_high_memory_stream.count"
"""Envoy's counter. Clients can miss a reset if their connection is closed at the same time."""

UNREACHED = 4
"""Connections that fill the queue of a listener with a backlog of 0."""

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


@contextlib.contextmanager
def unreachable_backend() -> Iterator[int]:
    """The port of a listener with a full queue, so that connections to the port stay pending."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(UNREACHED):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def upload(port: int) -> None:
    """Upload as much as the window allows, and wait for an end, which Envoy makes in several ways."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        async with http2(port) as connection:
            while (await connection.frame()).type != SETTINGS:
                pass
            connection.send(SETTINGS, ACK, 0, b"")
            connection.request(HOST, method="POST", path="/far")
            for _ in range(CLIENT_STREAM_WINDOW_BYTES // FRAME_BYTES):
                connection.send(DATA, 0, 1, bytes(FRAME_BYTES))
            await connection.outcome()


async def until_reset(site: Site) -> None:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while not (await site.envoy.stats(RESET_STREAMS)).get(RESET_STREAMS):
            await asyncio.sleep(0.05)


async def test_uploads_that_fill_an_envoy_are_reset(tmp_path: Path) -> None:
    web, far = service("web"), service("far")
    rules = rule(HOST, path("/far", "far"), path("/", "web"))
    shop = ingress("shop", rules, annotations=annotated(proxy_connect_timeout="70"))
    async with contextlib.AsyncExitStack() as stack:
        far_slice = slice_of("far", "127.0.0.1", ports=[stack.enter_context(unreachable_backend())])
        slices = await stack.enter_async_context(echoes([web]))
        objects = (shop, web, far, far_slice, *slices)
        running = await stack.enter_async_context(site(tmp_path, *objects, max_memory_bytes=MAX_MEMORY_BYTES))
        uploads = [asyncio.create_task(upload(running.proxy.http_port)) for _ in range(UPLOADS)]
        await until_reset(running)
        await until_status(running, 200)
        for each in uploads:
            each.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)
