"""Timeouts and retries of ingress-nginx's annotations through a real Envoy.

Covers: silence of a backend before and within an answer, requests sent again by method and by failure. Excludes: the
reading of annotations (tests/translate/nginx/test_timeouts_and_retries.py), retries without annotations
(test_retries.py).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import endpoint, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.kube.objects import Ingress
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
OTHER_HOST: Final = "other.example.com"
COMPATIBLE: Final = TranslateOptions(is_compatible=True)
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
UNAVAILABLE: Final = b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True)
class Backend:
    """A backend that does as the end of the path says: `silent`, `slow`, `cut`, `closing`, `503`; else 200.

    Attributes:
        received: Methods and paths of requests, with the number of times that each came.
    """

    port: int = 0
    received: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = head.split(" ", 2)
                self.received[f"{method} {target}"] += 1
                if "upgrade: websocket" in head.lower():
                    writer.write(b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    while part := await reader.read(2**16):
                        writer.write(part)
                    return
                if "content-length: 1" in head.lower():
                    await reader.readexactly(1)
                match target.rpartition("/")[2]:
                    case "closing":
                        return
                    case "silent":
                        await reader.read()
                        return
                    case "503":
                        writer.write(UNAVAILABLE)
                    case "slow":
                        for part in (ANSWER, b"o", b"k"):
                            await asyncio.sleep(0.6)
                            writer.write(part)
                    case "cut":
                        writer.write(ANSWER + b"o")
                        await reader.read()
                    case _:
                        writer.write(ANSWER + b"ok")


@contextlib.asynccontextmanager
async def shop(folder: Path, *ingresses: Ingress, dead: bool = False) -> AsyncIterator[tuple[Site, Backend]]:
    """A site with a backend, beside an endpoint that refuses connections if `dead`."""
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    ports = (backend.port, free_port()) if dead else (backend.port,)
    slices = [slice_of("web", endpoint("127.0.0.1"), name=f"web-{port}", ports=[port]) for port in ports]
    async with server, site(folder, service("web"), *slices, *ingresses, translate=COMPATIBLE) as running:
        yield running, backend
        assert not running.rejections


def below(under: str, host: str = HOST, **annotations: str) -> Ingress:
    return ingress(under.strip("/"), rule(host, path(under)), annotations=annotated(**annotations))


async def answer(running: Site, method: str, target: str, host: str = HOST) -> tuple[int, bytes]:
    """The status, and as much of the body as comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
    body = "" if method in ("GET", "DELETE") else "Content-Length: 1\r\n"
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{body}\r\n{'x' if body else ''}".encode())
    with contextlib.closing(writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        try:
            received = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            received = error.partial
        return int(head.split()[1]), received


async def status(running: Site, method: str, target: str, host: str = HOST) -> int:
    return (await answer(running, method, target, host))[0]


async def test_a_silent_backend_is_tried_as_often_as_the_method_allows(tmp_path: Path) -> None:
    once = below("/once", OTHER_HOST, proxy_read_timeout="1", proxy_next_upstream_tries="1")
    async with shop(tmp_path, below("/thrice", proxy_read_timeout="1"), once) as (running, backend):
        asked = [(method, "/thrice/silent", HOST) for method in ("GET", "POST", "PUT")]
        asked.append(("GET", "/once/silent", OTHER_HOST))
        assert set(await asyncio.gather(*[status(running, *each) for each in asked])) == {504}
        assert [backend.received[f"{method} {target}"] for method, target, _ in asked] == [3, 1, 3, 1]


async def test_a_slow_answer_lives_and_a_silent_one_is_cut(tmp_path: Path) -> None:
    ingresses = (below("/a", proxy_read_timeout="1"), below("/b", proxy_read_timeout="1", proxy_next_upstream="error"))
    async with shop(tmp_path, *ingresses) as (running, backend):
        slow, cut, cut_too = await asyncio.gather(
            answer(running, "GET", "/a/slow"), answer(running, "GET", "/a/cut"), answer(running, "GET", "/b/cut")
        )
        assert slow == (200, b"ok")
        assert cut == cut_too == (200, b"o")
        assert set(backend.received.values()) == {1}


async def test_a_websocket_lives_while_a_side_speaks_and_dies_of_silence(tmp_path: Path) -> None:
    brief = below("/", proxy_read_timeout="1", proxy_next_upstream_tries="1")
    async with shop(tmp_path, brief) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n{upgrade}\r\n".encode())
        with contextlib.closing(writer):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            for _ in range(3):
                await asyncio.sleep(0.6)
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
            async with asyncio.timeout(10):
                assert await reader.read() == b""


async def test_requests_that_a_backend_saw_are_sent_again_by_method(tmp_path: Path) -> None:
    ingresses = (
        below("/usual"),
        below("/statuses", proxy_next_upstream="http_503"),
        below("/both", proxy_next_upstream="error http_503", proxy_next_upstream_tries="2"),
        below("/any", proxy_next_upstream="error non_idempotent http_503"),
        below("/off", proxy_next_upstream="off"),
    )
    async with shop(tmp_path, *ingresses) as (running, backend):
        for method, times in {"GET": 3, "PUT": 3, "DELETE": 3, "POST": 1, "PATCH": 1, "LOCK": 1}.items():
            expected = {
                "/usual/closing": times,
                "/usual/503": 1,
                "/statuses/closing": 1,
                "/statuses/503": times,
                "/both/closing": min(times, 2),
                "/both/503": min(times, 2),
                "/any/closing": 3,
                "/any/503": 3,
                "/off/closing": 1,
            }
            statuses = [await status(running, method, target) for target in expected]
            assert set(statuses) <= {502, 503}
            assert {target: backend.received[f"{method} {target}"] for target in expected} == expected


async def test_refused_connections_are_tried_elsewhere_for_all_methods(tmp_path: Path) -> None:
    off = below("/off", OTHER_HOST, proxy_next_upstream="off")
    async with shop(tmp_path, below("/usual"), off, dead=True) as (running, _):
        for method in ("GET", "POST", "PATCH"):
            assert {await status(running, method, "/usual/x") for _ in range(6)} == {200}
        assert {await status(running, "GET", "/off/x", OTHER_HOST) for _ in range(20)} in ({200, 502}, {200, 503})
