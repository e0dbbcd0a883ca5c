"""The times at which proxies get other buckets for rate limits.

Envoy starts all counts anew with each change of the buckets, so changes come together. A new rate goes out with its
routes, unless the last change came within CHANGES_TOGETHER_SECONDS: then the rate waits, and its routes have no limit
meanwhile. A rate without routes is never urgent, and waits as long for other changes.
"""

from collections.abc import Set
from math import inf
from typing import Final

from xds.traffic.rate_limits import Rate

CHANGES_TOGETHER_SECONDS: Final = 10.0


class BucketSchedule:
    """Decides which rates have buckets. Times are seconds of one clock.

    Attributes:
        due: The time of the next change; infinite: none waits.
    """

    def __init__(self) -> None:
        self.due = inf
        self._served: frozenset[Rate] | None = None
        self._changed_at = -inf

    @property
    def served(self) -> frozenset[Rate] | None:
        """The rates served; None before the first ones."""
        return self._served

    def advance(self, wanted: frozenset[Rate], now: float) -> frozenset[Rate] | None:
        """The rates to serve from now on; None: those served.

        Args:
            wanted: The rates that routes name.
            now: Seconds.
        """
        if wanted == self._served:
            self.due = inf
            return None
        self.due = min(self.due, self._due(wanted, now))
        if now < self.due:
            return None
        if self._served is not None:  # the first buckets start no count anew
            self._changed_at = now
        self._served, self.due = wanted, inf
        return wanted

    def _due(self, wanted: Set[Rate], now: float) -> float:
        if self._served is None:
            return now
        is_added = not wanted <= self._served
        return max(now, self._changed_at + CHANGES_TOGETHER_SECONDS) if is_added else now + CHANGES_TOGETHER_SECONDS
