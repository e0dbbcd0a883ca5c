"""Upgrade headers of HTTP/1.1 requests through a real Envoy: passed to the backend, or ignored.

Excludes: WebSockets at work (test_traffic.py).
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.envoy import needs_envoy
from tests.support.http import Connection
from tests.support.objects import endpoint, ingress, path, rule, service, slice_of
from tests.support.site import Site, site
from xds.resources.options import DEFAULT_UPGRADES, ProxyOptions

pytestmark = needs_envoy

GREETING = b"hello"
BODY = b"body"


@contextlib.asynccontextmanager
async def upgrading(folder: Path, *upgrades: str) -> AsyncIterator[Site]:
    """A site with a backend that takes every upgrade, and answers 200 to other requests."""
    backend = await asyncio.start_server(_converse, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    objects = (
        ingress("shop", rule("shop.example.com", path("/", "web"))),
        service("web"),
        slice_of("web", endpoint("127.0.0.1"), ports=[port]),
    )
    proxy = ProxyOptions(upgrades=upgrades or DEFAULT_UPGRADES)
    async with backend, site(folder, *objects, proxy=proxy) as running:
        yield running


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if upgrade := re.search(r"^upgrade: *(.*?)\r$", head, re.MULTILINE):
                writer.write(f"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: {upgrade[1]}\r\n\r\n".encode())
                writer.write(await reader.readexactly(len(GREETING)))
            else:
                body = await reader.readexactly(len(BODY) if "content-length: " in head else 0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    writer.close()


async def passed(running: Site, upgrade: str) -> bool:
    """Whether a backend and a client talk by the protocol; if not, whether the connection serves requests."""
    with contextlib.closing(await Connection.open(running.proxy.http_port)) as connection:
        asked = await connection.get("shop.example.com", Connection="Upgrade, HTTP2-Settings", Upgrade=upgrade)
        if asked.status != 101:
            assert asked.status == (await connection.get("shop.example.com")).status == 200, upgrade
            return False
        connection.writer.write(GREETING)
        assert await connection.reader.readexactly(len(GREETING)) == GREETING
        return True


async def test_known_upgrades_are_passed(tmp_path: Path) -> None:
    lists = ("websocket,websocket", "websocket, websocket", "h2c, websocket", "TLS/1.2,websocket", "unknown, websocket")
    async with upgrading(tmp_path) as running:
        for upgrade in (*DEFAULT_UPGRADES, "WebSocket", "spdy/3.1", *lists):
            assert await passed(running, upgrade), upgrade


UNKNOWN = ("TLS/1.0", "TLS/1.2", "TLS/1.3, TLS/1.2", "tls", "h2c", "HTTP/2.0", "h2c, TLS/1.2", "", "w", "wx")
UNKNOWN_TOO = (
    "tc",
    "tdp",
    "connect-udp",
    "CONNECT",
    "-",
    "]",
    "^",
    "\\",
    "k",
    "s",
    "\xe9",
    "\xc5\xbfpdy/3.1",
)


async def test_unknown_upgrades_are_ignored(tmp_path: Path) -> None:
    async with upgrading(tmp_path) as running:
        for upgrade in (*UNKNOWN, *UNKNOWN_TOO):
            assert not await passed(running, upgrade), upgrade


async def test_a_body_behind_an_ignored_upgrade_arrives(tmp_path: Path) -> None:
    async with upgrading(tmp_path) as running:
        with contextlib.closing(await Connection.open(running.proxy.http_port)) as connection:
            head = "POST / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n"
            connection.writer.write(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
            answer = await connection.reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            assert await connection.reader.readexactly(len(BODY)) == BODY


async def test_the_flag_chooses_the_upgrades(tmp_path: Path) -> None:
    async with upgrading(tmp_path, "mine", "mi", "Mine", "a^-b/2", "sk") as running:
        for upgrade in ("mine", "MINE", "mi", "a^-b/2", "sk", "SK"):
            assert await passed(running, upgrade), upgrade
        others = ("websocket", "websocket, websocket", "m", "mix", "mi/", "a", "a^", "a--", "s", "sx", "skk", "k")
        for upgrade in others:
            assert not await passed(running, upgrade), upgrade
