"""The admin port: /healthz, /readyz and /metrics, for probes and Prometheus."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, cast

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, disable_created_metrics
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.registry import Collector

from xds.address import HostPort
from xds.process.http_server import HttpServer

CONNECTION_SECONDS: Final = 10.0
"""Longest life of a connection, which has one request. A probe takes milliseconds, a scrape less than a second."""

MAX_CONNECTIONS: Final = 64
"""Most open connections. One more ends the oldest, so that half-sent requests never keep out a probe."""


class AdminServer:
    """The admin server, from `start` to `stop`.

    Args:
        registry: Metrics shown by /metrics.
        is_ready: Whether /readyz answers 200.
        waiting_for: Reason shown by /readyz with a 503; empty: the default reason.
    """

    def __init__(
        self, registry: CollectorRegistry, is_ready: Callable[[], bool], waiting_for: Callable[[], str] = str
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, used by no query
        self._is_ready = is_ready
        self._waiting_for = waiting_for
        self._registry = registry
        self._paths = {"/healthz": self._healthz, "/readyz": self._readyz}
        self.http = HttpServer(self._answer, connection_seconds=CONNECTION_SECONDS, max_connections=MAX_CONNECTIONS)

    async def start(self, address: HostPort) -> int:
        """Bind, and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        return await self.http.start(address)

    async def stop(self) -> None:
        await self.http.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        content = self._paths.get(request.path)
        if content is None and request.path != "/metrics":
            return web.Response(status=404, text="404: Not Found\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="405: Method Not Allowed\n", headers={"Allow": "GET, HEAD"})
        return content() if content else await self._metrics(request)

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        """Read the figures here, on the event loop that changes them, and write the text in a thread: with thousands of
        series, that is most of the time. OpenMetrics, gzip and `name[]` as the client asks.
        """
        names = request.query.getall("name[]", [])
        registry = self._registry.restricted_registry(names) if names else self._registry
        handler = make_aiohttp_handler(_Read(registry.collect()))
        return await asyncio.to_thread(_result, handler(cast(web.Request, request)))

    def _healthz(self) -> web.Response:
        return web.Response(text="ok\n")

    def _readyz(self) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        waiting_for = self._waiting_for() or "the source has not been read yet, or the server shuts down"
        return web.Response(status=503, text=f"not ready: {waiting_for}\n")


class _Read(Collector):
    """Figures that were read."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families

    def restricted_registry(self, names: Iterable[str]) -> "_Read":  # noqa: ARG002 - they were restricted when read
        return self


def _result(answer: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """The result of a coroutine that awaits nothing."""
    coroutine = cast(Coroutine[Any, Any, web.StreamResponse], answer)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(web.StreamResponse, end.value)
    coroutine.close()
    raise RuntimeError("the handler of prometheus-client awaits something")
