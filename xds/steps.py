"""Work that can be paused for more urgent work.

A generator yields at every point where it may be paused, at least every few hundred microseconds, and returns the
result. The caller holds the clock.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def finish(steps: Steps[_T]) -> _T:
    """Do all steps without a pause, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
