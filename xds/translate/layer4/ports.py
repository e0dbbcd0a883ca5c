"""The ports of layer 4, kept in step with ConfigMaps and Services."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeAlias

from xds.kube.state import KubeState, Stale
from xds.problems.problem import Key, ObjectRef, Problem
from xds.steps import Steps
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.layer4 import PortKey, PortListener
from xds.translate.layer4.claims import PortClaim
from xds.translate.layer4.options import Layer4Options

Use: TypeAlias = Callable[[Hashable, Mapping[BackendKey, Backend]], None]
"""Takes the backends that a user uses, in place of those before."""

Report: TypeAlias = Callable[[Hashable, Iterable[Problem]], None]
"""Takes the problems of a unit, in place of those before."""


class Layer4Ports:
    """Decides each port.

    Args:
        use: Takes the backends of each port.
        report: Takes the problems of each source of ports.
    """

    def __init__(self, state: KubeState, options: Layer4Options, use: Use, report: Report) -> None:
        self._state = state
        self._options = options
        self._use = use
        self._report = report
        self._ports: dict[PortKey, PortListener] = {}
        self._claims: dict[ObjectRef, tuple[PortClaim, ...]] = {}

    @property
    def current(self) -> Mapping[PortKey, PortListener]:
        return self._ports

    def claims_of(self, source: ObjectRef) -> tuple[PortClaim, ...]:
        """The claims of a ConfigMap or Service, in the order of their fields."""
        return self._claims.get(source, ())

    def claims_for(self, port: PortKey) -> tuple[PortClaim, ...]:
        """All valid claims of a port, the winner first."""
        return tuple(claim for claims in self._claims.values() for claim in claims if claim.port == port)

    def ports_of_service(self, service: Key) -> frozenset[PortKey]:
        """The ports whose winner names the Service."""
        return frozenset(key for key, port in self._ports.items() if port.route.service == service)

    def update(self, stale: Stale) -> Steps[frozenset[PortKey]]:
        """Translate stale ConfigMaps and Services again, and return the ports that changed, appeared or are gone."""
        if stale:
            yield
        return frozenset()
