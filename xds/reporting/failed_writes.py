"""Failed writes about objects: when each object is tried again, and the log.

An admission policy or the webhook of a tenant, when it is down, rejects the writes of one object or of one namespace.
So each object backs off alone; where several objects of a namespace fail, the namespace backs off as a whole. Other
namespaces never wait.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from random import SystemRandom
from typing import Final, Generic, TypeVar

import structlog

from xds.kubeapi.backoff import Backoff
from xds.kubeapi.outage import remedy

FAILING_OBJECTS_OF_NAMESPACE: Final = 3
"""A namespace with so many failing objects backs off as a whole."""

MAX_LOGGED_NAMESPACES: Final = 10
"""Failing namespaces that are named in the log at a time: an outage of the API server fails all of them."""

_log = structlog.get_logger()


About = TypeVar("About", bound=Hashable)


@dataclass(slots=True)
class _BackingOff:
    backoff: Backoff
    due_at: float = -inf

    def failed(self, now: float) -> None:
        self.due_at = now + self.backoff.delay()


class FailedWrites(Generic[About]):
    """Keeps the objects whose last write failed.

    Args:
        subject: A word for the log: `status` gives the events `status_unavailable` and `status_available`.
        permissions: The remedy if the permissions of this program don't include the write.
    """

    def __init__(self, subject: str, permissions: str) -> None:
        self._subject = subject
        self._permissions = permissions
        self._objects: dict[str, dict[About, _BackingOff]] = {}
        self._namespaces: dict[str, _BackingOff] = {}
        self._logged: set[str] = set()

    def __len__(self) -> int:
        """Number of objects whose last write failed."""
        return sum(map(len, self._objects.values()))

    def due_at(self, about: About, namespace: str) -> float:
        """When the object may be tried, in seconds of the callers' clock; -inf for at once."""
        failing = self._objects.get(namespace)
        if failing is None:
            return -inf
        waits = failing[about].due_at if about in failing else -inf
        if len(failing) < FAILING_OBJECTS_OF_NAMESPACE:
            return waits
        return max(waits, self._namespaces[namespace].due_at)

    def failed(self, about: About, namespace: str, error: Exception, now: float) -> None:
        """Note a failure. Attempts of the object, and of a namespace with several failing objects, become rare."""
        failing = self._objects.setdefault(namespace, {})
        failing.setdefault(about, _new()).failed(now)
        self._namespaces.setdefault(namespace, _new()).failed(now)
        if namespace not in self._logged and len(self._logged) < MAX_LOGGED_NAMESPACES:
            self._logged.add(namespace)
            _log.warning(
                f"{self._subject}_unavailable",
                object=str(about),
                error=str(error),
                remedy=remedy(error, self._permissions),
                effect="this object, and objects of the namespace with the same failure, are tried again later",
            )

    def worked(self, about: About, namespace: str) -> None:
        """Note a success."""
        if namespace in self._objects:
            self._namespaces[namespace] = _new()
            self.forget(about, namespace)

    def forget(self, about: About, namespace: str) -> None:
        """Drop an object that no longer exists, or needs no write."""
        failing = self._objects.get(namespace, {})
        failing.pop(about, None)
        if failing:
            return
        self._objects.pop(namespace, None)
        self._namespaces.pop(namespace, None)
        if namespace in self._logged:
            self._logged.discard(namespace)
            _log.info(f"{self._subject}_available", namespace=namespace)

    def forget_unless(self, waits: Callable[[About], bool]) -> None:
        """Drop the objects that no longer wait for a write."""
        failing = [(about, namespace) for namespace, objects in self._objects.items() for about in objects]
        for about, namespace in failing:
            if not waits(about):
                self.forget(about, namespace)

    def clear(self) -> None:
        """Forget all objects, without a word in the log."""
        self._objects.clear()
        self._namespaces.clear()
        self._logged.clear()


def _new() -> _BackingOff:
    return _BackingOff(Backoff(SystemRandom().random))
