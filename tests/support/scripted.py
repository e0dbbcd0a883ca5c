"""Backends that give the answers a test writes, and keep the requests; and a client that follows no redirect."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from tests.support.objects import slice_of
from tests.support.site import Site
from xds.kube.objects import EndpointSlice


@dataclass(frozen=True, slots=True)
class Received:
    """A request. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Scripted:
    """A backend.

    Attributes:
        name: Of its Service, and of its EndpointSlice.
        answer: The status and the headers for a request.
        received: The requests, in order.
    """

    name: str
    answer: Callable[[Received], tuple[int, list[tuple[str, str]]]]
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def slices(self) -> EndpointSlice:
        return slice_of(self.name, "127.0.0.1", ports=[self.port])

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Scripted"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = int(runner.addresses[0][1])
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.raw_path, headers, await request.read())
        self.received.append(received)
        status, answered = self.answer(received)
        return web.Response(status=status, headers=CIMultiDict([*answered, ("x-backend", self.name)]))


def fine(request: Received) -> tuple[int, list[tuple[str, str]]]:
    del request
    return 200, []


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        backend: The name of the scripted backend that answers; empty: the proxy itself.
    """

    status: int
    headers: CIMultiDict[str]

    @property
    def backend(self) -> str:
        return self.headers.get("x-backend", "")


async def ask(
    running: Site,
    host: str,
    path: str = "/",
    method: str = "GET",
    *,
    body: bytes | None = None,
    at: str = "",
    **headers: str,
) -> Answer:
    """Names of headers have underscores for hyphens. `at` is an address and a port in place of those of Ingress."""
    sent = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://{at or f'127.0.0.1:{running.proxy.http_port}'}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=sent, data=body, allow_redirects=False) as response,
    ):
        await response.read()
        return Answer(response.status, CIMultiDict(response.headers))
