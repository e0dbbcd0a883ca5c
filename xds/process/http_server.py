"""An HTTP server that slow and numerous clients can't block or fill: for the admin port, and for the page."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from xds.address import HostPort

ANSWER_SECONDS_AT_STOP: Final = 1.0
"""Time for open requests to end when the server stops."""


def _is_no_parse_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_PARSED_ONLY: Final = logging.getLogger("aiohttp.server.parsed")
"""aiohttp logs each request that it can't parse as an error, and quotes a part: a cookie, for example. Any client could
fill the log. The client gets a response with the cause.
"""

_PARSED_ONLY.addFilter(_is_no_parse_error)


class HttpServer:
    """An HTTP server, from `start` to `stop`. A connection has one request.

    Args:
        answer: Answers a request.
        connection_seconds: Longest life of a connection.
        max_connections: Most open connections. One more ends the oldest, so that half-sent requests keep nobody out.
        headers: Headers of every response, also of those to requests that aiohttp can't parse.
    """

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        connection_seconds: float,
        max_connections: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._answer = answer
        self.connection_seconds = connection_seconds
        self._max_connections = max_connections
        self._headers = headers or {}
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self.connections: dict[_Connection, None] = {}

    async def start(self, address: HostPort) -> int:
        """Bind, and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        loop = asyncio.get_running_loop()
        http = self._http = web.Server(
            self._closing,
            request_factory=lambda message, payload, protocol, writer, task: _Request(
                message, payload, protocol, writer, task, loop, own_headers=self._headers
            ),
            access_log=cast("Any", None),  # the stubs don't allow None, aiohttp does
            lingering_time=0,
            logger=_PARSED_ONLY,
        )

        def accept() -> _Connection:
            return _Connection(http(), self.connections, self.connection_seconds, self._max_connections)

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
        for each in list(self.connections):
            each.end()

    @contextlib.contextmanager
    def kept(self, request: web.BaseRequest) -> Iterator[None]:
        """Let the connection of a request live on, without a deadline and uncounted, till the end of the block. The
        caller bounds the number of such.
        """
        connection = next((each for each in self.connections if each.http is request.protocol), None)
        if connection is not None:
            connection.release()
        try:
            yield
        finally:
            if connection is not None:
                connection.bound()

    async def _closing(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answer(request)
        response.force_close()
        return response


class _Request(web.BaseRequest):
    def __init__(self, *args: Any, own_headers: Mapping[str, str], **named: Any) -> None:
        super().__init__(*args, **named)
        self._own_headers = own_headers

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Leave out the versions of Python and aiohttp, also in answers to requests that aiohttp can't parse."""
        response.headers.popall("Server", None)
        for name, value in self._own_headers.items():
            response.headers.setdefault(name, value)


class _Connection(asyncio.Protocol):
    """A connection of aiohttp's with a deadline.

    aiohttp has no time limit for a request's headers: https://github.com/aio-libs/aiohttp/issues/2828
    """

    def __init__(
        self, http: asyncio.Protocol, connections: "dict[_Connection, None]", seconds: float, max_connections: int
    ) -> None:
        self.http = http
        self._connections = connections
        self._seconds = seconds
        self._max_connections = max_connections
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.bound()
        self.http.connection_made(transport)

    def bound(self) -> None:
        """Begin the time till the deadline, and count the connection."""
        if self._transport is None or self._transport.is_closing():
            return
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, self.end)
        if len(self._connections) >= self._max_connections:
            next(iter(self._connections)).end()
        self._connections[self] = None

    def release(self) -> None:
        """Take the deadline away, and count the connection no longer."""
        self._connections.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()

    def end(self) -> None:
        self._connections.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.release()
        self.http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.http.data_received(data)

    def eof_received(self) -> bool | None:
        return self.http.eof_received()

    def pause_writing(self) -> None:
        self.http.pause_writing()

    def resume_writing(self) -> None:
        self.http.resume_writing()


def _all_addresses(port: int) -> socket.socket:
    """A socket of `[::]` that takes IPv4 too; of IPv4 alone on a machine without IPv6."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise
        return socket.create_server(("0.0.0.0", port))  # noqa: S104 - all addresses were asked for
