"""A real Envoy as the reference for answers: thousands of generated requests in seconds, on given objects.

Runs in a thread of its own, for tests that block, such as Hypothesis'. Bytes are the test's: no client library
normalizes hosts or paths in between.
"""

import asyncio
import contextlib
import dataclasses
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.objects import slice_of
from tests.support.plane import Plane
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.controlplane.pipeline import Pipeline
from xds.explain.request import Request
from xds.kube.change import Applied, Deleted
from xds.kube.objects import Ingress, KubeObject, Service
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions


@dataclass(frozen=True)
class Seen:
    """Envoy's answer: status (0: closed connection), backend (`namespace/service`) and path received there, target of a
    redirect, and the connection's certificate in DER.
    """

    status: int
    backend: str = ""
    path: str = ""
    location: str = ""
    certificate: bytes = b""


class Oracle:
    """A control plane, one Envoy and the backends, from `with` to the end.

    Args:
        fixed: Objects that always exist: Services, of which those in `alive` have a backend, and Secrets.
    """

    def __init__(
        self,
        folder: Path,
        fixed: Iterable[KubeObject],
        alive: Iterable[Key],
        translate: TranslateOptions,
        proxy: ProxyOptions,
    ) -> None:
        self.proxy = dataclasses.replace(
            proxy, listener_address="127.0.0.1", http_port=free_port(), https_port=free_port()
        )
        self._folder = folder
        self._fixed = tuple(fixed)
        self._alive = tuple(alive)
        self._translate = translate
        self._ingresses: tuple[Ingress, ...] = ()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = contextlib.AsyncExitStack()

    def __enter__(self) -> "Oracle":
        self._thread.start()
        try:
            self._run(self._start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stack.aclose())  # raises after the limit; the rest ends with the process
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def pipeline(self) -> Pipeline:
        return self._plane.pipeline

    def become(self, ingresses: Iterable[Ingress]) -> None:
        """Replace every Ingress; returns when Envoy uses the result."""
        self._run(self._become(tuple(ingresses)))

    def ask(self, requests: Iterable[Request]) -> list[Seen]:
        """Envoy's answers to the requests, sent one after the other."""
        seen: list[Seen] = self._run(self._ask(list(requests)))
        return seen

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(2 * WAIT_LIMIT_SECONDS)

    async def _start(self) -> None:
        services = {each.key: each for each in self._fixed if isinstance(each, Service)}
        slices = [await self._backend(services[key]) for key in self._alive]
        self._plane = await self._stack.enter_async_context(
            Plane(*self._fixed, *slices, translate=self._translate, proxy=self.proxy)
        )
        self._envoy = await self._stack.enter_async_context(running_envoy(self._plane.address, self._folder))
        await self._envoy.until_ready()

    async def _backend(self, service: Service) -> KubeObject:
        port = await self._stack.enter_async_context(_backend(str(service.key)))
        ports = [{"name": each.name, "port": port} for each in service.spec.ports or ()]
        return slice_of(service.key.name, "127.0.0.1", ports=ports, ns=service.key.namespace)

    async def _become(self, ingresses: tuple[Ingress, ...]) -> None:
        before, self._ingresses = self._ingresses, ingresses
        kept = {each.key for each in ingresses}
        gone = [Deleted(Ingress, each.key) for each in before if each.key not in kept]
        self._plane.change(*gone, *map(Applied, ingresses))
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not self._is_told() or await _is_warming(self._envoy):
                await asyncio.sleep(0.001)

    def _is_told(self) -> bool:
        types = [each for status in self._plane.ads.proxies() for each in status.stream.types]
        refused = [each.last_rejection.message for each in types if each.last_rejection]
        assert not refused, refused
        return len(types) >= 2 and all(each.settled for each in types)

    async def _ask(self, requests: list[Request]) -> list[Seen]:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS), contextlib.AsyncExitStack() as stack:
            connections: dict[tuple[bool, str], _Connection] = {}
            seen = []
            for request in requests:
                key = (request.https, request.sni)
                if key not in connections:
                    port = self.proxy.https_port if request.https else self.proxy.http_port
                    connections[key] = _Connection(port, request)
                    stack.callback(connections[key].close)
                seen.append(await connections[key].ask(request))
            return seen


async def _is_warming(envoy: Envoy) -> bool:
    """An acknowledged listener is not in use until its routes and certificates come."""
    answer = json.loads(await envoy.get("/stats?format=json&filter=warming"))
    values = {stat["name"]: stat["value"] for stat in answer["stats"] if "value" in stat}
    return any(
        values[name] for name in ("listener_manager.total_listeners_warming", "cluster_manager.warming_clusters")
    )


class _Connection:
    """Requests in sequence on one connection, reopened after the server closes it."""

    def __init__(self, port: int, first: Request) -> None:
        self._port = port
        self._tls = first.https
        self._sni = first.sni
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._certificate = b""

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    async def ask(self, request: Request) -> Seen:
        try:
            if self._open is None:
                await self._connect()
            return await self._asked(request)
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            self.close()
            return Seen(0)

    async def _connect(self) -> None:
        context = _UNVERIFIED if self._tls else None
        name = self._sni if self._tls else None
        self._open = await asyncio.open_connection("127.0.0.1", self._port, ssl=context, server_hostname=name)
        if self._tls:
            self._certificate = self._open[1].get_extra_info("ssl_object").getpeercert(binary_form=True)

    async def _asked(self, request: Request) -> Seen:
        assert self._open is not None
        reader, writer = self._open
        writer.write(_bytes(request))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if request.method != "HEAD":
            await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Seen(
            int(head[0].split(" ")[1]),
            headers.get("x-backend", ""),
            headers.get("x-path", ""),
            headers.get("location", ""),
            self._certificate,
        )


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_UNVERIFIED: Final = _unverified()


def _bytes(request: Request) -> bytes:
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {request.authority}"]
    if request.forwarded_proto is not None:
        lines.append(f"x-forwarded-proto: {request.forwarded_proto}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.method == "QUERY" and request.has_content_type:
        lines.append("content-type: text/plain")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@contextlib.asynccontextmanager
async def _backend(name: str) -> AsyncIterator[int]:
    """An HTTP/1.1 backend; yields its free port. Name and path are in headers of the answer."""
    server = await asyncio.get_running_loop().create_server(lambda: _Backend(name), "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


class _Backend(asyncio.Protocol):
    """A minimal backend, for requests in sequence and without a body."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            path = self._received.split(b" ", 2)[1].decode("latin-1")
            self._received = b""
            head = f"HTTP/1.1 200 OK\r\nx-backend: {self._name}\r\nx-path: {path}\r\ncontent-length: 0\r\n\r\n"
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(head.encode("latin-1"))
