"""How long to wait before the next try."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.2
CAP: Final = 15.0
"""Seconds. The cap bounds the load on a server that is down for long, and how long after its return it goes unnoticed
if it is alone with that: the first to get an answer wakes the others.
"""


class Backoff:
    """Doubles from FIRST to CAP; a random half keeps many clients from coming all at once.

    Args:
        random: Gives a number from 0 to 1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._next = FIRST

    def delay(self) -> float:
        """Seconds to wait this time."""
        wait, self._next = self._next, min(self._next * 2, CAP)
        return wait * (0.5 + self._random() / 2)

    def reset(self) -> None:
        self._next = FIRST
