"""Steady requests through an installation, each of which must be answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp

PAUSE_SECONDS: Final = 0.02

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)


@dataclass
class ClientLoad:
    """Counts of requests.

    Attributes:
        failed: Statuses and errors of requests that were not answered with 200.
    """

    url: str
    host: str
    sent: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """A client that keeps its connections, and a client with a connection for each request."""
        async with asyncio.TaskGroup() as clients:
            clients.create_task(self._client())
            clients.create_task(self._client(force_close=True))

    async def _client(self, *, force_close: bool = False) -> None:
        connector = aiohttp.TCPConnector(force_close=force_close)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers={"Host": self.host}) as session:
            while True:
                self.sent += 1
                try:
                    async with session.post(self.url, data=b"order") as answer:
                        if answer.status != 200:
                            self.failed.append(f"{answer.status} {await answer.text()}")
                        await answer.read()
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failed.append(repr(error))
                await asyncio.sleep(PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def client_load(url: str, host: str) -> AsyncIterator[ClientLoad]:
    """Requests until the end."""
    counted = ClientLoad(url, host)
    running = asyncio.create_task(counted.run())
    try:
        yield counted
        assert not running.done(), f"the requests have ended: {running}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
