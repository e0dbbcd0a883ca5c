"""Where the watches put what they read, in the order in which they read it, until it is taken as one batch."""

import asyncio
from collections.abc import Sequence
from typing import Final

from xds.kube.change import Batch, Change

FULL: Final = 1000
"""Changes. With so many, watches stop reading, and the API server's buffers hold the rest."""


class Inbox:
    """Any task may put, and one takes. What waits is taken as a whole."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._read_at = 0.0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._failure: BaseException | None = None

    def put(self, changes: Sequence[Change], read_at: float) -> None:
        """At once, and in one piece.

        Args:
            changes: In their order; none is allowed.
            read_at: Seconds of the event loop's clock.
        """
        if not changes:
            return
        if not self._changes:
            self._read_at = read_at
        self._changes += changes
        self._filled.set()

    def fail(self, error: BaseException) -> None:
        """Nothing will be put any more."""
        self._failure = error
        self._filled.set()

    async def room(self) -> None:
        """Waits while it is full."""
        while len(self._changes) >= FULL:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self) -> Batch:
        """All that waits, once there is something. `read_at` is the first one's.

        Raises:
            what `fail` was told.
        """
        await self._filled.wait()
        if self._failure is not None:
            raise self._failure
        self._filled.clear()
        changes, self._changes = self._changes, []
        self._emptied.set()
        return Batch(tuple(changes), self._read_at)
