"""Waiting for the first of several coroutines, and for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import ClientError

T = TypeVar("T")


async def first(*coroutines: Coroutine[Any, Any, T]) -> T:
    """The result of the first coroutine to end. The rest is cancelled, and has ended on return."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(question: Callable[[], Awaitable[bool]], patience: float, pause: float) -> float:
    """Repeat a question until the answer is yes. Returns the moment, of `time.perf_counter`.

    Args:
        question: A failed connection counts as no.
        patience: Seconds.
        pause: Seconds between two questions.

    Raises:
        TimeoutError: the answer was no for `patience` seconds.
    """
    async with asyncio.timeout(patience):
        while not await _yes(question):  # noqa: ASYNC110 - the answer comes from another process
            await asyncio.sleep(pause)
        return time.perf_counter()


async def _yes(question: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await question()
    except (OSError, ClientError):
        return False
