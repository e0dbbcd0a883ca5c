"""Tells those who watch of every new revision, without ever waiting for them."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xds.snapshot.store import Revision

BACKLOG: Final = 100
"""Revisions that a watcher may be behind. Each holds what it changed, so this bounds memory."""


class FellBehindError(Exception):
    """The watcher didn't keep up, and has missed revisions."""


class RevisionSubscription:
    """The revisions published since the watch began, as an asynchronous iterator.

    Raises:
        FellBehindError: from the iteration, once more than `backlog` were waiting.
    """

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._waiting: deque[Revision] = deque()
        self._changed = asyncio.Event()
        self._fell_behind = False
        self._closed = False

    def __aiter__(self) -> "RevisionSubscription":
        return self

    async def __anext__(self) -> Revision:
        while not self._waiting:
            if self._fell_behind:
                raise FellBehindError
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    def offer(self, revision: Revision) -> None:
        if len(self._waiting) == self._backlog:
            self._fell_behind = True
            self._waiting.clear()
        if not self._fell_behind:
            self._waiting.append(revision)
        self._changed.set()

    def close(self) -> None:
        """The iteration ends after what is waiting."""
        self._closed = True
        self._changed.set()


class Revisions:
    """Holds the watches. For use within one event loop."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._backlog = backlog
        self._watches: set[RevisionSubscription] = set()
        self._closed = False

    def publish(self, revision: Revision) -> None:
        """Returns at once, whatever the watchers do."""
        for watch in self._watches:
            watch.offer(revision)

    @contextmanager
    def watch(self) -> Iterator[RevisionSubscription]:
        """What is published from now on."""
        watch = RevisionSubscription(self._backlog)
        if self._closed:
            watch.close()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def close(self) -> None:
        """Ends all watches, also those to come: the server shuts down."""
        self._closed = True
        for watch in self._watches:
            watch.close()
