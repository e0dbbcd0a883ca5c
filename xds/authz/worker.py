"""A worker process: reads questions from standard input, and writes an answer for each to standard output.

A question is its length in four bytes, then hash, NUL and password. An answer is one byte.
"""

import os
import signal
import sys
from typing import BinaryIO, Final

from xds.authz.slow_hashes import matches

RIGHT: Final = b"1"
WRONG: Final = b"0"
FAILED: Final = b"!"

LENGTH_BYTES: Final = 4

NICE: Final = 10
"""Lowers the priority, so that hashes never delay Envoy or answers from the cache."""

LONGEST_SECONDS: Final = 10
"""A hash that takes longer ends the process, whether or not the parent still lives."""


def question(hash_: bytes, password: bytes) -> bytes:
    content = hash_ + b"\0" + password
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the end of the input."""
    while len(length := questions.read(LENGTH_BYTES)) == LENGTH_BYTES:
        hash_, _, password = questions.read(int.from_bytes(length, "big")).partition(b"\0")
        signal.alarm(LONGEST_SECONDS)
        answer = _answer(hash_, password)
        signal.alarm(0)
        answers.write(answer)
        answers.flush()


def _answer(hash_: bytes, password: bytes) -> bytes:
    try:
        return RIGHT if matches(hash_, password) else WRONG
    except Exception:  # noqa: BLE001 - a traceback could show the password
        return FAILED


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the input
    os.nice(NICE)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
