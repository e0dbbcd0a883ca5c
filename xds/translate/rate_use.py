"""The rates in use: proxies have buckets for these alone."""

from collections.abc import Hashable
from typing import Final

from xds.traffic.rate_limits import Rate

_NONE: Final[frozenset[Rate]] = frozenset()


class RateUse:
    """Counts the users of each rate, a user being a host or the default route.

    Attributes:
        current: The rates in use: the same object as long as no rate appears or vanishes.
    """

    def __init__(self) -> None:
        self.current = _NONE
        self._users: dict[Rate, int] = {}
        self._uses: dict[Hashable, frozenset[Rate]] = {}

    def use(self, user: Hashable, rates: frozenset[Rate]) -> None:
        """Replace the rates that a user uses."""
        released = self._uses.get(user, _NONE)
        if released == rates:
            return
        if rates:
            self._uses[user] = rates
        else:
            del self._uses[user]
        for rate in rates:
            self._users[rate] = self._users.get(rate, 0) + 1
        for rate in released:
            self._users[rate] -= 1
            if not self._users[rate]:
                del self._users[rate]
        if self._users.keys() != self.current:
            self.current = frozenset(self._users)
