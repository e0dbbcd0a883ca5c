"""How often a large fleet is told of endpoints that change all the time.

A response costs about the same whether it tells of one change or of thirty. So where most of those who were told of the
last change of endpoints have still to answer it, further ones are let come together until they have, and as long again.
Most could be told nothing before that; some, that answered faster, are told later than they might have been.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from xds.server.convergence import RevisionProgress
from xds.server.stream import Clock

FEW: Final = 50
"""Proxies that are told whenever something changes: that doesn't cost much."""

BREATH: Final = 0.02
"""Seconds for which answers are waited for, from when the fleet was told; and as long again for more changes."""

LOOK: Final = 0.002
"""Seconds between two looks at who has answered."""


class EndpointDebounce:
    """Says when to go on.

    Args:
        clock: Seconds, monotonic.
        sleep: For so many of them.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._spread: RevisionProgress | None = None
        self._told = 0
        self._told_at = 0.0

    def told(self, spread: RevisionProgress | None) -> None:
        """All proxies that a change of endpoints concerns are told of it; None: what they are told is something else,
        for which endpoints never wait.
        """
        self._spread = spread
        self._told = spread.streams if spread else 0
        self._told_at = self._clock()

    @property
    def is_unanswered(self) -> bool:
        """Whether most of more than a FEW proxies have still to answer what they were told of endpoints."""
        return self._spread is not None and self._told > FEW and self._spread.streams * 2 > self._told

    async def wait(self, hurry: Callable[[], bool]) -> None:
        """Wait until more endpoints should be told, there is reason to hurry, or something else is told. If the last
        are answered when this is called, there is no storm and no waiting.
        """
        if not self.is_unanswered:
            return
        spread, end = self._spread, None
        while self._spread is spread and not hurry():
            passed = self._clock() - self._told_at
            if end is None and (passed >= BREATH or not self.is_unanswered):
                end = 2 * min(passed, BREATH)
            if end is not None and passed >= end:
                break
            await self._sleep(LOOK)
