"""An authorizer for auth-url that answers well, in odd ways, or not at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.support.objects import slice_of
from xds.kube.objects import EndpointSlice

RIGHT: Final = {"x-right": "yes"}
"""The header of clients that are let in."""

DECIDES, LATE, MUTE = "decides", "late", "mute"

_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_NO: Final = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"

LATE_SECONDS: Final = 0.4

ODD: Final[Mapping[str, bytes]] = {
    "302": b"HTTP/1.1 302 Found\r\nlocation: /in\r\ncontent-length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
    "nothing": b"",
    "no HTTP": b"200 OK\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "half a body": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    "a chunk without an end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "early hints, then nothing": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}
"""Answers after which the connection ends."""


@dataclass(slots=True)
class OddAuthorizer:
    """A server on 127.0.0.1.

    Attributes:
        name: Of its Service, and of its EndpointSlice.
        mode: `DECIDES`, `LATE`, `MUTE`, or a key of `ODD`.
    """

    name: str
    mode: str = DECIDES
    port: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def slices(self) -> EndpointSlice:
        return slice_of(self.name, "127.0.0.1", ports=[self.port])

    def become(self, mode: str) -> None:
        """Requests that wait for an answer are closed without one."""
        self.mode = mode
        self._changed.set()
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["OddAuthorizer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.become("nothing")
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if self.mode in ODD:
                    writer.write(ODD[self.mode])
                    await writer.drain()
                    return
                if self.mode == MUTE:
                    await self._changed.wait()
                    return
                if self.mode == LATE:
                    await asyncio.sleep(LATE_SECONDS)
                writer.write(_OK if b"\r\nx-right: yes\r\n" in head else _NO)
