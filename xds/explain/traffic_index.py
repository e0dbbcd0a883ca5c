"""Indexes of the traffic model, for explanations of many Ingresses that share hosts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xds.problems.problem import Key, ObjectRef
from xds.traffic.backends import BackendKey
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import TlsTable

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
    backends: Mapping[ObjectRef, frozenset[BackendKey]]
    keys: Mapping[Place, frozenset[BackendKey]]


class TrafficIndex:
    """Indexes made at their first use, and kept as long as the virtual host, or the TLS table, is the same object."""

    def __init__(self) -> None:
        self._hosts: dict[str, tuple[VirtualHost, HostIndex]] = {}
        self._holders: tuple[TlsTable, Mapping[str, tuple[Key, ...]]] | None = None

    def host(self, virtual_host: VirtualHost) -> HostIndex:
        known = self._hosts.get(virtual_host.host)
        if known is None or known[0] is not virtual_host:
            self._hosts[virtual_host.host] = known = (virtual_host, _host_index(virtual_host))
        return known[1]

    def holders(self, tls: TlsTable) -> Mapping[str, tuple[Key, ...]]:
        """The Secrets whose certificates are served, by TLS host."""
        if self._holders is None or self._holders[0] is not tls:
            self._holders = (tls, {host: each.secrets for each in tls.terminations for host in each.hosts})
        return self._holders[1]


def _host_index(virtual_host: VirtualHost) -> HostIndex:
    backends: dict[ObjectRef, set[BackendKey]] = {}
    keys: dict[Place, set[BackendKey]] = {}
    for route in _with_default(virtual_host):
        backends.setdefault(route.origin.object, set()).update(route.backends)
        keys.setdefault((route.path, route.path_type), set()).update(route.backends)
    return HostIndex(
        {(route.path, route.path_type): route for route in virtual_host.routes},
        {about: frozenset(each) for about, each in backends.items()},
        {place: frozenset(each) for place, each in keys.items()},
    )


def _with_default(virtual_host: VirtualHost) -> Iterator[Route]:
    yield from virtual_host.routes
    if virtual_host.default:
        yield virtual_host.default
