"""Lines from chunks of bytes: a watch sends each event as a line of JSON, of any length."""

from typing import Final

MAX_LINE_BYTES: Final = 64 << 20
"""A request to the API server takes 3 MiB; in JSON an object can be some times larger, but never so large.

Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/server/config.go#L411
"""


class LineTooLongError(Exception):
    """A line has more than MAX_LINE_BYTES: the peer is no API server."""


class Lines:
    """Keeps the beginning of an incomplete line."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the lines that the piece completes, without empty lines.

        Raises:
            LineTooLongError: a line has more than MAX_LINE_BYTES.
        """
        first, newline, rest = piece.partition(b"\n")
        self._begun += first
        if len(self._begun) > MAX_LINE_BYTES:
            raise LineTooLongError(f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
        if not newline:
            return []
        whole = [bytes(self._begun), *rest.split(b"\n")]
        self._begun = bytearray(whole.pop())
        return [line for line in whole if line.strip()]
