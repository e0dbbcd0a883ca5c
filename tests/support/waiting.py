"""Waits of tests: on a condition, with a limit that a busy machine keeps."""

import asyncio
from collections.abc import Callable
from typing import Final

WAIT_LIMIT_SECONDS: Final = 30.0
"""Until a wait fails its test. Never part of an assertion: a machine with many other jobs may need most of it."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state that no message announces, such as the server's notice of a closed stream.

    Raises:
        TimeoutError: The condition does not hold within WAIT_LIMIT_SECONDS.
    """
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
