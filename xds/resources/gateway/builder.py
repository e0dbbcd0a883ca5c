"""Keeps bound listeners and their route tables in step with the traffic model."""

from collections.abc import Callable, Set
from typing import Protocol

from xds.envoyapi.messages import Listener
from xds.problems.problem import ObjectRef
from xds.resources import names
from xds.resources.built import BuiltResources
from xds.resources.gateway.listeners import bound_listener, bound_options
from xds.resources.gateway.tables import Table
from xds.resources.options import ProxyOptions
from xds.resources.route_configuration import RouteConfigurationBuilder
from xds.resources.validation import Validator
from xds.snapshot.resource import ResourceType
from xds.steps import Steps
from xds.traffic.bound import BoundListener, ListenerKey, TableKey
from xds.traffic.model import TrafficChange, TrafficModel


class Built(Protocol):
    """Encodes a resource, unless it is invalid."""

    def __call__(self, type_: ResourceType, name: str, message: Listener, owner: ObjectRef) -> BuiltResources: ...


class BoundListenersBuilder:
    """Builds the bound listeners and route tables that a change touches.

    Args:
        traffic: The model, read whenever a change is built.
        validator: Checks virtual hosts.
        built: Encodes a resource, unless it is invalid.
        removed: Removes a resource.
    """

    def __init__(
        self,
        traffic: TrafficModel,
        validator: Validator,
        built: Built,
        removed: Callable[[ResourceType, str], BuiltResources],
    ) -> None:
        self._traffic = traffic
        self._validator = validator
        self._built = built
        self._removed = removed
        self._listeners: dict[ListenerKey, BoundListener] = {}
        self._options: dict[ListenerKey, ProxyOptions] = {}
        self._routes: dict[TableKey, RouteConfigurationBuilder] = {}

    def build(self, change: TrafficChange, options: ProxyOptions) -> Steps[BuiltResources]:
        """Build the listeners that a change touches, and their route configurations with the virtual hosts.

        Args:
            change: The change.
            options: The operator's settings; `change.listeners` tells whether they differ from the last ones.
        """
        built: BuiltResources = {}
        gone: list[RouteConfigurationBuilder] = []
        listeners = change.bound | self._listeners.keys() if change.listeners else change.bound
        for key in sorted(listeners):
            before, after = self._listeners.pop(key, None), self._traffic.bound.get(key)
            tables = _tables(after)
            gone += [self._routes.pop(each) for each in sorted(_tables(before) - tables)]
            if after is None:
                self._options.pop(key, None)
                built |= self._removed(ResourceType.LISTENER, str(key))
                continue
            self._listeners[key] = after
            built |= self._listener(after, options)
            for table in sorted(tables):
                built |= yield from self._table(table, None)
        for table, domains in sorted(change.tables.items()):
            if table.listener not in listeners and table in self._routes:
                built |= yield from self._table(table, domains)
        for routes in gone:
            built |= routes.removed()
        return built

    def _listener(self, listener: BoundListener, options: ProxyOptions) -> BuiltResources:
        key, own = listener.key, bound_options(options, listener)
        if self._options.get(key, own) != own:
            for table in _tables(listener) & self._routes.keys():
                self._routes[table].options_changed(own)
        self._options[key] = own
        message = bound_listener(listener, own)
        if message is None:
            return self._removed(ResourceType.LISTENER, str(key))
        return self._built(ResourceType.LISTENER, str(key), message, listener.origin.object)

    def _table(self, key: TableKey, domains: Set[str] | None) -> Steps[BuiltResources]:
        """A route configuration with its virtual hosts.

        Args:
            key: The table.
            domains: The changed domains. None: the listener changed, so any domain may have changed.
        """
        routes = self._routes.get(key)
        if routes is None:
            name = names.table_routes(key)
            routes = RouteConfigurationBuilder(name, self._options[key.listener], self._validator)
            self._routes[key] = routes
        table = Table(self._listeners[key.listener], key, self._traffic.tables.get(key, {}))
        return (yield from routes.build(table.domains, table.domain, domains))


def _tables(listener: BoundListener | None) -> set[TableKey]:
    """The route tables of a listener."""
    return {chain.table for chain in listener.chains if chain.table} if listener else set()
