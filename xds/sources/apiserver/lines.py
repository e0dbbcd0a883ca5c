"""From the pieces in which bytes arrive to whole lines: a watch is one JSON object a line, however long."""

from typing import Final

MAX_LINE: Final = 64 << 20
"""Bytes. An object is at most 3 MiB in a request, and some times that as JSON; more is not the API server's.

Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/server/config.go#L411
"""


class LineTooLongError(Exception):
    """What comes isn't lines."""


class Lines:
    """Keeps the beginning of the line that is not complete yet."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that the piece completes, empty ones left out.

        Raises:
            LineTooLongError: of more than MAX_LINE bytes.
        """
        first, newline, rest = piece.partition(b"\n")
        self._begun += first
        if len(self._begun) > MAX_LINE:
            raise LineTooLongError(f"a line of more than {MAX_LINE >> 20} MiB")
        if not newline:
            return []
        whole = [bytes(self._begun), *rest.split(b"\n")]
        self._begun = bytearray(whole.pop())
        return [line for line in whole if line.strip()]
