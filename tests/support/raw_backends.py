"""Backends of TCP and UDP that answer with their name and the received bytes, and clients."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Self

ANSWER_LIMIT_SECONDS: Final = 10.0

SILENCE_SECONDS: Final = 0.3
"""A time without an answer, on an idle machine a hundred times as long as an answer takes."""

MAX_ANSWER_BYTES: Final = 65_507
"""The longest datagram of IPv4: https://www.rfc-editor.org/rfc/rfc768"""

Address = tuple[str, int]


@dataclass(slots=True)
class TcpBackend:
    """A backend that greets with its name, sends received bytes back, and says `end` when a client ends its side.

    Attributes:
        name: Sent at the beginning of each connection, before the client speaks.
        address: The address of its listener.
        received: The bytes of each connection, in the order of connections.
        ended: The number of connections whose client has ended its side.
    """

    name: str
    address: Address = ("127.0.0.1", 0)
    received: list[bytearray] = field(default_factory=list)
    ended: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def greeting(self) -> bytes:
        return f"{self.name}\n".encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = bytearray()
        self.received.append(received)
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            writer.write(self.greeting)
            while part := await reader.read(2**16):
                received += part
                writer.write(part)
            self.ended += 1
            writer.write(b"end")

    def close_connections(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def tcp_backend(name: str, host: str = "127.0.0.1") -> AsyncIterator[TcpBackend]:
    backend = TcpBackend(name)
    server = await asyncio.start_server(backend.serve, host, 0)
    backend.address = server.sockets[0].getsockname()[:2]
    try:
        yield backend
    finally:
        server.close()
        backend.close_connections()


@dataclass(slots=True)
class UdpBackend(asyncio.DatagramProtocol):
    """A backend that answers a datagram with its name and the datagram, cut to MAX_ANSWER_BYTES.

    Attributes:
        address: Where it listens.
        peers: The address of each datagram's sender, in order: a proxy has one for each session.
    """

    name: str
    address: Address = ("127.0.0.1", 0)
    peers: list[Address] = field(default_factory=list)
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.peers.append(addr[:2])
        assert self._transport
        self._transport.sendto((f"{self.name} ".encode() + data)[:MAX_ANSWER_BYTES], addr)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


@contextlib.asynccontextmanager
async def udp_backend(name: str, host: str = "127.0.0.1") -> AsyncIterator[UdpBackend]:
    _, backend = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: UdpBackend(name), local_addr=(host, 0)
    )
    try:
        yield backend
    finally:
        backend.close()


class TcpClient:
    """A connection of a client, from `async with` to the end. A new port may refuse connections for milliseconds."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str | None = None) -> None:
        self._to = (host, port)
        self._source = (source, 0) if source else None

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    self.reader, self.writer = await asyncio.open_connection(*self._to, local_addr=self._source)
                    return self
                await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    @property
    def port(self) -> int:
        return int(self.writer.get_extra_info("sockname")[1])

    async def line(self) -> str:
        """The next line; empty at the end."""
        return (await self.reader.readline()).decode().strip()

    async def ask(self, data: bytes) -> bytes:
        """The answer to bytes, of the same length."""
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    async def rest(self) -> bytes:
        """All bytes until the other side ends; those before a reset, too."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := await self.reader.read(2**16):
                received += part
        return received


class UdpClient:
    """A socket of a client."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = "") -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if source:
            self._socket.bind((source, 0))
        self._socket.connect((host, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def ask(self, data: bytes, seconds: float = ANSWER_LIMIT_SECONDS) -> bytes:
        """The answer to a datagram; empty if none comes within the time."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, data)
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            async with asyncio.timeout(seconds):
                return await loop.sock_recv(self._socket, 2**16)
        return b""

    async def backend(self, seconds: float = ANSWER_LIMIT_SECONDS) -> str:
        """The name of the backend that answers."""
        return (await self.ask(b"?", seconds)).decode().partition(" ")[0]
