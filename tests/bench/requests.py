"""Requests on kept connections, as many as an Envoy takes, and the processor time that each costs the Envoy."""

import asyncio
from typing import Final

CONNECTIONS: Final = 8


async def send(port: int, request: bytes, count: int) -> None:
    """Send a request `count` times by CONNECTIONS connections.

    Raises:
        RuntimeError: an answer has no length, or its status is not 200.
    """
    each = count // CONNECTIONS
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_send(port, request, each))


async def _send(port: int, request: bytes, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(count):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
    finally:
        writer.close()
        await writer.wait_closed()


async def answering(port: int, request: bytes, patience: float = 60) -> None:
    """Wait until a request is answered."""
    async with asyncio.timeout(patience):
        while True:
            try:
                await send(port, request, CONNECTIONS)
            except (OSError, RuntimeError, ExceptionGroup):
                await asyncio.sleep(0.05)
            else:
                return
