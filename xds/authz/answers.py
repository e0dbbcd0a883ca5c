"""The cache of answers: whether a password has a hash. The truth of an answer never changes."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

RIGHT_SECONDS: Final = 300.0
"""The life of a right password's answer after its last use. An active user's hash is computed once."""

WRONG_SECONDS: Final = 10.0
"""The life of a wrong password's answer: a client that repeats itself costs one hash."""

MAX_RIGHT: Final = 10_000

MAX_WRONG: Final = 2_000
"""Kept apart, so that guesses evict no right answer."""


class Answers:
    """Answers by keys that tell nothing of hash and password.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._wrong: OrderedDict[bytes, float] = OrderedDict()

    def key(self, *parts: bytes) -> bytes:
        """A key of parts without NUL."""
        return hmac.digest(self._secret, b"\0".join(parts), "sha256")

    def get(self, key: bytes) -> bool | None:
        """The answer; None if unknown."""
        now = self._clock()
        if self._right.get(key, 0.0) > now:
            self._right[key] = now + RIGHT_SECONDS
            self._right.move_to_end(key)
            return True
        return False if self._wrong.get(key, 0.0) > now else None

    def put(self, key: bytes, *, right: bool) -> None:
        answers, life, most = (
            (self._right, RIGHT_SECONDS, MAX_RIGHT) if right else (self._wrong, WRONG_SECONDS, MAX_WRONG)
        )
        now = self._clock()
        answers[key] = now + life
        answers.move_to_end(key)
        while len(answers) > most or next(iter(answers.values())) <= now:
            answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._right) + len(self._wrong)
