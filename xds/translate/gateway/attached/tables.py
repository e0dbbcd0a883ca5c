"""Route tables: the virtual hosts of listeners that speak HTTP."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TypeAlias

from xds.problems.problem import Key, ObjectRef
from xds.steps import Steps
from xds.traffic.bound import TableKey
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT
from xds.traffic.routes import Route, VirtualHost, most_specific_first
from xds.translate.gateway.attached.hostnames import ANY, covering, specificity

TablePlace: TypeAlias = tuple[TableKey, str, str]
"""A table, a domain of a route, and the domain of the listener that the route is attached to."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A route at a domain of a table.

    Attributes:
        listener: The domain of the listener that the route is attached to.
        hostname: The route's, which covers the domain.
        rank: The seniority of the route.
        routes: In the order of rules and matches.
    """

    listener: str
    hostname: str
    rank: tuple[datetime, Key]
    routes: tuple[Route, ...]


@dataclass(slots=True)
class _Table:
    """The demands on one table.

    Attributes:
        listeners: The domains of the listeners that share the table.
        claims: By domain, and by route and domain of the listener.
        below: The domains with claims that a wildcard covers, by wildcard.
    """

    listeners: frozenset[str] = frozenset()
    claims: dict[str, dict[tuple[ObjectRef, str], Claim]] = field(default_factory=dict)
    below: dict[str, set[str]] = field(default_factory=dict)

    def covered(self, domain: str) -> Iterable[str]:
        """The domains with virtual hosts of their own that a domain covers, but for itself."""
        if domain == ANY:
            return self.claims.keys() | self.listeners
        return self.below.get(domain, set()) | {each for each in self.listeners if domain in covering(each)}

    def file(self, domain: str) -> None:
        for each in _wildcards(domain):
            self.below.setdefault(each, set()).add(domain)

    def unfile(self, domain: str) -> None:
        for each in _wildcards(domain):
            self.below[each].discard(domain)
            if not self.below[each]:
                del self.below[each]


class RouteTables:
    """Keeps the virtual hosts of all route tables in step with claims.

    A request belongs to the listener with the most specific hostname of its socket, and meets routes of that listener
    alone. Among these, hostnames decide first: routes of a less specific hostname follow.

    Attributes:
        current: The virtual hosts, as of the last update.
    """

    def __init__(self) -> None:
        self.current: dict[TableKey, dict[str, VirtualHost]] = {}
        self._tables: dict[TableKey, _Table] = {}
        self._stale: dict[TableKey, set[str]] = {}

    def set_listeners(self, table: TableKey, domains: frozenset[str]) -> None:
        """Set the domains of the listeners that share a table; none: no listener has the table."""
        known = self._tables.get(table)
        if known is None:
            if not domains:
                return
            known = self._tables[table] = _Table()
        for domain in known.listeners ^ domains:
            self._touch(table, known, domain)
        known.listeners = domains

    def claim(self, place: TablePlace, route: ObjectRef, claim: Claim | None) -> None:
        """Replace the claim of a route.

        Args:
            place: The place.
            route: Claims the place.
            claim: None: the route has no claim.
        """
        table, domain, listener = place
        known = self._tables.setdefault(table, _Table())
        claims = known.claims.get(domain, {})
        if claims.get((route, listener)) == claim:
            return
        if claim is not None:
            if domain not in known.claims:
                known.claims[domain] = claims
                known.file(domain)
            claims[route, listener] = claim
        else:
            del claims[route, listener]
            if not claims:
                del known.claims[domain]
                known.unfile(domain)
        self._touch(table, known, domain)

    def _touch(self, key: TableKey, table: _Table, domain: str) -> None:
        stale = self._stale.setdefault(key, set())
        stale.add(domain)
        if domain.startswith(ANY):
            stale.update(table.covered(domain))

    def update(self) -> Steps[Mapping[TableKey, frozenset[str]]]:
        """Make stale virtual hosts again, and return the domains that changed."""
        changed: dict[TableKey, frozenset[str]] = {}
        stale, self._stale = self._stale, {}
        for key, domains in stale.items():
            known, hosts = self._tables[key], self.current.setdefault(key, {})
            differing: set[str] = set()
            for domain in domains:
                if _replace(hosts, domain, _virtual_host(known, domain)):
                    differing.add(domain)
                yield
            if differing:
                changed[key] = frozenset(differing)
            if not hosts:
                del self.current[key]
            if not known.listeners and not known.claims:
                del self._tables[key]
        return changed


def _wildcards(domain: str) -> Iterator[str]:
    return (each for each in covering(domain) if each not in (domain, ANY))


def _replace(hosts: dict[str, VirtualHost], domain: str, after: VirtualHost | None) -> bool:
    if hosts.get(domain) == after:
        return False
    if after is None:
        del hosts[domain]
    else:
        hosts[domain] = after
    return True


def _virtual_host(table: _Table, domain: str) -> VirtualHost | None:
    """The virtual host of a domain; None: neither a claim nor a listener asks for one."""
    domains = tuple(covering(domain))  # the most specific first
    owner = next((each for each in domains if each in table.listeners), None)
    if owner is None or (domain != owner and domain not in table.claims):
        return None
    found: dict[ObjectRef, tuple[str, Claim]] = {}
    for each in domains:
        for (route, listener), claim in table.claims.get(each, {}).items():
            if listener == owner:
                found.setdefault(route, (each, claim))
    if domain != owner and all(each[0] != domain for each in found.values()):
        return None  # claims of another listener's routes alone
    fallbacks = sum(len(claim.routes) for _, claim in found.values() if claim.hostname != domain)
    routes = tuple(_ordered(found.values()))
    return VirtualHost(domain, routes, https_redirect=NO_HTTPS_REDIRECT, fallbacks=fallbacks)


def _ordered(found: Iterable[tuple[str, Claim]]) -> Iterable[Route]:
    def by_hostname(each: tuple[str, Claim]) -> tuple[tuple[bool, int], tuple[bool, int]]:
        domain, claim = each
        return specificity(domain), specificity(claim.hostname)

    ordered = sorted(found, key=lambda each: (by_hostname(each), each[1].rank))
    for _, group in groupby(ordered, key=by_hostname):
        yield from most_specific_first(route for _, claim in group for route in claim.routes)
