"""The HTTP/2 connection, against the state machine of the library h2, single frames, and arbitrary bytes.

Excludes: gRPC's own client (test_authz_process.py) and Envoy (tests/e2e/test_authz.py).
"""

import asyncio
import struct
from collections.abc import Iterable
from typing import Any, Final

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.authz import http2
from xds.authz.http2 import MAX_MESSAGE_BYTES, PREFACE, Code, GrpcConnection, Kind, Reply, frame

HEADERS: Final = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/envoy.service.auth.v3.Authorization/Check"),
    (":authority", "authz"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]

HELD: Final = b"hold"
"""A message whose answer waits for `Side.release`."""


def shortened(message: bytes) -> bytes:
    return message[:-1000:-1]


def wrapped(message: bytes) -> bytes:
    return struct.pack(">BL", 0, len(message)) + message


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Side:
    """A connection whose service answers with the end of the message, reversed, and its transport."""

    def __init__(self) -> None:
        self.held: list[Reply] = []
        self.open: set[GrpcConnection] = set()
        self.connection = GrpcConnection(self._serve, self.open)
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def _serve(self, message: bytes, reply: Reply) -> None:
        if message == HELD:
            self.held.append(reply)
        else:
            reply(None if message == b"fail" else shortened(message))

    def feed(self, data: bytes, size: int = 0) -> None:
        """Deliver data in pieces of a size; 0: whole."""
        for at in range(0, len(data), size or len(data) or 1):
            self.connection.data_received(data[at : at + (size or len(data))])

    def taken(self) -> bytes:
        data = bytes(self.transport.written)
        self.transport.written.clear()
        return data

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """Type, flags, stream and content of each written frame."""
        data, found = self.taken(), []
        while data:
            head, flags, stream = struct.unpack_from(">LBL", data)
            end = 9 + (head >> 8)
            found.append((head & 0xFF, flags, stream, data[9:end]))
            data = data[end:]
        return found


class Peer:
    """A client by h2, which raises an error for each violation of the protocol."""

    def __init__(self, side: Side, size: int = 0) -> None:
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._side, self._size = side, size
        self.answers: dict[int, dict[str, Any]] = {}
        self.events: list[Any] = []
        self._h2.initiate_connection()
        self.exchange()

    def exchange(self) -> None:
        while True:
            sent = self._h2.data_to_send()
            self._side.feed(sent, self._size)
            received = self._side.taken()
            if not sent and not received:
                return
            for event in self._h2.receive_data(received):
                self._note(event)

    def _note(self, event: Any) -> None:
        self.events.append(event)
        match event:
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                answer = self.answers.setdefault(event.stream_id, {"data": b""})
                answer.update((name.decode(), value.decode()) for name, value in event.headers or ())
            case h2.events.DataReceived():
                self.answers[event.stream_id]["data"] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            case h2.events.StreamEnded():
                self.answers[event.stream_id]["ended"] = True

    def call(self, message: bytes, padding: int | None = None, *, end: bool = True) -> int:
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, HEADERS)
        data = wrapped(message)
        while data:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size) - 300
            piece, data = data[:room], data[room:]
            self._h2.send_data(stream, piece, end_stream=end and not data, pad_length=padding)
        self.exchange()
        return stream

    def ping(self) -> None:
        self._h2.ping(b"12345678")
        self.exchange()

    def reset(self, stream: int) -> None:
        self._h2.reset_stream(stream)
        self.exchange()


def right(message: bytes) -> dict[str, Any]:
    head = {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}
    return {**head, "data": wrapped(shortened(message)), "ended": True}


@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_calls_are_answered_however_the_bytes_arrive(size: int) -> None:
    peer = Peer(Side(), size)
    for message in (b"", b"abc", b"x" * 50_000):
        assert peer.answers[peer.call(message)] == right(message)


def test_padding_is_no_part_of_a_message() -> None:
    peer = Peer(Side())
    assert peer.answers[peer.call(b"abc", padding=7)] == right(b"abc")
    assert peer.answers[peer.call(b"x" * 40_000, padding=255)] == right(b"x" * 40_000)


def test_answers_may_come_late_and_in_another_order() -> None:
    side = Side()
    peer = Peer(side)
    first, second, third = peer.call(HELD), peer.call(HELD), peer.call(b"abc")
    assert peer.answers.keys() == {third}
    for reply in reversed(side.held):
        reply(b"late")
        peer.exchange()
    assert list(peer.answers) == [third, second, first]
    assert peer.answers[first]["data"] == wrapped(b"late")


def test_an_answer_for_a_reset_stream_or_a_lost_connection_is_dropped() -> None:
    side = Side()
    peer = Peer(side)
    peer.reset(peer.call(HELD))
    peer.call(HELD)
    side.held[0](b"late")
    assert side.taken() == b""
    side.connection.connection_lost(None)
    side.held[1](b"late")
    assert side.taken() == b""
    assert not side.open


def test_a_service_without_an_answer_is_an_internal_error() -> None:
    peer = Peer(Side())
    answer = peer.answers[peer.call(b"fail")]
    assert (answer["grpc-status"], answer["data"], answer["ended"]) == ("13", b"", True)


def test_pings_are_answered() -> None:
    peer = Peer(Side())
    peer.ping()
    assert any(isinstance(event, h2.events.PingAckReceived) for event in peer.events)


def test_the_window_of_the_connection_never_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "_RETURN_WINDOW_BYTES", 100_000)
    peer = Peer(Side())
    for _ in range(20):
        peer.call(b"x" * 30_000)
    updates = [event for event in peer.events if isinstance(event, h2.events.WindowUpdated) and not event.stream_id]
    assert len(updates) > 4


def test_answers_wait_for_the_window_of_the_peer() -> None:
    """h2 returns its window as soon as an answer is read; so the answers of one delivery meet the first window."""
    side = Side()
    peer = Peer(side)
    streams = [peer.call(HELD) for _ in range(10)]
    for reply in side.held:
        reply(b"x" * 10_000)
    assert sum(len(content) for kind, _, _, content in side.frames() if kind == Kind.DATA) <= 65_535
    side.feed(frame(Kind.WINDOW_UPDATE, 0, 0, struct.pack(">L", 100_000)))
    assert {stream for kind, _, stream, _ in side.frames() if kind == Kind.DATA} == set(streams[6:])


def test_a_message_that_is_too_large_resets_its_stream_alone() -> None:
    side = greeted()
    side.feed(frame(Kind.HEADERS, 4, 1))
    for _ in range(MAX_MESSAGE_BYTES // 16_384 + 1):
        side.feed(frame(Kind.DATA, 0, 1, b"x" * 16_384))
    assert (Kind.RST_STREAM, 0, 1, struct.pack(">L", Code.ENHANCE_YOUR_CALM)) in side.frames()
    side.feed(frame(Kind.DATA, 1, 1, b"x"))
    assert side.frames() == []
    side.feed(frame(Kind.HEADERS, 4, 3) + frame(Kind.DATA, 1, 3, wrapped(b"abc")))
    assert wrapped(b"cba") in [content for *_, content in side.frames()]


def test_incomplete_requests_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "MAX_BUFFERED_BYTES", 50_000)
    peer = Peer(Side())
    for _ in range(10):
        peer.call(b"x" * 10_000, end=False)
    resets = [event for event in peer.events if isinstance(event, h2.events.StreamReset)]
    assert len(resets) == 6
    assert peer.answers[peer.call(b"abc")] == right(b"abc")


def test_streams_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "MAX_STREAMS", 3)
    side = greeted()
    for stream in (1, 3, 5, 7):
        side.feed(frame(Kind.HEADERS, 4, stream) + frame(Kind.DATA, 1, stream, wrapped(HELD)))
    assert side.frames() == [(Kind.RST_STREAM, 0, 7, struct.pack(">L", Code.REFUSED_STREAM))]
    assert len(side.held) == 3


def test_a_drained_connection_answers_open_calls_and_closes() -> None:
    side = greeted()
    call = frame(Kind.HEADERS, 4, 1) + frame(Kind.DATA, 1, 1, wrapped(HELD))
    side.feed(call)
    side.connection.drain()
    [(kind, _, _, content)] = side.frames()
    assert (kind, content) == (Kind.GOAWAY, struct.pack(">LL", 2**31 - 1, Code.NO_ERROR))
    assert not side.transport.closed
    side.held[0](b"late")
    assert [content for kind, _, _, content in side.frames() if kind == Kind.DATA] == [wrapped(b"late")]
    assert side.transport.closed


def test_an_idle_connection_is_drained_at_once() -> None:
    side = greeted()
    side.connection.drain()
    assert side.transport.closed


def greeted() -> Side:
    side = Side()
    side.feed(PREFACE + frame(Kind.SETTINGS, 0, 0))
    side.taken()
    return side


def test_headers_may_continue() -> None:
    side = greeted()
    side.feed(frame(Kind.HEADERS, 0, 1, b"a") + frame(Kind.CONTINUATION, 0, 1, b"b") + frame(Kind.CONTINUATION, 4, 1))
    side.feed(frame(Kind.DATA, 1, 1, wrapped(b"abc")))
    assert [kind for kind, *_ in side.frames()] == [Kind.HEADERS, Kind.DATA, Kind.HEADERS]


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\1" + wrapped(b"abc")[1:], wrapped(b"abc")[:-1], wrapped(b"abc") + b"x"]
)
def test_a_malformed_message_is_an_internal_error(data: bytes) -> None:
    side = greeted()
    side.feed(frame(Kind.HEADERS, 4, 1) + frame(Kind.DATA, 1, 1, data))
    [(kind, flags, stream, content)] = side.frames()
    assert (kind, flags, stream) == (Kind.HEADERS, 5, 1)
    assert content.endswith(b"grpc-status\x0213")


def test_a_request_without_a_message_is_an_internal_error() -> None:
    side = greeted()
    side.feed(frame(Kind.HEADERS, 5, 1))
    assert [content[-2:] for *_, content in side.frames()] == [b"13"]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(Kind.HEADERS, 4, 2)], Code.PROTOCOL_ERROR),
        ([frame(Kind.CONTINUATION, 4, 1)], Code.PROTOCOL_ERROR),
        ([frame(Kind.HEADERS, 0, 1), frame(Kind.DATA, 1, 1)], Code.PROTOCOL_ERROR),
        ([frame(Kind.HEADERS, 4, 1), frame(Kind.DATA, 9, 1, b"\5abcd")], Code.PROTOCOL_ERROR),
        ([frame(Kind.HEADERS, 4, 1), frame(Kind.DATA, 9, 1)], Code.PROTOCOL_ERROR),
        ([frame(Kind.SETTINGS, 0, 0, struct.pack(">HL", 4, 100))], Code.FLOW_CONTROL_ERROR),
        ([frame(Kind.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")], Code.FLOW_CONTROL_ERROR),
        ([frame(Kind.WINDOW_UPDATE, 0, 0, b"\1")], Code.FRAME_SIZE_ERROR),
        ([b"\x00\x40\x01\0\0\0\0\0\1"], Code.FRAME_SIZE_ERROR),
    ],
)
def test_a_violation_ends_the_connection(frames: Iterable[bytes], code: Code) -> None:
    side = greeted()
    for each in frames:
        assert not side.transport.closed
        side.feed(each)
    *_, (kind, _, _, content) = side.frames()
    assert (kind, content[4:]) == (Kind.GOAWAY, struct.pack(">L", code))
    assert side.transport.closed


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0", PREFACE[:10] + b"x"])
def test_another_protocol_ends_the_connection(data: bytes) -> None:
    side = Side()
    side.feed(data)
    assert side.transport.closed


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=30)),
            st.builds(
                lambda stream, data: frame(Kind.HEADERS, 4, stream) + frame(Kind.DATA, 1, stream, wrapped(data)),
                st.integers(0, 9),
                st.binary(max_size=30),
            ),
        ),
        max_size=30,
    )
)
def test_any_bytes_are_answered_by_frames_and_never_by_an_error(pieces: list[bytes]) -> None:
    side = greeted()
    for each in pieces:
        if side.transport.closed:
            break
        side.feed(each)
    assert all(kind in set(Kind) for kind, *_ in side.frames())
