"""A TCP relay that counts the bytes from a server, encrypted or not, and can lose its connections in silence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Relay:
    """A relay to one server.

    Attributes:
        address: HOST:PORT.
        received: Bytes from the server so far, of all connections.
    """

    address: str = ""
    received: int = 0
    _frozen: asyncio.Event = field(default_factory=asyncio.Event)

    def freeze(self) -> None:
        """Pass nothing on the present connections from now on, and keep them open; new connections work.

        A TCP balancer does so with the connections of a dead backend.
        """
        self._frozen.set()
        self._frozen = asyncio.Event()


@contextlib.asynccontextmanager
async def relay_to(server: str) -> AsyncIterator[Relay]:
    relay, connections = Relay(), set[asyncio.Task[None]]()
    host, _, port = server.rpartition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, frozen = asyncio.current_task(), relay._frozen
        assert task
        connections.add(task)
        there, back = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_pump(reader, back, frozen), _pump(there, writer, frozen, relay))
        except asyncio.CancelledError:
            pass  # a task of asyncio's server that is cancelled is logged as an error
        finally:
            back.close()
            writer.close()
            connections.discard(task)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    relay.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        listener.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frozen: asyncio.Event, counted: Relay | None = None
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            if frozen.is_set():
                continue
            if counted:
                counted.received += len(data)
            writer.write(data)
            await writer.drain()
    if not frozen.is_set():
        writer.close()
