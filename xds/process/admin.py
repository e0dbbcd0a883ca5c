"""The admin port: /healthz, /readyz and /metrics, for probes and Prometheus."""

from collections.abc import Callable
from typing import Final, cast

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.aiohttp import make_aiohttp_handler

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
        self._metrics = make_aiohttp_handler(registry)  # OpenMetrics, gzip and name[] as the client asks
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
        return content() if content else await self._metrics(cast(web.Request, request))

    def _healthz(self) -> web.Response:
        return web.Response(text="ok\n")

    def _readyz(self) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        waiting_for = self._waiting_for() or "the source has not been read yet, or the server shuts down"
        return web.Response(status=503, text=f"not ready: {waiting_for}\n")
