"""Bodies of requests: the size that is let through, and the way to the backend."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bodies:
    """The treatment of bodies of requests.

    Attributes:
        max_bytes: A longer body is answered 413. None: no bound, as for upgraded connections, such as WebSockets.
        buffered: Whether a body is read whole before the backend is asked, which then learns the length. Needs a bound.
    """

    max_bytes: int | None = None
    buffered: bool = False


ANY_BODIES: Final = Bodies()
