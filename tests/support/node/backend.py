"""`python -m tests.support.node.backend`: a backend on port 8080, which answers with its Pod's name until SIGTERM."""

import asyncio
import signal
import socket

from tests.support.echo import echo

PORT = 8080


async def main() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with echo(socket.gethostname(), "0.0.0.0", PORT):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
