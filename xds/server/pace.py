"""How often a fleet is told of endpoints that change all the time.

A response costs about the same whether it tells of one change or of thirty. So in a storm, changes are let come
together for as long as it takes the fleet to answer: that costs a third less, and nobody's answer is waited for longer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from xds.server.propagation import Spread
from xds.server.stream import Clock

BREATH: Final = 0.02
"""Seconds for which answers are waited for, from when the fleet was told; and as long again for more changes."""

LOOK: Final = 0.002
"""Seconds between two looks at who has answered."""


class Pace:
    """Says when to go on.

    Args:
        clock: Seconds, monotonic.
        sleep: For so many of them.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._spread: Spread | None = None
        self._told = 0
        self._told_at = 0.0

    def told(self, spread: Spread | None) -> None:
        """All proxies that a change of endpoints concerns are told of it; None: what they are told is something else,
        for which endpoints never wait.
        """
        self._spread = spread
        self._told = spread.streams if spread else 0
        self._told_at = self._clock()

    async def wait(self) -> None:
        """Wait while most proxies have not answered, which couldn't be told of anything new yet, and as long again. If
        they have when this is called, there is no storm and no waiting.
        """
        if not self._is_unanswered:
            return
        while self._is_unanswered and self._clock() - self._told_at < BREATH:
            await self._sleep(LOOK)
        now = self._clock()
        end = self._told_at + 2 * min(now - self._told_at, BREATH)
        if end > now:
            await self._sleep(end - now)

    @property
    def _is_unanswered(self) -> bool:
        return self._spread is not None and self._spread.streams * 2 > self._told
