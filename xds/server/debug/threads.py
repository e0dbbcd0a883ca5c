"""Work in a thread of its own, off the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

_Result = TypeVar("_Result")


class InThread(Protocol):
    """Runs work in a thread."""

    def __call__(self, work: Callable[[], _Result]) -> Coroutine[Any, Any, _Result]: ...


class OneThread:
    """A single thread for all callers.

    More threads would take processor time from the event loop, whose own executor is for the source.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    async def __call__(self, work: Callable[[], _Result]) -> _Result:
        """Run the work. On cancellation the thread finishes the work."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Begin no further work."""
        self._executor.shutdown(wait=False, cancel_futures=True)
