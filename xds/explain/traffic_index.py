"""Indexes of the traffic model, for explanations of many Ingresses that share hosts."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key, ObjectRef
from xds.steps import Steps, finish
from xds.traffic.backends import BackendKey
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import TlsTable

ROUTES_PER_STEP: Final = 100
"""Routes indexed in a step: half a millisecond's worth."""

Place = tuple[str, PathType]
"""A path as Envoy compares it."""


@dataclass(frozen=True, slots=True)
class HostIndex:
    """The routes of a virtual host.

    Attributes:
        by_place: The routes by path, without the default.
        backends: The backends by the Ingress that asks for the route, the default's included.
        keys: The backends by path, the default's included.
    """

    by_place: Mapping[Place, Route]
    backends: Mapping[ObjectRef, Set[BackendKey]]
    keys: Mapping[Place, Set[BackendKey]]


class TrafficIndex:
    """Indexes made at their first use, and kept as long as the virtual host, or the TLS table, is the same object."""

    def __init__(self) -> None:
        self._hosts: dict[str, tuple[VirtualHost, HostIndex]] = {}
        self._holders: tuple[TlsTable, Mapping[str, tuple[Key, ...]]] | None = None
        self._undecrypted: tuple[TlsTable, Mapping[str, BackendKey | None]] | None = None

    def host(self, virtual_host: VirtualHost) -> HostIndex:
        known = self._hosts.get(virtual_host.host)
        if known is None or known[0] is not virtual_host:
            finish(self.steps(virtual_host))
        return self._hosts[virtual_host.host][1]

    def steps(self, virtual_host: VirtualHost) -> Steps[None]:
        """Make the index of a virtual host, in steps."""
        known = self._hosts.get(virtual_host.host)
        if known is None or known[0] is not virtual_host:
            self._hosts[virtual_host.host] = (virtual_host, (yield from _host_index(virtual_host)))

    def forget(self, host: str) -> None:
        """Drop the index of a host that no other Ingress has rules for."""
        self._hosts.pop(host, None)

    def holders(self, tls: TlsTable) -> Mapping[str, tuple[Key, ...]]:
        """The Secrets whose certificates are served, by TLS host."""
        if self._holders is None or self._holders[0] is not tls:
            self._holders = (tls, {host: each.secrets for each in tls.terminations for host in each.hosts})
        return self._holders[1]

    def undecrypted(self, tls: TlsTable) -> Mapping[str, BackendKey | None]:
        """The backends that TLS is passed through to, by TLS host; None: the connections are closed instead."""
        if self._undecrypted is None or self._undecrypted[0] is not tls:
            passed = {host: each.backend for each in tls.passed for host in each.hosts}
            self._undecrypted = (tls, {**dict.fromkeys(tls.closed), **passed})
        return self._undecrypted[1]


def _host_index(virtual_host: VirtualHost) -> Steps[HostIndex]:
    by_place = {(route.path, route.path_type): route for route in virtual_host.routes}
    backends: dict[ObjectRef, set[BackendKey]] = {}
    keys: dict[Place, set[BackendKey]] = {}
    for number, route in enumerate(_with_default(virtual_host), 1):
        used = route.backends
        backends.setdefault(route.origin.object, set()).update(used)
        keys.setdefault((route.path, route.path_type), set()).update(used)
        if number % ROUTES_PER_STEP == 0:
            yield
    return HostIndex(by_place, backends, keys)


def _with_default(virtual_host: VirtualHost) -> Iterator[Route]:
    yield from virtual_host.routes
    if virtual_host.default:
        yield virtual_host.default
