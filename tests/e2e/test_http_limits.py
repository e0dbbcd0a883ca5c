"""Limits and strictness of a real Envoy at the edge.

Covers: numbers of headers in both directions, windows of HTTP/2, two Host headers, the method QUERY, slashes that are
not merged. Excludes: other choices of the route (test_route_table.py), memory (test_memory.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.http2 import (
    ACK,
    DATA,
    DEFAULT_WINDOW_BYTES,
    END_STREAM,
    FRAME_BYTES,
    INITIAL_WINDOW_SIZE,
    SETTINGS,
    WINDOW_UPDATE,
    http2,
)
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.site import Site, echoes, site
from xds.kube.objects import KubeObject
from xds.resources.http_limits import CLIENT_STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES, MAX_HEADERS
from xds.resources.options import ProxyOptions

HOST = "shop.example.com"
WEB = (ingress("shop", rule(HOST, path("/", "web"))), service("web"))
MANY = 600
TOO_MANY = MAX_HEADERS + 100

pytestmark = needs_envoy


@contextlib.asynccontextmanager
async def running_site(folder: Path, *objects: KubeObject, proxy: ProxyOptions | None = None) -> AsyncIterator[Site]:
    async with echoes([service("web")]) as slices, site(folder, *WEB, *objects, *slices, proxy=proxy) as running:
        yield running


async def ask(port: int, *lines: str) -> int:
    """The status of the answer to these lines, by HTTP/1.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    try:
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def site_with_headers(folder: Path, count: int = 0) -> AsyncIterator[Site]:
    """A site whose backend takes any number of headers, and answers with `count` headers."""
    headers = "".join(f"x-{number}: a\r\n" for number in range(count))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{headers}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        endpoints = slice_of("web", "127.0.0.1", ports=[server.sockets[0].getsockname()[1]])
        async with site(folder, *WEB, endpoints) as running:
            yield running


@pytest.mark.parametrize(("count", "status"), [(MANY, 200), (TOO_MANY, 431)])
async def test_a_request_by_http1_has_a_limit_of_headers(tmp_path: Path, count: int, status: int) -> None:
    async with site_with_headers(tmp_path) as running:
        headers = (f"x-{number}: a" for number in range(count))
        assert await ask(running.proxy.http_port, "GET / HTTP/1.1", f"Host: {HOST}", *headers) == status


@pytest.mark.parametrize(("count", "outcome"), [(MANY, "200"), (TOO_MANY, "reset")])
async def test_a_request_by_http2_has_a_limit_of_cookies(tmp_path: Path, count: int, outcome: str) -> None:
    """Browsers send each cookie as a header."""
    async with site_with_headers(tmp_path) as running, http2(running.proxy.http_port) as connection:
        connection.request(HOST, [("cookie", "a=1")] * count)
        assert await connection.outcome() == outcome


@pytest.mark.parametrize(("count", "status"), [(MANY, 200), (TOO_MANY, 502)])
async def test_a_response_has_a_limit_of_headers(tmp_path: Path, count: int, status: int) -> None:
    async with site_with_headers(tmp_path, count) as running:
        assert (await running.get(HOST)).status == status


@contextlib.asynccontextmanager
async def site_that_reads(folder: Path) -> AsyncIterator[Site]:
    """A site whose backend reads one chunked body, and answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = b""
        while not end.endswith(b"\r\n0\r\n\r\n") and (more := await reader.read(65_536)):
            end = (end + more)[-7:]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        endpoints = slice_of("web", "127.0.0.1", ports=[server.sockets[0].getsockname()[1]])
        async with site(folder, *WEB, endpoints) as running:
            yield running


async def test_an_upload_by_http2_may_fill_a_fast_line(tmp_path: Path) -> None:
    """Envoy announces windows in which an upload of several MB needs no answer on the way."""
    async with site_that_reads(tmp_path) as running, http2(running.proxy.http_port) as connection:
        stream = total = 0
        while not stream or not total:
            frame = await connection.frame()
            if frame.type == SETTINGS and frame.payload:
                connection.send(SETTINGS, ACK, 0, b"")  # the windows of before hold until then
                stream = settings(frame.payload)[INITIAL_WINDOW_SIZE]
            if frame.type == WINDOW_UPDATE:
                total = DEFAULT_WINDOW_BYTES + int.from_bytes(frame.payload, "big")
        assert (stream, total) == (CLIENT_STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES)
        connection.request(HOST, method="POST")
        for _ in range(stream // FRAME_BYTES):
            connection.send(DATA, 0, 1, bytes(FRAME_BYTES))
        connection.send(DATA, END_STREAM, 1, b"")
        assert await connection.outcome() == "200"


def settings(payload: bytes) -> dict[int, int]:
    pairs = (payload[start : start + 6] for start in range(0, len(payload), 6))
    return {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}


@pytest.mark.parametrize(
    "hosts",
    [(HOST, "other.example.com"), (HOST, HOST), (f"{HOST}:80", "other.example.com"), (f"{HOST},other.example.com",)],
    ids=["two", "the same twice", "with a port", "comma"],
)
async def test_two_hosts_are_rejected(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    async with running_site(tmp_path) as running:
        lines = [f"Host: {host}" for host in hosts]
        assert await ask(running.proxy.http_port, "GET / HTTP/1.1", *lines) == 400


async def test_two_hosts_over_tls_are_rejected(tmp_path: Path) -> None:
    entry = ingress("secure", rule(HOST, path("/", "web")), tls=[tls(HOST, secret="one")])
    async with running_site(tmp_path, entry, secret("one", certificate(HOST))) as running:
        assert (await running.get(f"{HOST}:443,x", tls=True, sni=HOST)).status == 400
        assert (await running.get(HOST, tls=True, sni=HOST)).status == 200


async def test_a_query_needs_a_content_type(tmp_path: Path) -> None:
    async with running_site(tmp_path) as running:
        lines = ("QUERY / HTTP/1.1", f"Host: {HOST}", "Content-Length: 0")
        assert await ask(running.proxy.http_port, *lines, "Content-Type: text/plain") == 200
        assert await ask(running.proxy.http_port, *lines) == 400


@pytest.mark.parametrize(("merge", "received"), [(True, "/a/http:/b"), (False, "/a/http://b")])
async def test_slashes_reach_the_backend_as_chosen(tmp_path: Path, merge: bool, received: str) -> None:
    async with running_site(tmp_path, proxy=ProxyOptions(merge_slashes=merge)) as running:
        assert (await running.get(HOST, "/a/http://b")).json["path"] == received
