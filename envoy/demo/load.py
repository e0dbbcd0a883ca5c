"""Background requests, with counts of their results."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aiohttp import ClientError

from client import Client

WORKERS = 6
"""Half of the workers keep their connection, half open a new connection for every request."""

PAUSE_SECONDS = 0.015
"""Between two requests of a worker."""


class Load:
    """A context manager with requests in the background. On exit, every request has its answer.

    Args:
        urls: The same URL at each Envoy: the workers take turns.
        service: The Service whose backends give good answers.
        authority: The file of the CA to trust.

    Attributes:
        answered: Good answers by backend.
        failures: Other results by description.
    """

    def __init__(self, urls: Sequence[str], service: str, authority: Path) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._urls = itertools.cycle(urls)
        self._service = service
        self._authority = authority
        self._tasks: list[asyncio.Task[None]] = []
        self._running = False
        self._ended = asyncio.Condition()

    async def __aenter__(self) -> "Load":
        self._running = True
        self._tasks = [asyncio.create_task(self._work(fresh=number % 2 == 0)) for number in range(WORKERS)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._running = False
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=kind is not None)

    @property
    def sent(self) -> int:
        """The number of requests that have ended, including failures."""
        return self.answered.total() + self.failures.total()

    async def answers(self, more: int) -> None:
        """Wait until so many more requests have ended."""
        goal = self.sent + more
        async with self._ended:
            await self._ended.wait_for(lambda: self.sent >= goal)

    async def _work(self, *, fresh: bool) -> None:
        async with Client(self._authority, fresh=fresh) as client:
            while self._running:
                await self._request(client)
                async with self._ended:
                    self._ended.notify_all()
                await asyncio.sleep(PAUSE_SECONDS)

    async def _request(self, client: Client) -> None:
        try:
            answer = await client.get(next(self._urls))
        except (ClientError, OSError) as error:
            self.failures[f"{type(error).__name__}: {error}"] += 1
            return
        if answer.status == 200 and answer.backend.startswith(f"{self._service}-"):
            self.answered[answer.backend] += 1
        else:
            self.failures[f"status {answer.status} {answer.backend}".rstrip()] += 1
