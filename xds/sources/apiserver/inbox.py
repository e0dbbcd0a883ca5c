"""Where the watches put what they read, in the order in which they read it, until it is taken in batches.

Endpoints have batches of their own, which may overtake the others.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from xds.kube.change import Batch, Change

FULL: Final = 1000
"""Changes. With so many, watches stop reading, and the API server's buffers hold the rest."""


class Inbox:
    """Any task may put, and one takes: the endpoints that wait as a whole, then the rest as a whole."""

    def __init__(self) -> None:
        self._endpoints = _Pile()
        self._rest = _Pile()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._failure: BaseException | None = None

    def put(self, changes: Sequence[Change], read_at: float, *, endpoints: bool = False) -> None:
        """At once, and in one piece.

        Args:
            changes: In their order; none is allowed.
            read_at: Seconds of the event loop's clock.
            endpoints: They are all of EndpointSlices.
        """
        if changes:
            (self._endpoints if endpoints else self._rest).add(changes, read_at)
            self._filled.set()

    def fail(self, error: BaseException) -> None:
        """Nothing will be put any more."""
        self._failure = error
        self._filled.set()

    async def room(self) -> None:
        """Waits while it is full."""
        while len(self._endpoints.changes) + len(self._rest.changes) >= FULL:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self) -> Batch:
        """What waits, once there is something. `read_at` is the first one's.

        Raises:
            what `fail` was told.
        """
        await self._filled.wait()
        if self._failure is not None:
            raise self._failure
        batch = (self._endpoints if self._endpoints.changes else self._rest).take()
        if not self._rest.changes:
            self._filled.clear()
        self._emptied.set()
        return batch


class _Pile:
    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._read_at = 0.0

    def add(self, changes: Sequence[Change], read_at: float) -> None:
        if not self.changes:
            self._read_at = read_at
        self.changes += changes

    def take(self) -> Batch:
        changes, self.changes = self.changes, []
        return Batch(tuple(changes), self._read_at)
