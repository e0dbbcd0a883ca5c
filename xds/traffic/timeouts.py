"""Timeouts: the silence that ends a request. A stream that goes on, however slowly, has none."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The silence after which a request ends; None: as for all routes.

    Attributes:
        read: Of the backend, from the request to the answer or between two parts of the answer.
        silence: Of both sides, where longer than the tries by `read` take. Alone, it ends uploads and WebSockets too.
    """

    read: timedelta | None = None
    silence: timedelta | None = None


NO_TIMEOUTS: Final = Timeouts()
