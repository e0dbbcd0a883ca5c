"""A TCP relay that counts the server's bytes on the wire, encrypted or not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(slots=True)
class Relay:
    """A relay. `received`: bytes from the server so far, on all connections."""

    address: str = ""
    received: int = 0


@contextlib.asynccontextmanager
async def relay_to(server: str) -> AsyncIterator[Relay]:
    relay, open_ = Relay(), set[asyncio.StreamWriter]()
    host, _, port = server.rpartition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        open_.update((writer, back))
        await asyncio.gather(_pump(reader, back), _pump(there, writer, relay))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    relay.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        listener.close()
        for writer in open_:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: Relay | None = None) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            if counted:
                counted.received += len(data)
            writer.write(data)
            await writer.drain()
    writer.close()
