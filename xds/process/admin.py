"""The admin port: /healthz, /readyz and /metrics, for probes and Prometheus."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from xds.address import HostPort

CONNECTION_SECONDS: Final = 10.0
"""Longest life of a connection, which has one request. A probe takes milliseconds, a scrape less than a second."""

MAX_CONNECTIONS: Final = 64
"""Most open connections. One more ends the oldest, so that half-sent requests never keep out a probe."""

ANSWER_SECONDS_AT_STOP: Final = 1.0
"""Time for open requests to end when the server stops."""


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
        self._paths = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._connections: dict[_Connection, None] = {}

    async def start(self, address: HostPort) -> int:
        """Bind, and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        loop = asyncio.get_running_loop()
        http = self._http = web.Server(
            self._answer,
            request_factory=lambda message, payload, protocol, writer, task: _Request(
                message, payload, protocol, writer, task, loop
            ),
            access_log=cast("Any", None),  # the stubs don't allow None, aiohttp does
            lingering_time=0,
        )

        def accept() -> _Connection:
            return _Connection(http(), self._connections)

        if address.host == "::":  # asyncio's own socket for it would take IPv6 alone
            self._listener = await loop.create_server(accept, sock=_all_addresses(address.port))
        else:
            self._listener = await loop.create_server(accept, address.host, address.port)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._http is not None:
            self._http.pre_shutdown()
            await self._http.shutdown(ANSWER_SECONDS_AT_STOP)
        for each in list(self._connections):
            each.end()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        content = self._paths.get(request.path)
        if content is None:
            response = web.Response(status=404, text="404: Not Found\n")
        elif request.method not in ("GET", "HEAD"):
            response = web.Response(status=405, text="405: Method Not Allowed\n", headers={"Allow": "GET, HEAD"})
        else:
            response = content()
        response.force_close()
        return response

    def _healthz(self) -> web.Response:
        return web.Response(text="ok\n")

    def _readyz(self) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        waiting_for = self._waiting_for() or "the source has not been read yet, or the server shuts down"
        return web.Response(status=503, text=f"not ready: {waiting_for}\n")

    def _metrics(self) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Request(web.BaseRequest):
    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Leave out the versions of Python and aiohttp, also in answers to requests that aiohttp can't parse."""
        response.headers.popall("Server", None)


class _Connection(asyncio.Protocol):
    """A connection of aiohttp's with a deadline.

    aiohttp has no time limit for a request's headers: https://github.com/aio-libs/aiohttp/issues/2828
    """

    def __init__(self, http: asyncio.Protocol, connections: "dict[_Connection, None]") -> None:
        self._http = http
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, self.end)
        if len(self._connections) >= MAX_CONNECTIONS:
            next(iter(self._connections)).end()
        self._connections[self] = None
        self._http.connection_made(transport)

    def end(self) -> None:
        self._connections.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        self._http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        return self._http.eof_received()

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()


def _all_addresses(port: int) -> socket.socket:
    """A socket of `[::]` that takes IPv4 too; of IPv4 alone on a machine without IPv6."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise
        return socket.create_server(("0.0.0.0", port))  # noqa: S104 - all addresses were asked for
