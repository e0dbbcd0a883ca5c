"""The queue between the watches of an API server and the pipeline, which takes all pending changes as one batch.

EndpointSlices have a queue of their own: an endpoint change must not wait for a long first list of another kind. With
nothing queued before, the pipeline may take them at once, in the turn of the watch.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from xds.kube.change import Batch, Change

MAX_PENDING_CHANGES: Final = 1000
"""A full inbox stops the watches from reading, so the API server's buffers hold further events."""


TakeAtOnce: TypeAlias = Callable[[Batch], bool]
"""Takes a batch at once if the taker has nothing else to do, and returns whether it does."""


class Inbox:
    """Any task may put changes; one task takes: pending endpoints as a batch, else the other changes as a batch.

    Args:
        take_at_once: Is offered endpoints that are put while nothing else waits in the inbox.
    """

    def __init__(self, take_at_once: TakeAtOnce = lambda _: False) -> None:
        self._take_at_once = take_at_once
        self._endpoints = _Queue()
        self._rest = _Queue()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._failure: BaseException | None = None

    def put(self, changes: Sequence[Change], read_at: float, *, endpoints: bool = False) -> None:
        """Append the changes, unless they are taken at once. They are taken in one batch.

        Args:
            changes: In order; may be empty.
            read_at: Seconds of the event loop's clock.
            endpoints: Whether all changes are of EndpointSlices.
        """
        if not changes or (endpoints and self._is_taken_at_once(changes, read_at)):
            return
        (self._endpoints if endpoints else self._rest).add(changes, read_at)
        self._filled.set()

    def _is_taken_at_once(self, changes: Sequence[Change], read_at: float) -> bool:
        is_empty = not (self._filled.is_set() or self._endpoints.changes or self._rest.changes)
        return is_empty and self._take_at_once(Batch(tuple(changes), read_at))

    def fail(self, error: BaseException) -> None:
        """Make `take` raise the error from now on: no more changes will be put."""
        self._failure = error
        self._filled.set()

    async def wait_for_room(self) -> None:
        while len(self._endpoints.changes) + len(self._rest.changes) >= MAX_PENDING_CHANGES:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self) -> Batch:
        """Wait for changes and return a batch of them, with the `read_at` of the first.

        Raises:
            BaseException: the error given to `fail`.
        """
        await self._filled.wait()
        if self._failure is not None:
            raise self._failure
        batch = (self._endpoints if self._endpoints.changes else self._rest).take()
        if not self._rest.changes:
            self._filled.clear()
        self._emptied.set()
        return batch


class _Queue:
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
