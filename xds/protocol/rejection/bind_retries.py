"""Listeners that a proxy could not bind, because its machine doesn't give the port: sent again from time to time.

A port that becomes free changes nothing in the source, so only another attempt finds out. Other rejected resources are
not sent again until they change.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from xds.protocol.messages import Rejection

BIND_RETRY_SECONDS: Final = 60.0
"""Time after which a proxy is sent a listener again that it could not bind."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last attempt to bind a listener.

    Attributes:
        version: The version of the listener.
        reason: Envoy's reason.
        retry_at: The time of the next attempt, in seconds of the caller's clock.
    """

    version: str
    reason: str
    retry_at: float


class BindRetries:
    """The listeners of a proxy that wait for the next attempt, by name."""

    __slots__ = ("_attempts",)

    def __init__(self) -> None:
        self._attempts: dict[str, _Attempt] = {}

    def __bool__(self) -> bool:
        return bool(self._attempts)

    def __contains__(self, name: str) -> bool:
        return name in self._attempts

    @property
    def next_at(self) -> float:
        """The time of the next attempt; infinite: there is none."""
        return min((attempt.retry_at for attempt in self._attempts.values()), default=inf)

    def reason(self, name: str) -> str:
        """Envoy's reason why a listener was not bound; empty: the listener doesn't wait."""
        attempt = self._attempts.get(name)
        return attempt.reason if attempt else ""

    def beside(self, last: Rejection | None, rejected: Collection[str]) -> Rejection | None:
        """The last rejection, with the reasons of the listeners that wait and that a newer rejection doesn't name.

        Args:
            last: The last rejection; None: no rejection.
            rejected: Names of the resources that the proxy rejects now.
        """
        blamed = {name for name, _ in last.blamed} if last else set()
        if last is None or blamed.issuperset(self._attempts):
            return last
        lines = "\n".join(f"{name}: {attempt.reason}" for name, attempt in self._attempts.items() if name not in blamed)
        return replace(last, message=f"{last.message.rstrip()}\n{lines}" if blamed.intersection(rejected) else lines)

    def failed(self, name: str, version: str, reason: str, now: float) -> bool:
        """Record a failed attempt. Returns whether the previous attempt failed for the same reason."""
        before = self._attempts.get(name)
        self._attempts[name] = _Attempt(version, reason, now + BIND_RETRY_SECONDS)
        return before is not None and (before.version, before.reason) == (version, reason)

    def bound(self, name: str, version: str) -> bool:
        """Record an accepted version. Returns whether the version waited for an attempt."""
        if name not in self._attempts or self._attempts[name].version != version:
            return False
        del self._attempts[name]
        return True

    def forget(self, name: str) -> None:
        self._attempts.pop(name, None)

    def keep(self, covers: Callable[[str], bool]) -> None:
        """Drop names that are not covered."""
        self._attempts = {name: attempt for name, attempt in self._attempts.items() if covers(name)}

    def take_due(self, now: float) -> Mapping[str, str]:
        """Take the versions to send now, by name. Their next attempt is due even if the proxy doesn't answer.

        Once a listener is due, listeners that have waited for half of the time go along, so that many busy ports cost
        few responses.
        """
        if now < self.next_at:
            return {}
        due = [name for name, each in self._attempts.items() if each.retry_at <= now + BIND_RETRY_SECONDS / 2]
        for name in due:
            attempt = self._attempts[name]
            self._attempts[name] = _Attempt(attempt.version, attempt.reason, now + BIND_RETRY_SECONDS)
        return {name: self._attempts[name].version for name in due}


NO_BIND_RETRIES: Final = BindRetries()
"""Of a proxy without rejections. Never written to."""
