"""A text stream whose writers never wait: a thread writes, and lines that can't be written are dropped and counted."""

import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

QUEUE_BYTES: Final = 8 * 1024 * 1024
"""Most bytes that wait to be written: some 20,000 log lines."""

FINISH_SECONDS: Final = 1.0
"""Time to write the rest at the end of the process."""


class _Line(NamedTuple):
    """A line of the queue.

    Attributes:
        gap: Number of lines dropped before this one.
    """

    data: bytes
    gap: int


class QueuedStream(io.TextIOBase):
    """Text for a file descriptor that may block, fail, or have lost its reader.

    Args:
        descriptor: The file descriptor, blocking or not.
        dropped_line: Text to write in place of a number of dropped lines.
        note: Is given each text, before it is written or dropped.

    Attributes:
        dropped: Number of lines dropped so far.
    """

    encoding = "utf-8"

    def __init__(
        self, descriptor: int, dropped_line: Callable[[int], str], note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._dropped_line = dropped_line
        self._note = note
        self._is_terminal = os.isatty(descriptor)
        self._lines: deque[_Line] = deque()
        self._queued_bytes = 0
        self._gap = 0  # lines dropped after the last one in the queue
        self._unreported = 0  # lines dropped before the next one to write
        self._is_torn = False
        self._changed = threading.Condition()
        self._is_idle = True
        self._until_writable = select.poll()
        self._until_writable.register(descriptor, select.POLLOUT)
        # A daemon, as a write to a pipe without a reader never returns.
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, text: str) -> int:
        self._note(text)
        data = text.encode(errors="backslashreplace")
        with self._changed:
            if self._queued_bytes + len(data) > QUEUE_BYTES:
                self.dropped += 1
                self._gap += 1
            else:
                self._lines.append(_Line(data, self._gap))
                self._gap = 0
                self._queued_bytes += len(data)
                self._is_idle = False
                self._changed.notify()
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        return self._descriptor

    def finish(self) -> None:
        """Wait until all lines are written, FINISH_SECONDS at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_idle, FINISH_SECONDS)

    def _run(self) -> None:
        while True:
            line = self._next()
            self._unreported += line.gap
            if self._unreported and self._write(self._dropped_line(self._unreported).encode()):
                self._unreported = 0
            if line.data and not self._write(line.data):
                with self._changed:
                    self.dropped += 1
                self._unreported += 1

    def _next(self) -> _Line:
        with self._changed:
            while not self._lines:
                if self._gap:
                    gap, self._gap = self._gap, 0
                    return _Line(b"", gap)
                self._is_idle = True
                self._changed.notify_all()
                self._changed.wait()
            line = self._lines.popleft()
            self._queued_bytes -= len(line.data)
            return line

    def _write(self, data: bytes) -> bool:
        """Whether all of the data could be written. A torn line is ended before the next one."""
        rest = memoryview(b"\n" + data if self._is_torn else data)
        size = len(rest)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # another process made the pipe or terminal non-blocking
                    self._until_writable.poll()
        except OSError:
            self._is_torn = self._is_torn or len(rest) < size
            return False
        self._is_torn = False
        return True
