"""The log of gRPC's C core, which writes to descriptor 2, taken over for the sake of failed handshakes.

gRPC has no API for failed handshakes: neither a callback, nor a status, nor a metric. Its only trace is a line at level
INFO. This module imports nothing of gRPC, which reads its log level during the import.
"""

import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

READ_BYTES: Final = 65_536
"""The size of a pipe: more can't be waiting."""

_taken: list[int] = []
"""The end of the pipe to read from; empty: the log is not taken over."""


def take_over() -> None:
    """Move standard error to another descriptor, and make gRPC log to a pipe. Called once, before gRPC is imported.

    A full pipe drops lines: gRPC's threads never wait. A crash of native code still shows the stack of each thread.
    GRPC_VERBOSITY in the environment keeps gRPC's log on standard error, and leaves failed handshakes uncounted.
    """
    if "GRPC_VERBOSITY" in os.environ:
        return
    os.environ["GRPC_VERBOSITY"] = "INFO"
    sys.stderr.flush()
    sys.stderr = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    faulthandler.enable(sys.stderr)
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    os.dup2(writing, 2, inheritable=False)
    os.close(writing)
    _taken.append(reading)


class GrpcLog:
    """The lines of the log.

    Args:
        receive: Is called with each line.
    """

    def __init__(self, receive: Callable[[str], None]) -> None:
        self._receive = receive
        self._rest = b""

    @property
    def descriptor(self) -> int | None:
        """The descriptor to wait for; None: the log is not taken over."""
        return _taken[0] if _taken else None

    def read(self) -> None:
        """Receive the lines written since the last call."""
        for line in self._lines():
            self._receive(line.decode(errors="backslashreplace"))

    def _lines(self) -> Iterator[bytes]:
        try:
            data = os.read(_taken[0], READ_BYTES)
        except BlockingIOError:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:READ_BYTES]
        yield from lines
