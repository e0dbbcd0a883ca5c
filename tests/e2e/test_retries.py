"""Retries through a real Envoy.

Covers: uploads of any size beside a dead endpoint, backends that close a kept-alive connection at the moment of a
request, the idle timeout of connections to backends. Excludes: dead endpoints without uploads (test_traffic.py).
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.site import Site, site
from tests.support.waiting import until
from xds.kube.objects import KubeObject
from xds.resources import retries
from xds.resources.options import ProxyOptions, UpstreamOptions

HOST = "shop.example.com"
KEPT_ALIVE = ProxyOptions(upstream=UpstreamOptions(idle_timeout=timedelta(hours=1)))
CONTENT_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

pytestmark = needs_envoy


def shop(*ports: int) -> tuple[KubeObject, ...]:
    slices = (slice_of("web", "127.0.0.1", name=f"web-{port}", ports=[port]) for port in ports)
    return (ingress("shop", rule(HOST, path("/", "web"))), service("web"), *slices)


@dataclass(slots=True)
class Backend:
    """A backend that closes each connection at a request after `answers`, without an answer.

    Attributes:
        received: First lines of requests, with the number of times that each came.
        open: Connections that no side has closed.
    """

    answers: float
    port: int = 0
    received: Counter[str] = field(default_factory=Counter)
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        answered = 0
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.received[head.decode().partition(" HTTP")[0]] += 1
                if answered >= self.answers:
                    break
                length = CONTENT_LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                answered += 1
        self.open -= 1
        writer.close()


@contextlib.asynccontextmanager
async def backend(answers: float = float("inf")) -> AsyncIterator[Backend]:
    made = Backend(answers)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=2**20)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


async def status(running: Site, method: str, target: str, body: bytes = b"") -> int:
    """The status of the answer to one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{length}Connection: close\r\n\r\n".encode())
    with contextlib.suppress(ConnectionError):  # the answer can come before Envoy has read the body
        writer.write(body)
        await writer.drain()
    try:
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


@pytest.mark.parametrize("size", [100_000, 250_000, 5_000_000])
async def test_an_upload_beside_a_dead_endpoint_never_answers_507(tmp_path: Path, size: int) -> None:
    async with backend() as web, site(tmp_path, *shop(web.port, free_port())) as running:
        statuses = {await status(running, "POST", f"/{number}", bytes(size)) for number in range(8)}
        assert statuses == {200} if size <= retries.RETRIED_BODY_BYTES else statuses <= {200, 503}


async def test_an_upload_that_outgrows_the_bound_between_two_attempts_answers_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.resources.routes.RETRIED_BODY_BYTES", 1)
    monkeypatch.setattr(retries, "RETRY_BACK_OFF", timedelta(hours=1))
    monkeypatch.setattr(retries, "MAX_RETRY_BACK_OFF", timedelta(hours=1))
    async with site(tmp_path, *shop(free_port())) as running:
        assert await status(running, "POST", "/", bytes(100_000)) == 503
        assert running.rejections == []


@pytest.mark.parametrize("method", retries.SAFE_METHODS)
async def test_a_safe_request_is_sent_again_if_a_kept_alive_connection_closes(tmp_path: Path, method: str) -> None:
    async with backend(answers=1) as web, site(tmp_path, *shop(web.port), proxy=KEPT_ALIVE) as running:
        assert [await status(running, method, f"/{number}") for number in range(4)] == [200] * 4
        assert max(web.received.values()) > 1, "no connection was closed at a request"


@pytest.mark.parametrize(("method", "body"), [("POST", b""), ("PATCH", b"x"), ("PUT", b"x"), ("GET", b"x")])
async def test_an_unsafe_request_reaches_a_backend_once(tmp_path: Path, method: str, body: bytes) -> None:
    async with backend(answers=1) as web, site(tmp_path, *shop(web.port), proxy=KEPT_ALIVE) as running:
        assert [await status(running, method, f"/{number}", body) for number in range(4)] == [200, 503, 200, 503]
        assert set(web.received.values()) == {1}


async def test_an_idle_connection_to_a_backend_is_closed(tmp_path: Path) -> None:
    brief = ProxyOptions(upstream=UpstreamOptions(idle_timeout=timedelta(milliseconds=100)))
    async with backend() as web, site(tmp_path, *shop(web.port), proxy=brief) as running:
        assert await status(running, "GET", "/") == 200
        await until(lambda: web.open == 0)
