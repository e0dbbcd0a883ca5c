"""Live refresh: a stream of server-sent events that carries the mark of the newest state.

An open page knows the mark of the state that it shows, and is fetched again when another mark comes. So a lost or
repeated event does no harm.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from aiohttp import web

MAX_STREAMS: Final = 32
"""Most open streams. A browser has one for its visible windows, and asks again later if there are too many."""

LOOK_SECONDS: Final = 1.0
"""Time between two looks at the state: an open page is fetched again at most so often."""

HEARTBEAT_SECONDS: Final = 5.0
"""Time after which an unchanged mark is sent again. Proxies and browsers drop connections that are silent for long."""

WRITE_SECONDS: Final = 10.0
"""Longest wait for a client that does not read."""


def word_of(mark: Hashable) -> str:
    """A mark as a word for the browser."""
    return hashlib.blake2b(repr(mark).encode(), digest_size=8).hexdigest()


class Live:
    """The open streams.

    Args:
        look: Returns a value that differs after each visible change.
    """

    def __init__(self, look: Callable[[], Awaitable[Hashable]]) -> None:
        self._look = look
        self._open = 0
        self._stopping = asyncio.Event()
        self._looking = asyncio.Lock()
        self._mark: Hashable = None
        self._looked_at: float | None = None

    @property
    def full(self) -> bool:
        return self._open >= MAX_STREAMS

    def stop(self) -> None:
        """End all streams."""
        self._stopping.set()

    async def mark(self) -> Hashable:
        """The mark of the state, at most LOOK_SECONDS old: one look for all streams and pages."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._looked_at, self._mark = now, await self._look()
            return self._mark

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send marks until the client leaves, stops reading, or the server stops."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._open += 1
        try:
            await response.prepare(request)
            await self._send(response, b"retry: 3000\n\n")
            await self._follow(request, response)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._open -= 1
        return response

    async def _follow(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        clock = asyncio.get_running_loop().time
        sent, sent_at = "", 0.0
        while not self._stopping.is_set() and request.transport is not None:  # None: the client has gone
            mark = word_of(await self.mark())
            if mark != sent or clock() - sent_at >= HEARTBEAT_SECONDS:
                await self._send(response, f"event: mark\ndata: {mark}\n\n".encode())
                sent, sent_at = mark, clock()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(data)
