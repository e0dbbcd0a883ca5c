"""Waiting for one of several things, and for something to become true."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import ClientError

T = TypeVar("T")


async def first(*coroutines: Coroutine[Any, Any, T]) -> T:
    """The outcome of what ends first; all else is cancelled, and has ended when this returns."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(question: Callable[[], Awaitable[bool]], patience: float, pause: float) -> float:
    """Asks until the answer is yes; the moment (of `time.perf_counter`) when it was.

    Args:
        question: What is asked. A connection that fails is a no.
        patience: Seconds.
        pause: Seconds between two questions.

    Raises:
        TimeoutError: the answer was no for `patience` seconds.
    """
    async with asyncio.timeout(patience):
        while not await _yes(question):  # noqa: ASYNC110 - who is asked is another process
            await asyncio.sleep(pause)
        return time.perf_counter()


async def _yes(question: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await question()
    except (OSError, ClientError):
        return False
