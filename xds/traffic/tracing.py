"""Tracing: the spans of a route's requests, if the operator has a collector."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tracing:
    """The spans of requests.

    Attributes:
        is_on: Whether the operator's share of requests has spans. False: none has.
        operation: The name of the spans; empty: that of all routes.
    """

    is_on: bool = True
    operation: str = ""


NORMAL_TRACING: Final = Tracing()
