"""A Service in front of several replicas: each connection goes to a replica that accepts connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def balancer(*servers: str) -> AsyncIterator[str]:
    """Yields the balancer's HOST:PORT. When one side of a connection ends, the other side is closed."""
    connections = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        try:
            await _join((reader, writer), await _first_of(servers))
        except ConnectionError:
            pass  # no replica accepts: the client's connection is closed
        finally:
            writer.close()
            connections.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _first_of(servers: tuple[str, ...]) -> _Connection:
    for server in servers:
        host, _, port = server.rpartition(":")
        with contextlib.suppress(ConnectionError):
            return await asyncio.open_connection(host, int(port))
    raise ConnectionError


async def _join(client: _Connection, server: _Connection) -> None:
    pumps = {asyncio.create_task(_pump(client[0], server[1])), asyncio.create_task(_pump(server[0], client[1]))}
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server[1].close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
