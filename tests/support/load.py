"""Steady requests, counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.support.site import Site

CLIENTS = 4


@dataclass(slots=True)
class Count:
    """Requests sent, and the answers to failed requests."""

    sent: int = 0
    failed: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def load(running: Site, host: str, path: str) -> AsyncIterator[Count]:
    """Requests without a pause, from several clients at once, each on its own connection."""
    count = Count()
    tasks = [asyncio.create_task(_client(running, host, path, count)) for _ in range(CLIENTS)]
    try:
        yield count
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _client(running: Site, host: str, path: str, count: Count) -> None:
    while True:
        reply = await running.get(host, path)
        count.sent += 1
        if reply.status != 200:
            count.failed.append(f"{reply.status} {reply.body[:200]!r}")
