"""Fans new revisions out to the subscribers of WatchSnapshot, without waiting for any of them."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xds.snapshot.store import Revision

SUBSCRIBER_BACKLOG: Final = 100
"""Revisions that may wait for one subscriber. A revision holds its changes, so the limit bounds memory."""


class FellBehindError(Exception):
    """The subscriber was too slow, and missed revisions."""


class RevisionSubscription:
    """An asynchronous iterator over the revisions published since the subscription began.

    Raises:
        FellBehindError: from the iteration, after more than `backlog` revisions had to wait.
    """

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._pending: deque[Revision] = deque()
        self._changed = asyncio.Event()
        self._fell_behind = False
        self._closed = False

    def __aiter__(self) -> "RevisionSubscription":
        return self

    async def __anext__(self) -> Revision:
        while not self._pending:
            if self._fell_behind:
                raise FellBehindError
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._pending.popleft()

    def offer(self, revision: Revision) -> None:
        if len(self._pending) == self._backlog:
            self._fell_behind = True
            self._pending.clear()
        if not self._fell_behind:
            self._pending.append(revision)
        self._changed.set()

    def close(self) -> None:
        """End the iteration after the pending revisions."""
        self._closed = True
        self._changed.set()


class Revisions:
    """The open subscriptions. For use within one event loop."""

    def __init__(self, backlog: int = SUBSCRIBER_BACKLOG) -> None:
        self._backlog = backlog
        self._subscriptions: set[RevisionSubscription] = set()
        self._closed = False

    def publish(self, revision: Revision) -> None:
        """Offer the revision to each subscription. Never waits."""
        for subscription in self._subscriptions:
            subscription.offer(revision)

    @contextmanager
    def subscribe(self) -> Iterator[RevisionSubscription]:
        """Subscribe to the revisions published from now on."""
        subscription = RevisionSubscription(self._backlog)
        if self._closed:
            subscription.close()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End all subscriptions, and later ones at once: the server shuts down."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
