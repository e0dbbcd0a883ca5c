"""Frames of HTTP/2 by hand, for limits that client libraries keep: windows, and numbers of headers.

Source: https://www.rfc-editor.org/rfc/rfc9113#section-6 and https://www.rfc-editor.org/rfc/rfc7541#section-6
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE = 0, 1, 3, 4, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE: Final = 4
DEFAULT_WINDOW_BYTES: Final = 65_535
FRAME_BYTES: Final = 16_384
STATUS_200: Final = b"\x88"


@dataclass(frozen=True, slots=True)
class Frame:
    type: int
    flags: int
    stream: int
    payload: bytes


@dataclass(slots=True)
class Http2:
    """A connection by prior knowledge."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def frame(self) -> Frame:
        head = await self.reader.readexactly(9)
        size, type_, flags, stream = struct.unpack(">I", b"\0" + head[:3])[0], head[3], head[4], head[5:]
        return Frame(type_, flags, int.from_bytes(stream, "big"), await self.reader.readexactly(size))

    def send(self, type_: int, flags: int, stream: int, payload: bytes) -> None:
        self.writer.write(struct.pack(">I", len(payload))[1:] + bytes((type_, flags)) + stream.to_bytes(4, "big"))
        self.writer.write(payload)

    def request(
        self, authority: str, headers: Iterable[tuple[str, str]] = (), *, method: str = "GET", path: str = "/"
    ) -> None:
        """Send the headers of stream 1; a POST goes on with `send` of DATA."""
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority), *headers]
        flags = END_HEADERS | (END_STREAM if method == "GET" else 0)
        self.send(HEADERS, flags, 1, b"".join(_literal(*field) for field in fields))

    async def outcome(self) -> str:
        """`200`, `other` for another status, or `reset`."""
        while True:
            frame = await self.frame()
            if frame.type == RST_STREAM:
                return "reset"
            if frame.type == HEADERS:
                return "200" if frame.payload.startswith(STATUS_200) else "other"


@contextlib.asynccontextmanager
async def http2(port: int) -> AsyncIterator[Http2]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(PREFACE)
        connection = Http2(reader, writer)
        connection.send(SETTINGS, 0, 0, b"")
        yield connection
    finally:
        writer.close()


def _literal(name: str, value: str) -> bytes:
    """A field without index and without Huffman coding, of less than 127 bytes."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))
