"""Unary gRPC calls on an HTTP/2 connection, as much of it as Envoy and gRPC's clients need.

grpcio's server takes four times the processor time for a check from the cache (docs/design/access.md). Two
simplifications keep this small: there is one method, so headers of requests are skipped and never decoded, and messages
are small, so that a stream's window covers the largest one.

Source: https://www.rfc-editor.org/rfc/rfc9113, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Final, TypeAlias, cast

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HEADER_BYTES: Final = 9

MAX_FRAME_BYTES: Final = 16_384
"""The most of a peer that was told nothing else."""

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The largest request, as of gRPC's servers; a larger one resets its stream."""

MAX_STREAMS: Final = 8_192
"""Most open calls of a connection."""

MAX_BUFFERED_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of requests that are not complete, on a connection; beyond, a stream is reset."""

_MAX_WINDOW: Final = 2**31 - 1
_FIRST_WINDOW: Final = 65_535
_RETURN_WINDOW_BYTES: Final = 2**30

_GRPC_PREFIX: Final = struct.Struct(">BL")


class Kind(IntEnum):
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    """Codes of errors."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    ENHANCE_YOUR_CALM = 11


class Status(IntEnum):
    """Statuses of gRPC."""

    OK = 0
    INTERNAL = 13


_END_STREAM: Final = 1
_ACK: Final = 1
_END_HEADERS: Final = 4
_PADDED: Final = 8

_HEADER_TABLE_SIZE: Final = 1
_MAX_CONCURRENT_STREAMS: Final = 3
_INITIAL_WINDOW_SIZE: Final = 4

Reply: TypeAlias = Callable[[bytes | None], None]
"""Sends the answer of a call; None: the status INTERNAL."""

Service: TypeAlias = Callable[[bytes, Reply], None]
"""Answers a message, at once or later."""


class ProtocolError(Exception):
    """The peer violates the protocol, which ends the connection."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


def frame(kind: Kind, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">L", len(content) << 8 | kind) + struct.pack(">BL", flags, stream) + content


def _settings(**values: int) -> bytes:
    numbers = {"table": _HEADER_TABLE_SIZE, "streams": _MAX_CONCURRENT_STREAMS, "window": _INITIAL_WINDOW_SIZE}
    return b"".join(struct.pack(">HL", numbers[name], value) for name, value in values.items())


def _literal(name: bytes, value: bytes) -> bytes:
    """A header without compression.

    Source: https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2
    """
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


_GREETING: Final = frame(
    Kind.SETTINGS, 0, 0, _settings(table=0, streams=MAX_STREAMS, window=MAX_MESSAGE_BYTES + HEADER_BYTES)
) + frame(Kind.WINDOW_UPDATE, 0, 0, struct.pack(">L", _MAX_WINDOW - _FIRST_WINDOW))

_HEADERS: Final = b"\x88" + _literal(b"content-type", b"application/grpc")
_TRAILERS: Final = {status: _literal(b"grpc-status", str(status.value).encode()) for status in Status}


class GrpcConnection(asyncio.Protocol):
    """A connection.

    Args:
        service: The only method.
        connections: The open connections, to which this one adds itself.
    """

    def __init__(self, service: Service, connections: "set[GrpcConnection]") -> None:
        self._service = service
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._greeted = False
        self._in_headers = False
        self._requests: dict[int, bytearray] = {}
        self._answering: set[int] = set()
        self._buffered = 0
        self._last_stream = 0
        self._to_return = 0
        self._window = _FIRST_WINDOW
        self._blocked: deque[tuple[int, bytes]] = deque()
        self._out: list[bytes] = []
        self._reading = False
        self._draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._transport.write(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self)
        self._transport = None
        self._requests.clear()
        self._answering.clear()
        self._blocked.clear()

    def data_received(self, data: bytes) -> None:
        """Handle whole frames, and write all answers at once."""
        self._received += data
        self._reading = True
        try:
            self._read_frames()
        except ProtocolError as error:
            self._out.append(frame(Kind.GOAWAY, 0, 0, struct.pack(">LL", self._last_stream, error.code)))
            self._flush()
            if self._transport is not None:
                self._transport.close()
            self._received.clear()
        finally:
            self._reading = False
        self._flush()

    def drain(self) -> None:
        """Ask the peer to open no further streams here. The connection is closed after its last answer."""
        self._draining = True
        self._write(frame(Kind.GOAWAY, 0, 0, struct.pack(">LL", _MAX_WINDOW, Code.NO_ERROR)))
        self._close_if_drained()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _read_frames(self) -> None:
        received, at = self._received, 0
        if not self._greeted:
            if not received.startswith(PREFACE[: len(received)]):
                raise ProtocolError(Code.PROTOCOL_ERROR)
            if len(received) < len(PREFACE):
                return
            self._greeted, at = True, len(PREFACE)
        while len(received) - at >= HEADER_BYTES:
            head, flags, stream = struct.unpack_from(">LBL", received, at)
            length = head >> 8
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(Code.FRAME_SIZE_ERROR)
            end = at + HEADER_BYTES + length
            if end > len(received):
                break
            self._read(head & 0xFF, flags, stream & _MAX_WINDOW, bytes(received[at + HEADER_BYTES : end]))
            at = end
        del received[:at]

    def _read(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if self._in_headers and kind != Kind.CONTINUATION:
            raise ProtocolError(Code.PROTOCOL_ERROR)
        match kind:
            case Kind.DATA:
                self._read_data(stream, flags, content)
            case Kind.HEADERS:
                self._read_headers(stream, flags)
            case Kind.CONTINUATION:
                if not self._in_headers:
                    raise ProtocolError(Code.PROTOCOL_ERROR)
                self._in_headers = not flags & _END_HEADERS
            case Kind.RST_STREAM:
                self._forget(stream)
            case Kind.SETTINGS if not flags & _ACK:
                self._read_settings(content)
            case Kind.PING if not flags & _ACK:
                self._out.append(frame(Kind.PING, _ACK, 0, content))
            case Kind.WINDOW_UPDATE if stream == 0:
                self._widen(content)
            case _:
                pass  # others, such as PRIORITY, say nothing that is needed

    def _read_headers(self, stream: int, flags: int) -> None:
        """Begin a stream. Headers of an open stream are trailers, which requests of gRPC have not."""
        self._in_headers = not flags & _END_HEADERS
        if stream % 2 == 0:
            raise ProtocolError(Code.PROTOCOL_ERROR)
        if stream <= self._last_stream:
            self._reset(stream, Code.PROTOCOL_ERROR)
            return
        self._last_stream = stream
        if len(self._requests) + len(self._answering) >= MAX_STREAMS:
            self._reset(stream, Code.REFUSED_STREAM)
        elif flags & _END_STREAM:
            self._answering.add(stream)
            self._finish(stream, None)
        else:
            self._requests[stream] = bytearray()

    def _read_data(self, stream: int, flags: int, content: bytes) -> None:
        self._to_return += len(content)
        if self._to_return >= _RETURN_WINDOW_BYTES:
            self._out.append(frame(Kind.WINDOW_UPDATE, 0, 0, struct.pack(">L", self._to_return)))
            self._to_return = 0
        request = self._requests.get(stream)
        if request is None:
            return  # of a stream that was reset
        if flags & _PADDED:
            if not content or content[0] >= len(content):
                raise ProtocolError(Code.PROTOCOL_ERROR)
            content = content[1 : len(content) - content[0]]
        request += content
        self._buffered += len(content)
        if flags & _END_STREAM:
            self._end_request(stream, request)
        elif len(request) > MAX_MESSAGE_BYTES or self._buffered > MAX_BUFFERED_BYTES:
            self._reset(stream, Code.ENHANCE_YOUR_CALM)

    def _end_request(self, stream: int, request: bytearray) -> None:
        del self._requests[stream]
        self._buffered -= len(request)
        self._answering.add(stream)
        compressed, length = _GRPC_PREFIX.unpack_from(request) if len(request) >= _GRPC_PREFIX.size else (0, -1)
        if compressed or length != len(request) - _GRPC_PREFIX.size:
            self._finish(stream, None)
        else:
            self._service(bytes(request[_GRPC_PREFIX.size :]), partial(self._finish, stream))

    def _finish(self, stream: int, message: bytes | None) -> None:
        """Answer a call, unless its stream was reset or the connection is lost."""
        if stream not in self._answering:
            return
        self._answering.discard(stream)
        if message is None:
            trailers = _HEADERS + _TRAILERS[Status.INTERNAL]
            self._write(frame(Kind.HEADERS, _END_HEADERS | _END_STREAM, stream, trailers))
        else:
            self._blocked.append((stream, _GRPC_PREFIX.pack(0, len(message)) + message))
            self._unblock()
        self._close_if_drained()

    def _unblock(self) -> None:
        """Send the answers that the peer's window has room for."""
        while self._blocked and len(self._blocked[0][1]) <= self._window:
            stream, content = self._blocked.popleft()
            self._window -= len(content)
            self._write(
                frame(Kind.HEADERS, _END_HEADERS, stream, _HEADERS)
                + frame(Kind.DATA, 0, stream, content)
                + frame(Kind.HEADERS, _END_HEADERS | _END_STREAM, stream, _TRAILERS[Status.OK])
            )

    def _read_settings(self, content: bytes) -> None:
        for number, value in struct.iter_unpack(">HL", content[: len(content) // 6 * 6]):
            if number == _INITIAL_WINDOW_SIZE and value < MAX_FRAME_BYTES:
                raise ProtocolError(Code.FLOW_CONTROL_ERROR)  # an answer would not fit a stream's window
        self._out.append(frame(Kind.SETTINGS, _ACK, 0))

    def _widen(self, content: bytes) -> None:
        if len(content) != 4:
            raise ProtocolError(Code.FRAME_SIZE_ERROR)
        self._window += int.from_bytes(content, "big") & _MAX_WINDOW
        if self._window > _MAX_WINDOW:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR)
        self._unblock()

    def _reset(self, stream: int, code: Code) -> None:
        self._forget(stream)
        self._out.append(frame(Kind.RST_STREAM, 0, stream, struct.pack(">L", code)))

    def _forget(self, stream: int) -> None:
        self._buffered -= len(self._requests.pop(stream, b""))
        self._answering.discard(stream)

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        if not self._reading:
            self._flush()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _close_if_drained(self) -> None:
        if self._draining and not self._requests and not self._answering and not self._blocked:
            self._flush()
            if self._transport is not None:
                self._transport.close()
