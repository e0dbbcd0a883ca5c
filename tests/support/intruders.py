"""Clients without right, which ask all the time, and the backends that tell which of their requests passed."""

import asyncio
import collections
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tests.support.http import Connection, Reply
from xds.resources.options import ProxyOptions

MARK: Final = "x-without-right"
"""The header of requests that must not reach a backend: PROTECTION/WAY."""

PLAIN: Final = ("new", "kept", "HTTP/2")
KINDS: Final = (*PLAIN, "new TLS", "kept TLS")
"""Of connections."""

IDLE_SECONDS: Final = 0.05

_MARKED: Final = re.compile(rb"(?i)\r\nx-without-right: ([^\r]+)")
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nx-backend: yes\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """Requests without right.

    Attributes:
        hosts: Hosts that intruders ask for now.
        way: The way that each protection is tried in; none: requests are not watched.
        tried: Answers, by protection, way, kind of client and status.
        passed: Requests that reached a backend, by mark.
    """

    hosts: set[str] = field(default_factory=set)
    way: dict[str, str] = field(default_factory=dict)
    tried: collections.Counter[tuple[str, str, str, int]] = field(default_factory=collections.Counter)
    passed: collections.Counter[str] = field(default_factory=collections.Counter)

    def mark(self, protection: str) -> dict[str, str]:
        """The header of a request that is sent now."""
        return {MARK: f"{protection}/{self.way[protection]}"} if protection in self.way else {}

    def answers(self, protection: str, way: str) -> collections.Counter[str]:
        """By kind of client."""
        found: collections.Counter[str] = collections.Counter()
        for (of, in_way, kind, _), number in self.tried.items():
            if (of, in_way) == (protection, way):
                found[kind] += number
        return found


@dataclass(slots=True)
class Backend:
    """An HTTP/1.1 server that notes marked requests, and answers each request 200."""

    tally: Tally
    port: int = 0

    @contextlib.asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator["Backend"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if found := _MARKED.search(head):
                    self.tally.passed[found[1].decode()] += 1
                writer.write(_ANSWER)


@dataclass(frozen=True, slots=True)
class Intruder:
    """A client without the right that a protection asks for.

    Attributes:
        certificate: A foreign one, which some of the connections show.
    """

    protection: str
    host: str
    headers: Mapping[str, str]
    certificate: ssl.SSLContext | None = None


class Intruders:
    """Connections of many kinds, from `async with` to the end: plain and TLS, new and kept ones, HTTP/1.1 and HTTP/2.

    Args:
        proxy: The ports of the proxies.
        tally: Takes the answers.
    """

    def __init__(self, proxy: ProxyOptions, tally: Tally) -> None:
        self._proxy = proxy
        self._tally = tally
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Intruders":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in ended:
            if isinstance(each, Exception):
                raise each

    def send(self, intruder: Intruder) -> None:
        for run in (
            self._http1(intruder, "new", tls=False, keeps=False, pause=0.04),
            self._http1(intruder, "kept", tls=False, keeps=True, pause=0.02),
            self._http1(intruder, "new TLS", tls=True, keeps=False, pause=0.2),
            self._http1(intruder, "kept TLS", tls=True, keeps=True, pause=0.04),
            self._http2(intruder),
        ):
            self._tasks.append(asyncio.create_task(run))

    async def _http1(self, by: Intruder, kind: str, *, tls: bool, keeps: bool, pause: float) -> None:
        port = self._proxy.https_port if tls else self._proxy.http_port
        context = by.certificate if not keeps else None
        while True:
            await self._wanted(by)
            with contextlib.suppress(OSError):
                connection = await Connection.open(port, tls=tls, sni=by.host, context=context)
                with contextlib.closing(connection):
                    await self._ask(by, kind, connection, keeps=keeps, pause=pause)
            await asyncio.sleep(pause)

    async def _ask(self, by: Intruder, kind: str, connection: Connection, *, keeps: bool, pause: float) -> None:
        while True:
            marked = self._tally.mark(by.protection)
            last = {} if keeps else {"Connection": "close"}
            reply = await connection.get(by.host, **by.headers, **marked, **last)
            self._note(by, kind, marked, reply.status)
            if not keeps or not reply.status or reply.headers.get("connection") == "close":
                return
            await asyncio.sleep(pause)
            await self._wanted(by)

    async def _http2(self, by: Intruder, pause: float = 0.04) -> None:
        while True:
            with contextlib.suppress(OSError, ProtocolError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._proxy.http_port)
                with contextlib.closing(writer):
                    connection = H2Connection(H2Configuration())
                    connection.initiate_connection()
                    while True:
                        marked = self._tally.mark(by.protection)
                        status = await _stream(connection, reader, writer, by, marked)
                        self._note(by, "HTTP/2", marked, status)
                        await asyncio.sleep(pause)
                        await self._wanted(by)
            await asyncio.sleep(pause)

    async def _wanted(self, by: Intruder) -> None:
        while by.host not in self._tally.hosts:
            await asyncio.sleep(IDLE_SECONDS)

    def _note(self, by: Intruder, kind: str, marked: Mapping[str, str], status: int) -> None:
        if marked and status:
            protection, _, way = marked[MARK].partition("/")
            self._tally.tried[protection, way, kind, status] += 1


async def _stream(
    connection: H2Connection,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    by: Intruder,
    marked: Mapping[str, str],
) -> int:
    """The status of a request; 0 for one that is reset.

    Raises:
        ConnectionError: the server closed the connection.
    """
    number, status = connection.get_next_available_stream_id(), 0
    fields = {":method": "GET", ":scheme": "http", ":path": "/", ":authority": by.host, **by.headers, **marked}
    headers = [(name.lower().replace("_", "-"), value) for name, value in fields.items()]
    connection.send_headers(number, headers, end_stream=True)
    while True:
        writer.write(connection.data_to_send())
        received = await reader.read(65_536)
        if not received:
            raise ConnectionResetError
        for event in connection.receive_data(received):
            status = _status(event) or status
            if isinstance(event, StreamEnded | StreamReset) and event.stream_id == number:
                return status


def _status(event: Event) -> int:
    if not isinstance(event, ResponseReceived):
        return 0
    return int(dict(event.headers or ())[b":status"])


async def until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Raises:
    TimeoutError: The condition does not hold in time.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(what) from None


async def ask(
    proxy: ProxyOptions, host: str, headers: Mapping[str, str], context: ssl.SSLContext | None = None
) -> Reply | None:
    """The answer on a new connection, over TLS with a context; None without an answer."""
    port = proxy.https_port if context else proxy.http_port
    with contextlib.suppress(OSError):
        connection = await Connection.open(port, tls=context is not None, sni=host, context=context)
        with contextlib.closing(connection):
            return await connection.get(host, Connection="close", **headers)
    return None
