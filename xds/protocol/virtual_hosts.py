"""Which virtual hosts a stream is sent: those of the RouteConfigurations that the proxy has.

Envoy acknowledges the virtual hosts of a RouteConfiguration that it doesn't have, drops them, and says on reconnect
that it has them. It asks once a stream, and not again for a RouteConfiguration that comes later. So none goes ahead of
its RouteConfiguration, and all go behind it, in one response: the hosts of a second one would get 404 until it comes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xds.protocol.subscription import Demand, NameSets
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import ResourceType, route_configuration_of
from xds.snapshot.store import ResourceChange
from xds.snapshot.view import View

Watches = Mapping[ResourceType, TypeStream]


class VirtualHosts:
    """The RouteConfigurations that one proxy has, and the virtual hosts that it was left with when one went.

    These it keeps: filter chains that drain go on with them, for as long as the proxy asks for the RouteConfiguration.
    """

    __slots__ = ("_configured", "_left", "_names", "_view", "_watches")

    def __init__(self, view: View, watches: Watches, names: NameSets) -> None:
        self._view = view
        self._watches = watches
        self._names = names
        self._configured: frozenset[str] = frozenset()
        self._left: dict[str, frozenset[str]] = {}

    def limit(self, demand: Demand) -> Demand:
        """What a request for virtual hosts asks for. A stream that asked for them first is told of all there are."""
        watch = self._watches.get(ResourceType.VIRTUAL_HOST)
        if watch is None and ResourceType.ROUTES in self._watches:
            demand = replace(demand, subscription=replace(demand.subscription, scope=self._configured))
        if not demand.everything or demand.subscription.scope is None:
            return demand
        return Demand(demand.subscription, self._names.share(_union((demand.names, self._of(self._configured)))))

    def brought(self, known: Iterable[str]) -> None:
        """The proxy has these RouteConfigurations from another stream."""
        existing = self._view.resources(ResourceType.ROUTES)
        self._configured |= frozenset(name for name in known if name in existing)

    def leave(self, known: Iterable[str]) -> None:
        """The proxy has these virtual hosts from another stream, some without their RouteConfiguration."""
        left = (name for name in known if route_configuration_of(name) not in self._configured)
        for configuration, names in _by_configuration(left).items():
            self._left[configuration] = self._names.share(names)
        self._clean_up()

    def sent(self, configurations: Iterable[str]) -> None:
        """These RouteConfigurations were sent: all that belongs to them goes behind."""
        new = frozenset(configurations)
        if not new:
            return
        self._configured |= new
        watch = self._rescope()
        if watch is not None:
            left = [self._left.pop(name) for name in new & self._left.keys()]
            names = _union((self._of(new), *left))
            if not watch.subscription.wildcard:  # Envoy's is; of ten thousand each would be looked at for each stream
                names = frozenset(filter(watch.subscription.covers, names))
            watch.backlog.ask(self._names.share(names))

    def changed(self, routes: Iterable[ResourceChange]) -> None:
        """RouteConfigurations went, or are back before the proxy was told that they went."""
        gone = self._configured.intersection(change.name for change in routes if change.new is None)
        if gone:
            self._abandon(gone)
        back = (change.name for change in routes if change.new is not None and change.name not in self._configured)
        self.sent(name for name in back if self._has(name))

    def unsubscribed(self) -> None:
        """Some RouteConfigurations are asked for no more: nothing in the proxy uses what it was left with."""
        covers = self._watches[ResourceType.ROUTES].subscription.covers
        self._configured = frozenset(filter(covers, self._configured))
        self._rescope()
        self._clean_up()

    def _has(self, configuration: str) -> bool:
        """Whether the proxy has it as it is."""
        watch = self._watches[ResourceType.ROUTES]
        backlog = watch.backlog
        elsewise = (backlog.upserts, backlog.removals, backlog.asked, watch.trials, watch.refusals)
        return watch.subscription.covers(configuration) and not any(configuration in names for names in elsewise)

    def _abandon(self, gone: frozenset[str]) -> None:
        watch = self._watches.get(ResourceType.VIRTUAL_HOST)
        if watch is not None and watch.subscription.scope is not None:
            backlog = watch.backlog
            tried = (name for name, _ in watch.trials)
            waiting = _by_configuration((*backlog.removals, *backlog.upserts, *backlog.asked, *tried))
            self._left.update((name, self._names.share(waiting[name])) for name in gone & waiting.keys())
        self._configured -= gone
        self._rescope()

    def _rescope(self) -> TypeStream | None:
        """Let the subscription cover just the virtual hosts of what the proxy has. Returns its watch."""
        watch = self._watches.get(ResourceType.VIRTUAL_HOST)
        if watch is not None and watch.subscription.scope not in (None, self._configured):
            watch.resubscribe(replace(watch.subscription, scope=self._configured))
        return watch

    def _clean_up(self) -> None:
        """Say of what the proxy was left with, and needs no more, that it is gone."""
        watch = self._watches.get(ResourceType.VIRTUAL_HOST)
        if watch is None or not self._left:
            return
        covers = self._watches[ResourceType.ROUTES].subscription.covers
        for configuration in [name for name in sorted(self._left) if not covers(name)]:
            existing = self._view.virtual_hosts(configuration)
            watch.backlog.ask(self._left.pop(configuration).difference(existing))

    def _of(self, configurations: Iterable[str]) -> frozenset[str]:
        """The virtual hosts of these, for each at least a name: its removal is what Envoy takes for an answer."""
        return _union(self._view.virtual_host_names(name) or frozenset({f"{name}/_"}) for name in configurations)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """Of one set that isn't empty the same object: a thousand streams needn't copy it."""
    full = list(filter(None, sets))
    return full[0] if len(full) == 1 else frozenset[str]().union(*full)


def _by_configuration(names: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(route_configuration_of(name), set()).add(name)
    return {configuration: frozenset(hosts) for configuration, hosts in found.items()}
