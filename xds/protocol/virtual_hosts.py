"""The scope of virtual hosts on one stream: the RouteConfigurations that the proxy has.

Envoy acknowledges and drops virtual hosts without their RouteConfiguration, yet reports them on reconnect. Envoy
requests virtual hosts once a stream, and doesn't repeat the request for a later RouteConfiguration. So virtual hosts
never go before their RouteConfiguration, and go right behind it in a single response: with several, the hosts of a
later response would answer 404 until then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xds.protocol.subscription import Demand, NameSets
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import ResourceType, route_configuration_of
from xds.snapshot.store import ResourceChange
from xds.snapshot.view import View


class VirtualHostScope:
    """The RouteConfigurations of one proxy, and the virtual hosts left over from removed ones.

    A proxy keeps leftover virtual hosts while it subscribes to their RouteConfiguration, because draining filter chains
    still use them.
    """

    __slots__ = ("_configurations", "_leftover", "_names", "_type_streams", "_view")

    def __init__(self, view: View, type_streams: Mapping[ResourceType, TypeStream], names: NameSets) -> None:
        self._view = view
        self._type_streams = type_streams
        self._names = names
        self._configurations: frozenset[str] = frozenset()
        self._leftover: dict[str, frozenset[str]] = {}  # names of virtual hosts, by RouteConfiguration

    def limit(self, demand: Demand) -> Demand:
        """Limit a request for virtual hosts to the scope. A stream that requests virtual hosts before
        RouteConfigurations has no limit.
        """
        hosts = self._type_streams.get(ResourceType.VIRTUAL_HOST)
        if hosts is None and ResourceType.ROUTES in self._type_streams:
            demand = replace(demand, subscription=replace(demand.subscription, scope=self._configurations))
        if not demand.everything or demand.subscription.scope is None:
            return demand
        names = _union((demand.names, self._hosts_of(self._configurations)))
        return Demand(demand.subscription, self._names.share(names))

    def routes_resumed(self, names: Iterable[str]) -> None:
        """Add RouteConfigurations that the proxy has from another stream."""
        existing = self._view.resources(ResourceType.ROUTES)
        self._configurations |= frozenset(name for name in names if name in existing)

    def hosts_resumed(self, names: Iterable[str]) -> None:
        """Note virtual hosts that the proxy has from another stream without their RouteConfiguration."""
        leftover = (name for name in names if route_configuration_of(name) not in self._configurations)
        for configuration, hosts in _by_configuration(leftover).items():
            self._leftover[configuration] = self._names.share(hosts)
        self._remove_leftover()

    def routes_sent(self, configurations: Iterable[str]) -> None:
        """Add RouteConfigurations to the scope, and have their virtual hosts sent."""
        new = frozenset(configurations)
        if not new:
            return
        self._configurations |= new
        hosts = self._rescope()
        if hosts is not None:
            leftover = [self._leftover.pop(name) for name in new & self._leftover.keys()]
            names = _union((self._hosts_of(new), *leftover))
            if not hosts.subscription.wildcard:  # with Envoy's wildcard, looking at ten thousand names is spared
                names = frozenset(filter(hosts.subscription.covers, names))
            hosts.backlog.request(self._names.share(names))

    def routes_changed(self, changes: Iterable[ResourceChange]) -> None:
        """Drop removed RouteConfigurations, and add returning ones whose removal was not sent."""
        removed = self._configurations.intersection(change.name for change in changes if change.new is None)
        if removed:
            self._abandon(removed)
        names = (each.name for each in changes if each.new is not None and each.name not in self._configurations)
        self.routes_sent(name for name in names if self._is_current(name))

    def routes_unsubscribed(self) -> None:
        """Drop RouteConfigurations that are no longer subscribed, with the virtual hosts left over from them."""
        covers = self._type_streams[ResourceType.ROUTES].subscription.covers
        self._configurations = frozenset(filter(covers, self._configurations))
        self._rescope()
        self._remove_leftover()

    def _is_current(self, configuration: str) -> bool:
        """Whether the proxy has a RouteConfiguration as it is served."""
        routes = self._type_streams[ResourceType.ROUTES]
        backlog, rejections = routes.backlog, routes.rejections
        unsent = (backlog.upserts, backlog.removals, backlog.requested)
        if any(configuration in names for names in unsent) or (rejections is not None and configuration in rejections):
            return False
        return routes.subscription.covers(configuration)

    def _abandon(self, removed: frozenset[str]) -> None:
        hosts = self._type_streams.get(ResourceType.VIRTUAL_HOST)
        if hosts is not None and hosts.subscription.scope is not None:
            backlog = hosts.backlog
            suspects = [name for name, _ in hosts.rejections.bisection] if hosts.rejections is not None else ()
            pending = _by_configuration((*backlog.removals, *backlog.upserts, *backlog.requested, *suspects))
            self._leftover.update((name, self._names.share(pending[name])) for name in removed & pending.keys())
        self._configurations -= removed
        self._rescope()

    def _rescope(self) -> TypeStream | None:
        """Let the subscription cover exactly the virtual hosts in the scope. Returns the stream of virtual hosts."""
        hosts = self._type_streams.get(ResourceType.VIRTUAL_HOST)
        if hosts is not None and hosts.subscription.scope not in (None, self._configurations):
            hosts.resubscribe(replace(hosts.subscription, scope=self._configurations))
        return hosts

    def _remove_leftover(self) -> None:
        """Have the proxy remove leftover virtual hosts whose RouteConfiguration is not subscribed any more."""
        hosts = self._type_streams.get(ResourceType.VIRTUAL_HOST)
        if hosts is None or not self._leftover:
            return
        covers = self._type_streams[ResourceType.ROUTES].subscription.covers
        for configuration in [name for name in sorted(self._leftover) if not covers(name)]:
            existing = self._view.virtual_hosts(configuration)
            hosts.backlog.request(self._leftover.pop(configuration).difference(existing))

    def _hosts_of(self, configurations: Iterable[str]) -> frozenset[str]:
        """The virtual hosts of RouteConfigurations.

        An empty RouteConfiguration counts as a single name, whose removal Envoy takes for an answer.
        """
        return _union(self._view.virtual_host_names(name) or frozenset({f"{name}/_"}) for name in configurations)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """The union; the same object if a single set is not empty, so that a thousand streams don't copy the set."""
    full = list(filter(None, sets))
    return full[0] if len(full) == 1 else frozenset[str]().union(*full)


def _by_configuration(names: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(route_configuration_of(name), set()).add(name)
    return {configuration: frozenset(hosts) for configuration, hosts in found.items()}
