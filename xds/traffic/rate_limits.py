"""Rate limits: how many requests of one client address are answered in a time."""

from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key

MAX_BURST: Final = 2**32 - 2
"""Proxies hold 1 + burst in 32 bits."""

_PERIODS: Final = {1: "second", 60: "minute", 3600: "hour"}


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """A number of requests in a period, and a number of requests beyond the first that may come at once.

    Attributes:
        requests: Requests in a period, from 1 on.
        period_seconds: 1, 60 or 3600.
        burst: Requests beyond the first that may come at once.
    """

    requests: int
    period_seconds: int
    burst: int

    def __str__(self) -> str:
        period = _PERIODS[self.period_seconds]
        return f"{self.requests} {'an' if period == 'hour' else 'a'} {period}, and {1 + self.burst} at once"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of a route. Client addresses have separate counts. Every rate must allow a request.

    Attributes:
        zone: The Ingress. Requests for all routes of a zone count together.
        rates: Sorted, not empty.
        unlimited: Networks whose clients are not counted, like `10.0.0.0/8`, sorted.
    """

    zone: Key
    rates: tuple[Rate, ...]
    unlimited: tuple[str, ...] = ()

    def __str__(self) -> str:
        unlimited = f", not for {', '.join(self.unlimited)}" if self.unlimited else ""
        return f"{'; '.join(map(str, self.rates))}{unlimited}"
