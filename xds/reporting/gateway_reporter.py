"""The part of a replica's reports that is about the Gateway API: statuses, and Services of Gateways."""

from collections.abc import Coroutine, Iterable
from typing import Any

from xds.kube.change import Applied, Change, Deleted
from xds.kube.gateway_objects import GatewayObject
from xds.kube.state import KubeState
from xds.kubeapi.interface import Api
from xds.problems.problem import Key, ObjectRef
from xds.reporting.gateway_delta import GatewayDelta
from xds.reporting.gateway_ownership import Ownership
from xds.reporting.gateway_service_writer import GatewayServiceWriter
from xds.reporting.gateway_status_writer import GatewayStatusWriter
from xds.reporting.lease import Leadership
from xds.translate.gateway.listening.services import GatewayService, is_given_up
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.status import WantedStatus


class GatewayReporter:
    """Keeps the wanted statuses and Services, and runs the writers of both.

    Args:
        api: For reading.
        state: The objects of the cluster.
        options: The choices for the Gateway API.
        published: The Service of --publish-service; None: there is none.
        namespaces: Where objects are watched; empty: in all namespaces.
        manager: The field manager: names the installation.

    Attributes:
        statuses: None until `tasks` is called.
        services: Likewise; None without `--gateway-services`, too.
    """

    def __init__(
        self,
        api: Api,
        state: KubeState,
        options: GatewayOptions,
        *,
        published: Key | None,
        namespaces: tuple[str, ...],
        manager: str,
    ) -> None:
        self._api = api
        self._state = state
        self._options = options
        self._published = published
        self._namespaces = namespaces
        self._manager = manager
        self._wanted: dict[ObjectRef, WantedStatus] = {}
        self._wanted_services: dict[Key, GatewayService] = {}
        self.statuses: GatewayStatusWriter | None = None
        self.services: GatewayServiceWriter | None = None

    def note(self, changes: Iterable[Change], delta: GatewayDelta) -> None:
        """Note changes of objects, and of the wanted statuses and Services. Returns at once."""
        for about, status in delta.statuses.items():
            if status is None:
                self._wanted.pop(about, None)
            else:
                self._wanted[about] = status
        if delta.services is not None:
            self._wanted_services.clear()
            self._wanted_services.update(delta.services)
        if self.statuses:
            for change in changes:
                self._note_object(change, self.statuses)
            for about in delta.statuses:
                self.statuses.note(about)
        if self.services and delta.services is not None:
            self.services.note()

    def _note_object(self, change: Change, statuses: GatewayStatusWriter) -> None:
        """Note an object that may have been created again, without the status of its predecessor."""
        match change:
            case Applied(object=GatewayObject(ref=about)) if about in self._wanted:
                statuses.note(about)
            case Deleted(kind=kind, key=key) if issubclass(kind, GatewayObject):
                statuses.remove(ObjectRef(kind.kind, *key))

    def tasks(self, leadership: Leadership) -> list[Coroutine[Any, Any, None]]:
        """New writers, to be run for ever."""
        self.statuses = GatewayStatusWriter(
            self._api,
            leadership,
            self._wanted,
            self._state,
            self._namespaces,
            manager=self._manager,
            is_ours=Ownership(self._state, self._options, frozenset(self._namespaces)).is_ours,
        )
        if self._options.target_ports is None or self._published is None:
            return [self.statuses.run()]
        self.services = GatewayServiceWriter(
            self._api,
            leadership,
            self._wanted_services,
            lambda gateway: is_given_up(self._state, self._options, gateway),
            published=self._published,
            within=self._options.target_ports,
            manager=self._manager,
        )
        return [self.statuses.run(), self.services.run()]
