"""Route tables: the virtual hosts of listeners that speak HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from xds.problems.problem import ObjectRef
from xds.traffic.bound import TableKey
from xds.traffic.hosts import wildcards_of
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT
from xds.traffic.routes import Route, VirtualHost, most_specific_first
from xds.translate.gateway.hostnames import ANY, specificity

Seniority = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A route at a domain of a table.

    Attributes:
        listener: The hostname of the listener that the route is attached to, as a domain.
        rank: The seniority of the route.
        routes: In the order of rules and matches.
    """

    listener: str
    rank: Seniority
    routes: tuple[Route, ...]


@dataclass(slots=True)
class _Table:
    """Attributes: listeners: The hostnames of listeners, as domains, with the virtual hosts of their own."""

    listeners: frozenset[str] = frozenset()
    claims: dict[str, dict[tuple[ObjectRef, str], Claim]] = field(default_factory=dict)


class RouteTables:
    """Keeps the virtual hosts of all route tables in step with claims.

    A request belongs to the listener with the most specific hostname of its socket, and meets routes of that listener
    alone. Among these, hostnames decide first: routes of a less specific hostname follow.
    """

    def __init__(self) -> None:
        self.current: dict[TableKey, dict[str, VirtualHost]] = {}
        self._tables: dict[TableKey, _Table] = {}
        self._stale: dict[TableKey, set[str]] = {}

    def set_listeners(self, table: TableKey, hostnames: frozenset[str]) -> None:
        """Set the hostnames, as domains, of the listeners that share a table; none: the table is gone."""
        known = self._tables.get(table)
        if known is None:
            if not hostnames:
                return
            known = self._tables[table] = _Table()
        if known.listeners == hostnames:
            return
        stale = self._stale.setdefault(table, set())
        stale.update(known.claims, known.listeners, hostnames)
        known.listeners = hostnames

    def claim(self, table: TableKey, domain: str, user: tuple[ObjectRef, str], claim: Claim | None) -> None:
        """Replace the claim of a user at a domain; None: the user has none."""
        known = self._tables.setdefault(table, _Table())
        claims = known.claims.get(domain, {})
        if claims.get(user) == claim:
            return
        if claim is None:
            del claims[user]
            if not claims:
                known.claims.pop(domain)
        else:
            known.claims.setdefault(domain, {})[user] = claim
        stale = self._stale.setdefault(table, set())
        stale.add(domain)
        if domain == ANY:
            stale.update(known.claims)
        elif domain.startswith("*"):
            stale.update(each for each in known.claims if each.endswith(domain[1:]))

    def update(self) -> Mapping[TableKey, frozenset[str]]:
        """Make stale virtual hosts again, and return the domains that changed."""
        changed: dict[TableKey, frozenset[str]] = {}
        for key, domains in self._stale.items():
            known, hosts = self._tables[key], self.current.setdefault(key, {})
            differing = {each for each in domains if _replace(hosts, each, _virtual_host(known, each))}
            if differing:
                changed[key] = frozenset(differing)
            if not hosts:
                del self.current[key]
            if not known.listeners and not known.claims:
                del self._tables[key]
        self._stale.clear()
        return changed


def _replace(hosts: dict[str, VirtualHost], domain: str, after: VirtualHost | None) -> bool:
    if hosts.get(domain) == after:
        return False
    if after is None:
        del hosts[domain]
    else:
        hosts[domain] = after
    return True


def _virtual_host(table: _Table, domain: str) -> VirtualHost | None:
    owner = next((each for each in covering(domain) if each in table.listeners), None)
    if owner is None:
        return None
    found: dict[ObjectRef, tuple[str, Claim]] = {}
    for each in covering(domain):  # the most specific first
        for (route, _), claim in table.claims.get(each, {}).items():
            if claim.listener == owner:
                found.setdefault(route, (each, claim))
    if not found and domain not in table.listeners:
        return None
    return VirtualHost(domain, tuple(_ordered(found.values())), https_redirect=NO_HTTPS_REDIRECT)


def covering(domain: str) -> Iterable[str]:
    """The domains that cover one, the most specific first: itself, wildcards, and `*`."""
    yield domain
    if domain == ANY:
        return
    yield from (each for each in wildcards_of(domain) if each != domain)
    yield ANY


def _ordered(found: Iterable[tuple[str, Claim]]) -> Iterable[Route]:
    by_hostname = sorted(found, key=lambda each: (specificity(each[0]), each[1].rank))
    for _, group in groupby(by_hostname, key=lambda each: specificity(each[0])):
        yield from most_specific_first(route for _, claim in group for route in claim.routes)
