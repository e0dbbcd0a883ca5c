"""The admin port: /healthz, /readyz and /metrics, for probes and Prometheus."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from xds.address import HostPort


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
        self._registry = registry
        self._is_ready = is_ready
        self._waiting_for = waiting_for
        self._runner: web.AppRunner | None = None

    async def start(self, address: HostPort) -> int:
        """Bind, and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, address.host, address.port)
            await site.start()
        except BaseException:
            await self.stop()
            raise
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        waiting_for = self._waiting_for() or "the source has not been read yet, or the server shuts down"
        return web.Response(status=503, text=f"not ready: {waiting_for}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
