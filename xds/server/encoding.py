"""Encoding of responses, once for all streams, with pauses in large ones."""

import asyncio
from typing import Final

from xds.protocol.messages import Response
from xds.server.stream import Clock
from xds.server.wire import Encoder

LARGE_RESPONSE_RESOURCES: Final = 500
"""Smallest number of resources that takes milliseconds to encode, and is encoded with pauses."""

ENCODING_SLICE_SECONDS: Final = 0.002
"""Longest time of encoding without a pause."""


class PausingEncoder(Encoder):
    """An encoder that lets other tasks run while a large response is encoded.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._large = asyncio.Lock()

    async def encoded(self, response: Response) -> bytes:
        """`encode` with pauses. Large responses are encoded one at a time, as streams mostly wait for the same one."""
        if len(response.resources) < LARGE_RESPONSE_RESOURCES:
            return self.encode(response)
        async with self._large:
            steps, until = self.encoding(response), self._clock() + ENCODING_SLICE_SECONDS
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    encoded: bytes = end.value
                    return encoded
                if self._clock() >= until:
                    await asyncio.sleep(0)
                    until = self._clock() + ENCODING_SLICE_SECONDS
