"""Work that can be paused, so that what is urgent need not wait for its end.

A generator yields wherever it may be left for a while, at least every few hundred microseconds, and returns what it
made. Whoever drives it has the clock.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def finish(steps: Steps[_T]) -> _T:
    """What the work makes, all in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: _T = end.value
            return made
