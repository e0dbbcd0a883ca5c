"""Conflicts of HTTPRoutes with GRPCRoutes: no name of a listener belongs to routes of both kinds.

Of two such routes the older one is accepted.
Source: field `hostnames` of https://gateway-api.sigs.k8s.io/reference/spec/#grpcroutespec
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.attached.hostnames import covering
from xds.translate.gateway.listening.slots import SlotKey

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound=Hashable)

_NONE: Final[frozenset[SlotKey]] = frozenset()


@dataclass(frozen=True, slots=True)
class Wish:
    """A route that a listener would accept.

    Attributes:
        rank: The seniority of the route.
        domains: The names that the route and the listener have in common.
    """

    rank: tuple[datetime, Key]
    domains: tuple[str, ...]


@dataclass(slots=True)
class _Names:
    """The routes of a kind, by domain, and by the wildcards above the domain."""

    by_domain: dict[str, set[ObjectRef]] = field(default_factory=dict)
    below: dict[str, set[ObjectRef]] = field(default_factory=dict)

    def change(self, route: ObjectRef, wish: Wish, *, is_gone: bool) -> None:
        for domain in wish.domains:
            _change(self.by_domain, domain, route, is_gone=is_gone)
            for each in covering(domain):
                _change(self.below, each, route, is_gone=is_gone)

    def meeting(self, domains: Iterable[str]) -> Iterator[ObjectRef]:
        """The routes that have a name of one of the domains."""
        for domain in domains:
            yield from self.below.get(domain, ())
            for each in covering(domain):
                yield from self.by_domain.get(each, ())


@dataclass(slots=True)
class _Listener:
    """The routes that a listener would accept.

    Attributes:
        wishes: By kind of route.
        names: By kind of route, once the listener has routes of both kinds.
        stale: The routes to decide again.
        lost: The routes whose names belong to older routes of the other kind.
    """

    wishes: dict[str, dict[ObjectRef, Wish]] = field(default_factory=dict)
    names: dict[str, _Names] = field(default_factory=dict)
    stale: set[ObjectRef] = field(default_factory=set)
    lost: set[ObjectRef] = field(default_factory=set)


class KindConflicts:
    """Keeps the losers in step with the wishes. Listeners with routes of one kind cost next to nothing."""

    def __init__(self) -> None:
        self._listeners: dict[SlotKey, _Listener] = {}
        self._slots: dict[ObjectRef, frozenset[SlotKey]] = {}
        self._lost: dict[ObjectRef, set[SlotKey]] = {}
        self._stale: set[SlotKey] = set()

    def lost(self, route: ObjectRef) -> Set[SlotKey]:
        """The listeners where older routes of the other kind have the names."""
        return self._lost.get(route, _NONE)

    def put(self, route: ObjectRef, wishes: Mapping[SlotKey, Wish]) -> None:
        """Replace the wishes of a route: a wish for each listener that would accept the route."""
        before = self._slots.pop(route, _NONE)
        if wishes:
            self._slots[route] = frozenset(wishes)
        for slot in before - wishes.keys():
            self._change(slot, route, None)
        for slot, wish in wishes.items():
            self._change(slot, route, wish)

    def resolve(self) -> Set[ObjectRef]:
        """Decide stale names again, and return the routes that lost a listener, or have one back."""
        changed: set[ObjectRef] = set()
        stale, self._stale = self._stale, set()
        for slot in stale:
            listener = self._listeners[slot]
            lost, decided = self._decide(listener)
            for route in decided:
                if (route in lost) == (route in listener.lost):
                    continue
                changed.add(route)
                (listener.lost.add if route in lost else listener.lost.discard)(route)
                _change(self._lost, route, slot, is_gone=route not in lost)
            listener.stale.clear()
            if not listener.wishes:
                del self._listeners[slot]
        return changed

    def _change(self, slot: SlotKey, route: ObjectRef, wish: Wish | None) -> None:
        listener = self._listeners.setdefault(slot, _Listener())
        wishes = listener.wishes.get(route.kind, {})
        before = wishes.get(route)
        if before == wish:
            return
        self._stale.add(slot)
        listener.stale.add(route)
        for each, is_gone in ((before, True), (wish, False)):
            if each and listener.names:
                listener.stale.update(self._rivals(listener, route, each))
                listener.names.setdefault(route.kind, _Names()).change(route, each, is_gone=is_gone)
        if wish:
            listener.wishes.setdefault(route.kind, {})[route] = wish
            return
        del wishes[route]
        if not wishes:
            del listener.wishes[route.kind]

    def _decide(self, listener: _Listener) -> tuple[Set[ObjectRef], Set[ObjectRef]]:
        """The losers among the routes to decide, and all routes to decide."""
        if len(listener.wishes) < 2:
            listener.names.clear()
            return frozenset(), listener.lost | listener.stale
        if not listener.names:
            listener.names = {kind: _Names() for kind in listener.wishes}
            for kind, wishes in listener.wishes.items():
                for route, wish in wishes.items():
                    listener.names[kind].change(route, wish, is_gone=False)
            one, other = listener.wishes.values()
            listener.stale.update(one if len(one) < len(other) else other)
        concerned = self._concerned(listener)
        lost: set[ObjectRef] = set()
        accepted: set[ObjectRef] = set()
        for route in sorted(concerned, key=lambda each: (listener.wishes[each.kind][each].rank, each.kind)):
            rivals = self._rivals(listener, route, listener.wishes[route.kind][route])
            (accepted if accepted.isdisjoint(rivals) else lost).add(route)
        return lost, concerned | listener.stale

    def _concerned(self, listener: _Listener) -> set[ObjectRef]:
        """The routes that depend on stale routes: rivals, the rivals of rivals, and so on."""
        found = {each for each in listener.stale if each in listener.wishes.get(each.kind, ())}
        pending = set(found)
        while pending:
            route = pending.pop()
            rivals = set(self._rivals(listener, route, listener.wishes[route.kind][route])) - found
            found |= rivals
            pending |= rivals
        return found

    def _rivals(self, listener: _Listener, route: ObjectRef, wish: Wish) -> Iterator[ObjectRef]:
        for kind, names in listener.names.items():
            if kind != route.kind:
                yield from names.meeting(wish.domains)


def _change(index: dict[_K, set[_V]], key: _K, value: _V, *, is_gone: bool) -> None:
    if not is_gone:
        index.setdefault(key, set()).add(value)
        return
    found = index.get(key)
    if found is not None:
        found.discard(value)
        if not found:
            del index[key]
