"""Bounds of request bodies through a real Envoy.

Covers: bodies with and without Content-Length, streamed and buffered bodies, WebSockets over HTTP/1.1 and HTTP/2.
Excludes: the reading of annotations (tests/translate/nginx/test_bodies.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.envoy import needs_envoy
from tests.support.http2 import DATA, END_STREAM, http2
from tests.support.objects import endpoint, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.kube.objects import Ingress
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
KIB: Final = 1024
COMPATIBLE: Final = TranslateOptions(is_compatible=True)


@dataclass(slots=True)
class Backend:
    """A backend that counts the bytes of bodies, and answers upgrades by the number of bytes since.

    Attributes:
        heads: Of the requests, in lower case.
    """

    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                self.heads.append(head)
                if "upgrade: websocket" in head:
                    writer.write(b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    received = 0
                    while part := await reader.read(2**16):
                        received += len(part)
                        writer.write(f"{received};".encode())
                    return
                received = await _body(reader, head)
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(str(received))}\r\n\r\n{received}".encode())


async def _body(reader: asyncio.StreamReader, head: str) -> int:
    """The bytes of a body."""
    if "content-length: " in head:
        return len(await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0])))
    received = 0
    while "transfer-encoding: chunked" in head:
        size = int(await reader.readline(), 16)
        received += len((await reader.readexactly(size + 2))[:-2])
        if not size:
            break
    return received


@contextlib.asynccontextmanager
async def shop(folder: Path, *ingresses: Ingress) -> AsyncIterator[tuple[Site, Backend]]:
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0, limit=2**20)
    endpoints = slice_of("web", endpoint("127.0.0.1"), ports=[server.sockets[0].getsockname()[1]])
    async with server, site(folder, service("web"), endpoints, *ingresses, translate=COMPATIBLE) as running:
        yield running, backend
        assert not running.rejections


def below(under: str, **annotations: str) -> Ingress:
    return ingress(under.strip("/"), rule(HOST, path(under)), annotations=annotated(**annotations))


async def upload(running: Site, target: str, size: int, *, chunked: bool = False, headers: str = "") -> tuple[int, str]:
    """The answer to a POST: the status, and the beginning of the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    writer.write(f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{length}\r\n{headers}\r\n".encode())
    body = bytes(size)
    with contextlib.closing(writer):
        with contextlib.suppress(ConnectionError):  # the answer can come before Envoy has read the body
            writer.write(f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if chunked else body)
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size_of_answer = int((head.partition("content-length: ")[2] or "0").partition("\r\n")[0])
        return int(head.split()[1]), (await reader.readexactly(size_of_answer)).decode()


async def test_a_longer_body_than_the_bound_is_answered_413(tmp_path: Path) -> None:
    ingresses = (below("/two", proxy_body_size="2k"), below("/usual"), below("/any", proxy_body_size="0"))
    async with shop(tmp_path, *ingresses) as (running, backend):
        for target, bound in {"/two": 2 * KIB, "/usual": KIB * KIB}.items():
            for chunked in (False, True):
                assert await upload(running, target, bound, chunked=chunked) == (200, str(bound))
                seen = len(backend.heads)
                assert (await upload(running, target, bound + 1, chunked=chunked))[0] == 413
                assert chunked or len(backend.heads) == seen, "the backend saw a request that is too large"
        assert await upload(running, "/any", 3 * KIB * KIB) == (200, str(3 * KIB * KIB))


async def test_a_bound_of_4_gib_and_more_lets_smaller_bodies_through(tmp_path: Path) -> None:
    async with shop(tmp_path, below("/", proxy_body_size="4097m")) as (running, _):
        assert await upload(running, "/", 2 * KIB * KIB) == (200, str(2 * KIB * KIB))


async def test_a_body_reaches_the_backend_as_it_comes(tmp_path: Path) -> None:
    async with shop(tmp_path, below("/", proxy_body_size="2k")) as (running, backend):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
        with contextlib.closing(writer):
            writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n".encode())
            while not backend.heads:
                await asyncio.sleep(0.01)
            writer.write(b"1\r\nx\r\n0\r\n\r\n")
            assert b" 200 " in await reader.readline()


async def test_a_body_that_is_read_whole_has_a_length(tmp_path: Path) -> None:
    ingresses = (
        below("/whole", proxy_request_buffering="on", proxy_body_size="200k"),
        below("/usual"),
        below("/large", proxy_request_buffering="on", proxy_body_size="8m"),
    )
    async with shop(tmp_path, *ingresses) as (running, backend):
        assert await upload(running, "/whole", 100_000, chunked=True) == (200, "100000")
        assert await upload(running, "/usual", 100_000, chunked=True) == (200, "100000")
        whole, usual = backend.heads
        assert "content-length: 100000\r\n" in whole
        assert "transfer-encoding: chunked\r\n" in usual
        assert await upload(running, "/large", 3 * KIB * KIB, chunked=True) == (200, str(3 * KIB * KIB))
        assert (await upload(running, "/whole", 200 * KIB + 1))[0] == 413
        assert (await upload(running, "/whole", 200 * KIB + 1, chunked=True))[0] == 413


async def test_websockets_have_no_bound(tmp_path: Path) -> None:
    ingresses = (
        below("/bound", proxy_body_size="1k"),
        below("/whole", proxy_body_size="1k", proxy_request_buffering="on"),
    )
    async with shop(tmp_path, *ingresses) as (running, _):
        for under in ("/bound", "/whole"):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
            with contextlib.closing(writer):
                upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                writer.write(f"GET {under} HTTP/1.1\r\nHost: {HOST}\r\n{upgrade}\r\n".encode())
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
                writer.write(bytes(5 * KIB))
                assert await asyncio.wait_for(reader.readuntil(f"{5 * KIB};".encode()), 5)


async def test_websockets_over_http2_have_no_bound(tmp_path: Path) -> None:
    async with (
        shop(tmp_path, below("/", proxy_body_size="1k")) as (running, _),
        http2(running.proxy.http_port) as connection,
    ):
        connection.request(HOST, [(":protocol", "websocket")], method="CONNECT")
        assert await connection.outcome() == "200"
        connection.send(DATA, 0, 1, bytes(5 * KIB))
        received = b""
        while f"{5 * KIB};".encode() not in received:
            frame = await connection.frame()
            received += frame.payload if frame.type == DATA else b""


async def test_a_body_of_a_request_to_upgrade_is_bound(tmp_path: Path) -> None:
    async with shop(tmp_path, below("/", proxy_body_size="1k")) as (running, _):
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        assert (await upload(running, "/", KIB + 1, headers=upgrade))[0] == 413


async def test_a_stream_of_http2_is_bound(tmp_path: Path) -> None:
    async with (
        shop(tmp_path, below("/", proxy_body_size="1k")) as (running, _),
        http2(running.proxy.http_port) as connection,
    ):
        connection.request(HOST, method="POST")
        connection.send(DATA, 0, 1, bytes(KIB))
        connection.send(DATA, END_STREAM, 1, b"x")
        assert await connection.outcome() == "other"
