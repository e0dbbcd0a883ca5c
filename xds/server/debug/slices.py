"""Work on the event loop in slices, with pauses for proxies."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Final, TypeVar

SLICE_SECONDS: Final = 0.002
"""Longest work without a pause, but for one item."""

PAUSE_SECONDS: Final = 0.001
"""A sleep, and not only a turn of the loop: gRPC's threads have work, too."""

_Item = TypeVar("_Item")


async def in_slices(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """Yield the items, and pause whenever a slice is over. Items are made, and worked on, within the slices."""
    until = perf_counter() + SLICE_SECONDS
    for item in items:
        yield item
        if perf_counter() >= until:
            await asyncio.sleep(PAUSE_SECONDS)
            until = perf_counter() + SLICE_SECONDS
