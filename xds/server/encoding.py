"""Encodes what is sent, once for all streams, and the large responses with pauses."""

import asyncio
from typing import Final

from xds.protocol.messages import Response
from xds.server.stream import Clock
from xds.server.wire import Encoder

MANY: Final = 500
"""Resources, or changes of a revision, that take milliseconds to be encoded, or to be told: not in one go, then."""

PORTION: Final = 0.002
"""Seconds that this is done at a time."""


class PausingEncoder(Encoder):
    """An encoder that leaves others their turn.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._slow = asyncio.Lock()

    async def encoded(self, response: Response) -> bytes:
        """`encode` with pauses, in which all get on but who waits for a large one, too: mostly for the same."""
        if len(response.resources) < MANY:
            return self.encode(response)
        async with self._slow:
            return await self._encoded_slowly(response)

    async def _encoded_slowly(self, response: Response) -> bytes:
        steps, until = self.encoding(response), self._clock() + PORTION
        while True:
            try:
                next(steps)
            except StopIteration as end:
                encoded: bytes = end.value
                return encoded
            if self._clock() >= until:
                await asyncio.sleep(0)
                until = self._clock() + PORTION
