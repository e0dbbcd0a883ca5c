"""Bound listeners: the chains of a socket, out of the listeners of Gateways there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from xds.traffic.bound import BoundListener, Chain, ListenerKey, TableKey
from xds.traffic.layer4 import Layer4Route
from xds.traffic.routes import Origin
from xds.translate.gateway.attached.forwards import Forwards
from xds.translate.gateway.attached.hostnames import ANY, covering, specificity
from xds.translate.gateway.attached.tables import RouteTables
from xds.translate.gateway.listening.slots import Family, Slot


class BoundListeners:
    """Keeps bound listeners, and the listeners of route tables, in step with the listeners of Gateways.

    Args:
        tables: Told of the listeners that share each table.
        forwards: The routes of connections that are passed on.
        is_shared: Tells the sockets of Ingress, whose listeners serve the route tables too.
    """

    def __init__(self, tables: RouteTables, forwards: Forwards, is_shared: Callable[[ListenerKey], bool]) -> None:
        self.current: dict[ListenerKey, BoundListener] = {}
        self._tables = tables
        self._forwards = forwards
        self._is_shared = is_shared
        self._tables_of: dict[ListenerKey, frozenset[TableKey]] = {}

    def update(
        self, sockets: Iterable[ListenerKey], slots: Mapping[ListenerKey, Sequence[Slot]]
    ) -> frozenset[ListenerKey]:
        """Make the listeners of sockets again, and return those that differ."""
        changed: set[ListenerKey] = set()
        for socket in sockets:
            self._set_tables(socket, slots[socket])
            after = None if self._is_shared(socket) else bound_listener(socket, slots[socket], self._forwards)
            if self.current.get(socket) == after:
                continue
            changed.add(socket)
            if after is None:
                del self.current[socket]
            else:
                self.current[socket] = after
        return frozenset(changed)

    def _set_tables(self, socket: ListenerKey, slots: Sequence[Slot]) -> None:
        domains: dict[TableKey, set[str]] = {}
        for each in slots:
            if each.speaks_http and each.is_served:
                domains.setdefault(each.table(socket), set()).add(each.domain)
        for table in self._tables_of.pop(socket, frozenset()) - domains.keys():
            self._tables.set_listeners(table, frozenset())
        for table, names in domains.items():
            self._tables.set_listeners(table, frozenset(names))
        if domains:
            self._tables_of[socket] = frozenset(domains)


def bound_listener(key: ListenerKey, slots: Sequence[Slot], forwards: Forwards) -> BoundListener | None:
    """The listener of a socket; None: there is nothing to serve.

    Args:
        key: The socket.
        slots: The listeners that hold the socket, in order of precedence.
        forwards: The routes of connections that are passed on.
    """
    first = next((each for each in slots if each.is_served), None)
    if first is None:
        return None
    chains = tuple(_chains(key, slots, forwards))
    if first.family is Family.UDP and not chains[0].route:
        return None
    origin = Origin(first.key.owner, first.field)
    return BoundListener(key, chains, origin, first.listener.port, reads_sni=first.family is Family.TLS)


def _chains(key: ListenerKey, slots: Sequence[Slot], forwards: Forwards) -> Iterator[Chain]:
    first = slots[0]
    match first.family:
        case Family.HTTP:
            yield Chain(table=first.table(key))
        case Family.TLS:
            yield from _tls_chains(key, slots, forwards)
        case _:
            yield Chain(route=forwards.at(key, ANY).get(ANY))


def _tls_chains(key: ListenerKey, slots: Sequence[Slot], forwards: Forwards) -> Iterator[Chain]:
    """The chains of a socket with TLS: a connection belongs to the listener with the most specific hostname."""
    listeners = {slot.domain: slot for slot in slots}
    for domain in sorted(listeners, key=lambda each: (specificity(each), each)):
        slot = listeners[domain]
        if slot.speaks_http and slot.is_served:
            yield Chain(_names([domain]), slot.tls, slot.table(key))
            continue
        routes = forwards.at(key, domain) if slot.is_served else {}
        owned = {each: route for each, route in routes.items() if _owner(each, listeners) == domain}
        yield from _passing(slot, owned)
        if domain not in owned and domain != ANY:
            yield Chain(_names([domain]))  # names without a route don't fall to a wider listener


def _passing(slot: Slot, routes: Mapping[str, Layer4Route]) -> Iterator[Chain]:
    by_route: dict[Layer4Route, list[str]] = {}
    for domain, route in routes.items():
        by_route.setdefault(route, []).append(domain)
    for route, domains in by_route.items():
        if ANY in domains:  # a chain without names can't have names, too
            domains.remove(ANY)
            yield Chain((), slot.tls, route=route)
        if domains:
            yield Chain(_names(domains), slot.tls, route=route)


def _owner(domain: str, listeners: Mapping[str, Slot]) -> str | None:
    return next((each for each in covering(domain) if each in listeners), None)


def _names(domains: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(each for each in domains if each != ANY))
