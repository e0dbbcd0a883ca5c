"""Timeouts: the silence that ends a request, and the time for a whole answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times after which a request ends; None: as for all routes.

    Attributes:
        read: Of the backend, from the request to the answer or between two parts of the answer.
        silence: Of both sides, where longer than the tries by `read` take. Alone, it ends uploads and WebSockets too.
            Zero: silence ends nothing.
        whole: From the end of the request to the end of the answer, with all tries. None: no bound.
    """

    read: timedelta | None = None
    silence: timedelta | None = None
    whole: timedelta | None = None


NO_TIMEOUTS: Final = Timeouts()
