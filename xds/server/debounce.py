"""Debounce of endpoint changes that come faster than a large fleet answers.

A response costs about the same for one change as for thirty. While most streams have not answered the last endpoint
push, further endpoint changes are merged until most have, and for the same time again. Most streams couldn't take
another response before that anyway: a type has one response in flight. Fast streams get theirs a little later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from xds.server.convergence import RevisionProgress
from xds.server.stream import Clock

UNDEBOUNCED_STREAMS: Final = 50
"""Largest number of streams that get every change at once, as so few pushes cost little."""

ANSWER_WAIT_SECONDS: Final = 0.02
"""Longest wait for answers, from the push on. Further changes are merged for as long again."""

ANSWER_POLL_SECONDS: Final = 0.002
"""Interval between two checks for answers."""


class EndpointDebounce:
    """Decides when the next endpoint changes are pushed.

    Args:
        clock: Seconds, monotonic.
        sleep: Waits for a number of seconds.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._last: RevisionProgress | None = None
        self._streams = 0
        self._pushed_at = 0.0

    def pushed(self, revision: RevisionProgress | None) -> None:
        """Note a push.

        Args:
            revision: A revision of endpoints only; None: a push of other resources, which delays no endpoints.
        """
        self._last = revision
        self._streams = revision.streams if revision else 0
        self._pushed_at = self._clock()

    @property
    def is_unanswered(self) -> bool:
        """Whether most of more than UNDEBOUNCED_STREAMS streams still have to answer the last endpoint push."""
        return self._last is not None and self._streams > UNDEBOUNCED_STREAMS and self._last.streams * 2 > self._streams

    async def wait(self, is_urgent: Callable[[], bool]) -> None:
        """Wait until the next endpoint changes should be pushed, at once if the last push is mostly answered.

        Another push ends the wait.

        Args:
            is_urgent: Whether to stop waiting, asked every ANSWER_POLL_SECONDS.
        """
        if not self.is_unanswered:
            return
        last, end = self._last, None
        while self._last is last and not is_urgent():
            passed = self._clock() - self._pushed_at
            if end is None and (passed >= ANSWER_WAIT_SECONDS or not self.is_unanswered):
                end = 2 * min(passed, ANSWER_WAIT_SECONDS)
            if end is not None and passed >= end:
                break
            await self._sleep(ANSWER_POLL_SECONDS)
