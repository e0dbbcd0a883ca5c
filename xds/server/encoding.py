"""Encodes what is sent, once for all streams, and the large responses with pauses."""

import asyncio
from collections.abc import Iterable
from typing import Final

from xds.protocol.messages import Response, Variant
from xds.server import wire
from xds.server.stream import Clock
from xds.snapshot.resource import Resource

MANY: Final = 500
"""Resources, or changes of a revision, that take milliseconds to be encoded, or to be told: not in one go, then."""

PORTION: Final = 0.002
"""Seconds that this is done at a time."""


class Encoding:
    """What the streams of a server share.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._encoder = wire.Encoder()
        self._slow = asyncio.Lock()
        self.known = self._encoder.known  # not a method around it: it is asked for each response on each stream

    def prepare(self, variant: Variant, resources: Iterable[Resource]) -> None:
        """Encode these now, which will be in a response together with others."""
        self._encoder.prepare(variant, resources)

    async def encoded(self, response: Response) -> bytes:
        """In between, everyone else gets on, but for those who wait for a large one, too: mostly for the same."""
        if len(response.resources) < MANY:
            return self._encoder.encode(response)
        async with self._slow:
            return await self._encoded_slowly(response)

    async def _encoded_slowly(self, response: Response) -> bytes:
        steps, until = self._encoder.encoding(response), self._clock() + PORTION
        while True:
            try:
                next(steps)
            except StopIteration as end:
                encoded: bytes = end.value
                return encoded
            if self._clock() >= until:
                await asyncio.sleep(0)
                until = self._clock() + PORTION
