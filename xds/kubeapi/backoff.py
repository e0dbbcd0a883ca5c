"""Delays between attempts, growing with the number of failures."""

from collections.abc import Callable
from typing import Final

FIRST_DELAY_SECONDS: Final = 0.2
MAX_DELAY_SECONDS: Final = 15.0
"""Bounds the load on a server that is down for long, and the time until a server's return is noticed. Where several
watches wait, the first answer wakes all of them.
"""


class Backoff:
    """Doubles the delay from FIRST_DELAY_SECONDS to MAX_DELAY_SECONDS. Half of each delay is random, which keeps many
    clients from retrying at the same time.

    Args:
        random: Returns a number from 0 to 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._next = FIRST_DELAY_SECONDS

    def delay(self) -> float:
        """Seconds to wait before the next attempt."""
        wait, self._next = self._next, min(self._next * 2, MAX_DELAY_SECONDS)
        return wait * (0.5 + self._random() / 2)

    def reset(self) -> None:
        self._next = FIRST_DELAY_SECONDS
