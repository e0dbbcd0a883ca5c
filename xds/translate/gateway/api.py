"""The Gateway API, kept in step with its objects: bound listeners, route tables and statuses."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.steps import Steps
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, ListenerKey, TableKey
from xds.traffic.routes import VirtualHost
from xds.traffic.tls import Certificate
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.status import WantedStatus

UseBackends: TypeAlias = Callable[[Hashable, Mapping[BackendKey, Backend]], None]
ReportProblems: TypeAlias = Callable[[Hashable, Iterable[Problem]], None]


@dataclass(frozen=True, slots=True)
class GatewayChange:
    """The difference between two states.

    Attributes:
        listeners: Those that changed, appeared or are gone.
        tables: The domains of each route table that changed, appeared or are gone. A table that is gone has none left.
        certificates: Whether a certificate in use changed.
    """

    listeners: frozenset[ListenerKey] = frozenset()
    tables: Mapping[TableKey, frozenset[str]] = field(default_factory=dict)
    certificates: bool = False


class GatewayApi:
    """Translates GatewayClasses, Gateways and all that attaches to them.

    Args:
        use: Takes the backends of each route.
        report: Takes the problems of each object.
        allow_external_name: Whether Services of type ExternalName can be used.
    """

    def __init__(
        self,
        state: KubeState,
        options: GatewayOptions,
        use: UseBackends,
        report: ReportProblems,
        *,
        allow_external_name: bool = False,
    ) -> None:
        self._context = GatewayContext(state, options, Grants(state), allow_external_name)
        self._use = use
        self._report = report
        self._listeners: dict[ListenerKey, BoundListener] = {}
        self._tables: dict[TableKey, dict[str, VirtualHost]] = {}
        self._certificates: dict[Key, Certificate] = {}
        self._statuses: dict[ObjectRef, WantedStatus] = {}
        self._changed_statuses: set[ObjectRef] = set()

    @property
    def listeners(self) -> Mapping[ListenerKey, BoundListener]:
        return self._listeners

    @property
    def tables(self) -> Mapping[TableKey, Mapping[str, VirtualHost]]:
        """The virtual hosts of each route table, by domain: a name, a wildcard for any number of labels, or `*`."""
        return self._tables

    @property
    def certificates(self) -> Mapping[Key, Certificate]:
        """The certificates in use, by Secret."""
        return self._certificates

    @property
    def statuses(self) -> Mapping[ObjectRef, WantedStatus]:
        """The status that each object of ours should have."""
        return self._statuses

    def take_changed_statuses(self) -> Set[ObjectRef]:
        """The objects, since the last call, whose status changed, or that are no longer ours."""
        taken, self._changed_statuses = self._changed_statuses, set()
        return taken

    def update(self, stale: Stale, now: datetime) -> Steps[GatewayChange]:
        """Translate stale objects again, and return what changed.

        Args:
            stale: `stale.gateway` counts.
            now: Decides which certificates are valid.
        """
        del stale, now
        yield
        return GatewayChange()
