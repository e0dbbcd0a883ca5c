"""The Gateway API alone, from objects to bound listeners, route tables and statuses."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.support.gateway_objects import gateway_object
from tests.support.objects import NOW, NS
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import Gateway, GatewayClass, ListenerSet, Namespace
from xds.kube.objects import KubeObject
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Problem
from xds.steps import finish
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import ListenerKey, TableKey
from xds.traffic.routes import Route
from xds.translate.gateway.api import GatewayApi, GatewayChange
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.gateway.status import Condition, GatewayStatus, ListenerSetStatus, ListenerStatus, RouteStatus

FIRST, SECOND, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
OPTIONS = GatewayOptions(addresses=(FIRST, SECOND, THIRD))


class GatewayWorld:
    """A KubeState and a GatewayApi in step with each other; a GatewayClass of ours exists unless told otherwise.

    Attributes:
        change: The last one.
        problems: Those that stand, by unit.
        backends: Those in use, by user.
    """

    def __init__(
        self, *objects: KubeObject, options: GatewayOptions = OPTIONS, now: datetime = NOW, has_class: bool = True
    ) -> None:
        self.state = KubeState()
        self.now = now
        self.problems: dict[Hashable, list[Problem]] = {}
        self.backends: dict[Hashable, Mapping[BackendKey, Backend]] = {}
        self.api = GatewayApi(self.state, options, self._use, self._report)
        self.change = GatewayChange()
        self.apply(*([gateway_class()] if has_class else []), *objects)

    def apply(self, *objects: KubeObject) -> GatewayChange:
        """Create or replace objects, in one batch."""
        return self.update(Stale.union([self.state.apply(Applied(each)) for each in objects]))

    def delete(self, *objects: KubeObject) -> GatewayChange:
        """Delete objects, in one batch."""
        return self.update(Stale.union([self.state.apply(Deleted(type(each), each.key)) for each in objects]))

    def update(self, stale: Stale) -> GatewayChange:
        self.change = finish(self.api.update(stale, self.now))
        return self.change

    def hosts(self, address: str = FIRST, port: int = 80, *, tls: str | None = None) -> dict[str, list[str]]:
        """The backends of the routes of a table, by domain.

        Args:
            address: Of the listener.
            port: Likewise.
            tls: The hostname of the listener with TLS; None: the listener is a plain one.
        """
        key = TableKey(ListenerKey(address, port), tls or "", tls=tls is not None)
        hosts = self.api.tables.get(key, {})
        return {domain: [_answer(each) for each in host.routes] for domain, host in hosts.items()}

    def conditions(self, of: KubeObject, parent: int = 0) -> dict[str, Condition]:
        """The conditions of an object, by type: of a route for one of its parents."""
        status = self.api.statuses[of.ref]
        found = status.parents[parent] if isinstance(status, RouteStatus) else status
        assert not hasattr(found, "ancestors")
        return {each.type: each for each in found.conditions}

    def reasons(self, of: KubeObject, parent: int = 0) -> dict[str, str]:
        """The reasons of an object's conditions, by type: `!` in front of a condition that is false."""
        return _reasons(self.conditions(of, parent).values())

    def listener(self, of: KubeObject, name: str = "http") -> ListenerStatus:
        status = self.api.statuses[of.ref]
        assert isinstance(status, GatewayStatus | ListenerSetStatus)
        return next(each for each in status.listeners if each.name == name)

    def listener_reasons(self, of: KubeObject, name: str = "http") -> dict[str, str]:
        return _reasons(self.listener(of, name).conditions)

    def problems_of(self, about: KubeObject) -> list[str]:
        """The reasons of the problems of an object, sorted."""
        found = [each for problems in self.problems.values() for each in problems if each.object == about.ref]
        return sorted(each.reason for each in found)

    def snapshot(self) -> tuple[Any, ...]:
        """Everything that the API answers, for comparison."""
        api = self.api
        problems = {each for unit in self.problems.values() for each in unit}
        backends = {user: used for user, used in self.backends.items() if used}
        tables = {key: dict(hosts) for key, hosts in api.tables.items()}
        return dict(api.listeners), tables, dict(api.statuses), problems, backends, dict(api.certificates)

    def _use(self, user: Hashable, backends: Mapping[BackendKey, Backend]) -> None:
        self.backends[user] = backends

    def _report(self, unit: Hashable, problems: Iterable[Problem]) -> None:
        self.problems[unit] = list(problems)


def _answer(route: Route) -> str:
    return str(route.backend) if route.backend else type(route.action).__name__


def _reasons(conditions: Iterable[Condition]) -> dict[str, str]:
    return {each.type: each.reason if each.status else f"!{each.reason}" for each in conditions}


def gateway_class(name: str = "ours", controller: str = CONTROLLER, **spec: Any) -> KubeObject:
    return gateway_object(GatewayClass, name, "", controllerName=controller, **spec)


def gateway(*listeners: dict[str, Any], name: str = "edge", ns: str = NS, **spec: Any) -> KubeObject:
    """A Gateway with one plain listener on port 80 unless others are given."""
    spec = {"gatewayClassName": "ours"} | spec
    return gateway_object(Gateway, name, ns, listeners=list(listeners) or [listener()], **spec)


def listener_set(*listeners: dict[str, Any], of: str = "edge", name: str = "set", ns: str = NS) -> KubeObject:
    parent = {"name": of, "namespace": NS}
    return gateway_object(ListenerSet, name, ns, parentRef=parent, listeners=list(listeners))


def listener(hostname: str = "", name: str = "http", port: int = 80, **spec: Any) -> dict[str, Any]:
    """A listener of protocol HTTP unless another one is given."""
    named = {"hostname": hostname} if hostname else {}
    return {"name": name, "port": port, "protocol": "HTTP", **named, **spec}


def parent(name: str = "edge", **fields: Any) -> list[dict[str, Any]]:
    """The parentRefs of a route with one parent."""
    return [{"name": name, **fields}]


def namespace(name: str, **labels: str) -> KubeObject:
    found = gateway_object(Namespace, name, "")
    return type(found)(type(found.metadata)(name, labels=labels))
