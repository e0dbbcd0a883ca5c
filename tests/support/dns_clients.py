"""Many DNS clients, each with an address and a socket of its own, which ask without a pause."""

import asyncio
import contextlib
import itertools
import resource
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from tests.support.waiting import WAIT_LIMIT_SECONDS

ANSWER_SECONDS: Final = 5
"""Until a query counts as lost: a busy machine answers late."""

AT_ONCE: Final = 50
"""Queries under way: few enough for the buffers of sockets, which lose datagrams where a busy machine reads late."""

_TXT: Final = 16


@dataclass(frozen=True, slots=True)
class Lost:
    """A query without an answer.

    Attributes:
        server: That of the client's answer before; empty without one.
        removed: Servers that were removed while the query was under way.
    """

    client: str
    server: str
    removed: tuple[str, ...]


@dataclass(slots=True)
class Clients:
    """Clients and their answers.

    Attributes:
        removed: Servers without an endpoint any more, in order. The test appends to it.
        servers: Of each client, by address, the servers of its answers without repetitions in a row.
        answers: The number of all answers.
        lost: The queries without an answer.
    """

    port: int
    removed: list[str] = field(default_factory=list)
    servers: dict[str, list[str]] = field(default_factory=dict)
    answers: int = 0
    lost: list[Lost] = field(default_factory=list)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def ask_all(self, clients: "list[Client]") -> None:
        """One query of each client."""
        await asyncio.gather(*map(self._ask, clients))

    @contextlib.asynccontextmanager
    async def asking(self, clients: "list[Client]") -> AsyncIterator[None]:
        """All clients ask until the end, which waits for the answers."""
        is_over = asyncio.Event()

        async def keep_asking(client: Client) -> None:
            while not is_over.is_set():
                await self._ask(client)

        tasks = [asyncio.create_task(keep_asking(client)) for client in clients]
        try:
            yield
            is_over.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def more(self, answers: int) -> None:
        """Until so many more answers have come."""
        before = self.answers
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while self.answers < before + answers:
                await asyncio.sleep(0.005)

    async def _ask(self, client: "Client") -> None:
        async with self._turns:
            removed, answers = len(self.removed), self.servers.setdefault(client.address, [])
            answer = client.ask()
            for seconds in (ANSWER_SECONDS, 1):  # twice: a process that was stopped reads only now
                if not answer.done():
                    await asyncio.wait({answer}, timeout=seconds)
            if not answer.done():
                last = answers[-1] if answers else ""
                self.lost.append(Lost(client.address, last, tuple(self.removed[removed:])))
                return
            self.answers, server = self.answers + 1, answer.result()
            if answers[-1:] != [server]:
                answers.append(server)


class Client(asyncio.DatagramProtocol):
    """A socket with a query at a time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._numbers = itertools.count(1)
        self._number = 0
        self._answer: asyncio.Future[str] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._answer and not self._answer.done() and data[:2] == struct.pack("!H", self._number):
            self._answer.set_result(text_of(data))

    def error_received(self, exc: Exception) -> None:
        """A refused datagram is a query without an answer."""

    def ask(self) -> asyncio.Future[str]:
        """Send a query, and return the text of its answer."""
        self._number = next(self._numbers) % 0x10000
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.sendto(query(self._number))
        return self._answer


@contextlib.asynccontextmanager
async def dns_clients(number: int, port: int) -> AsyncIterator[list[Client]]:
    """Clients at addresses of 127.20.0.0/16 with a connection to a port of 127.0.0.1."""
    _allow_files(2 * number)
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    try:
        for each in range(number):
            client = Client(f"127.20.{each // 250}.{each % 250 + 1}")
            await loop.create_datagram_endpoint(
                lambda client=client: client,  # type: ignore[misc]
                local_addr=(client.address, 0),
                remote_addr=("127.0.0.1", port),
            )
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.transport.close()


def _allow_files(number: int) -> None:
    """Raise the limit of open files of this process, and of those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def query(number: int) -> bytes:
    """A question about the text of `who.test.`. Source: https://www.rfc-editor.org/rfc/rfc1035#section-4.1"""
    return struct.pack("!HHHHHH", number, 0, 1, 0, 0, 0) + b"\x03who\x04test\x00" + struct.pack("!HH", _TXT, 1)


def text_of(answer: bytes) -> str:
    """The first text of an answer."""
    begin = 12 + len(b"\x03who\x04test\x00") + 4 + 12  # the question, and a record's fields before its data
    return answer[begin + 1 : begin + 1 + answer[begin]].decode()
