"""The backends in use: a backend that no route uses has no cluster."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeAlias

from xds.problems.problem import Key
from xds.steps import Steps
from xds.traffic.backends import Backend, BackendKey

UseBackends: TypeAlias = Callable[[Hashable, Mapping[BackendKey, Backend]], None]
"""Takes a user of backends, such as a port, with its present backends, which replace the former ones."""


class BackendUse:
    """Counts the users of each backend, a user being a host or the default route.

    Attributes:
        current: The backends in use, as of the last `use`.
        published: The backends in use, as of the last `publish`.
    """

    def __init__(self) -> None:
        self.current: dict[BackendKey, Backend] = {}
        self.published: dict[BackendKey, Backend] = {}
        self._users: dict[BackendKey, int] = {}
        self._uses: dict[Hashable, Mapping[BackendKey, Backend]] = {}
        self._by_service: dict[Key, set[BackendKey]] = {}
        self._touched: set[BackendKey] = set()

    def use(self, user: Hashable, backends: Mapping[BackendKey, Backend]) -> None:
        """Replace the backends that a user uses."""
        if self._uses.get(user, {}) == backends and all(self.current[key] == each for key, each in backends.items()):
            return
        released = self._uses.pop(user, {})
        if backends:
            self._uses[user] = backends
        for key, backend in backends.items():
            self._touched.add(key)
            self._users[key] = self._users.get(key, 0) + 1
            self.current[key] = backend
            for service in key.service_keys:
                self._by_service.setdefault(service, set()).add(key)
        for key in released:
            self._touched.add(key)
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self.current[key]

    def changes(self) -> Steps[tuple[frozenset[BackendKey], list[BackendKey]]]:
        """The backends that differ from the published ones, and among them the backends no longer in use."""
        changed: set[BackendKey] = set()
        for key in self._touched:
            if self.current.get(key) != self.published.get(key):
                changed.add(key)
            yield
        return frozenset(changed), [key for key in changed if key not in self.current]

    def publish(self) -> None:
        """Make the current backends the published ones."""
        for key in self._touched:
            if key in self.current:
                self.published[key] = self.current[key]
            else:
                self.published.pop(key, None)
                self._unfile(key)
        self._touched.clear()

    def of_services(self, services: Iterable[Key]) -> Iterator[BackendKey]:
        """The ports of Services that are current or published backends."""
        return (key for service in services for key in self._by_service.get(service, ()))

    def _unfile(self, key: BackendKey) -> None:
        for service in key.service_keys:
            ports = self._by_service[service]
            ports.discard(key)
            if not ports:
                del self._by_service[service]
