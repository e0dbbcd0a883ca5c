"""Requests without a pause that must all pass, on new and on kept connections."""

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.support.http import Connection

PAUSE_SECONDS: Final = 0.02
"""Between two requests of a client."""


@dataclass(slots=True)
class Steady:
    """Clients that ask until their context ends.

    Attributes:
        step: The present part of a test, for the failures.
        sent: Requests by client.
        failed: A line for each answer but 200.
    """

    step: str = "start"
    sent: collections.Counter[str] = field(default_factory=collections.Counter)
    failed: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def asking(
        self, port: int, host: str, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
    ) -> AsyncIterator[None]:
        """Ask for a host from now on; over TLS with a context."""
        runs = (self._ask(port, host, headers or {}, context, keeps=keeps) for keeps in (False, True))
        tasks = [asyncio.create_task(each) for each in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended

    async def _ask(
        self, port: int, host: str, headers: Mapping[str, str], context: ssl.SSLContext | None, *, keeps: bool
    ) -> None:
        name = f"{host} {'HTTPS' if context else 'HTTP'} {'kept' if keeps else 'new'}"
        last = {} if keeps else {"Connection": "close"}
        while True:
            try:
                connection = await Connection.open(port, tls=context is not None, sni=host, context=context)
            except OSError as error:
                self._note(name, f"no connection: {error}")
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            with contextlib.closing(connection):
                is_open = True
                while is_open:
                    reply = await connection.get(host, **headers, **last)
                    self._note(name, "" if reply.status == 200 else f"{reply.status} {reply.body[:80]!r}")
                    is_open = keeps and reply.status != 0 and reply.headers.get("connection") != "close"
                    await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, client: str, failure: str) -> None:
        self.sent[client] += 1
        if failure:
            self.failed.append(f"{self.step}: {client}: {failure}")
