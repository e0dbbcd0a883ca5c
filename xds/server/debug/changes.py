"""The mark of visible changes, for a page that refreshes itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Final

CHECK_SECONDS: Final = 0.5
"""Between two looks at the mark, while anybody follows. Also the debounce: changes within are one."""


class Changes:
    """Follows a mark of the state. While nobody follows, nothing runs.

    Args:
        mark: Returns a value that differs after each visible change. Costs microseconds.
    """

    def __init__(self, mark: Callable[[], Hashable]) -> None:
        self.mark = mark
        self._closed = asyncio.Event()

    async def follow(self) -> AsyncIterator[Hashable]:
        """Yield the mark at once, and whenever another look finds a different one. Ends with the server."""
        last = self.mark()
        yield last
        while not self._closed.is_set():
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._closed.wait()
            except TimeoutError:
                current = self.mark()
                if current != last:
                    last = current
                    yield last

    def close(self) -> None:
        """End all followers."""
        self._closed.set()
