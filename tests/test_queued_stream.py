"""The stream behind the log, on real pipes: full, non-blocking, without a reader. tests/controlplane/test_log_stream.py
has the whole process.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from xds.queued_stream import QUEUE_BYTES, QueuedStream

PATIENCE = 30.0


@dataclass
class Pipe:
    reader: int
    writer: int

    def read_all(self) -> list[str]:
        """All lines up to the line `end`."""
        data = [b""]
        while not data[-1].endswith(b"end\n"):
            data.append(os.read(self.reader, 65536))
        return b"".join(data).decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 4096)
    yield pipe
    for descriptor in (pipe.reader, pipe.writer):
        os.close(descriptor)


def stream_of(descriptor: int) -> QueuedStream:
    return QueuedStream(descriptor, lambda count: f"{count} dropped\n")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_full_pipe_delays_no_writer_and_gets_all_lines_later(pipe: Pipe, blocking: bool) -> None:
    os.set_blocking(pipe.writer, blocking)
    stream = stream_of(pipe.writer)
    lines = [f"line {number:100}" for number in range(1000)]
    for line in lines:
        stream.write(line + "\n")
    stream.write("end\n")
    assert pipe.read_all() == [*lines, "end"]
    assert stream.dropped == 0


def test_lines_beyond_the_queue_are_dropped_counted_and_reported_in_their_place(pipe: Pipe) -> None:
    stream = stream_of(pipe.writer)
    large = "x" * (QUEUE_BYTES // 8 - 1) + "\n"
    stream.write(large)
    until(lambda: not stream._lines)  # The thread has it, and the pipe takes 4096 bytes of it.
    for _ in range(8):
        stream.write(large)
    assert stream.dropped == 0
    stream.write(large)
    stream.write("y" * len(large))
    assert stream.dropped == 2

    def write_end() -> None:
        until(lambda: not stream._lines)
        stream.write("end\n")

    threading.Thread(target=write_end).start()
    lines = pipe.read_all()
    assert [len(line) for line in lines[:9]] == [len(large) - 1] * 9
    assert lines[9:] == ["2 dropped", "end"]


def test_dropped_lines_are_reported_without_a_next_line(pipe: Pipe) -> None:
    stream = QueuedStream(pipe.writer, lambda count: f"{count} dropped\nend\n")
    while not stream.dropped:
        stream.write("x" * (QUEUE_BYTES // 8 - 1) + "\n")
    assert pipe.read_all()[-2:] == ["1 dropped", "end"]


def test_a_pipe_without_a_reader_costs_the_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = stream_of(writer)
    for _ in range(3):
        stream.write("lost\n")
    stream.finish()
    assert stream.dropped == 3
    again = os.pipe()
    os.dup2(again[1], writer)
    stream.write("end\n")
    assert Pipe(*again).read_all() == ["3 dropped", "end"]
    for descriptor in (writer, *again):
        os.close(descriptor)


def test_a_torn_line_is_ended_before_the_next_one(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that fills in the middle of a line."""
    reader, writer = os.pipe()
    write, left = os.write, [5]

    def full_disk(descriptor: int, data: bytes) -> int:
        if descriptor != writer or left[0] > 100:
            return write(descriptor, data)
        if not left[0]:
            raise OSError(28, "No space left on device")
        part = write(descriptor, bytes(data)[: left[0]])
        left[0] -= part
        return part

    monkeypatch.setattr(os, "write", full_disk)
    stream = stream_of(writer)
    stream.write('{"event": "torn"}\n')
    stream.finish()
    left[0] = 1000
    stream.write("end\n")
    assert Pipe(reader, writer).read_all() == ['{"eve', "1 dropped", "end"]
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_text_that_is_not_unicode_is_escaped(pipe: Pipe) -> None:
    stream = stream_of(pipe.writer)
    stream.write(json.dumps("ok") + "\n\udcff\nend\n")
    assert pipe.read_all() == ['"ok"', "\\udcff", "end"]
