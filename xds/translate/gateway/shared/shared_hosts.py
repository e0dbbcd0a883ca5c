"""Hosts that Ingress and the Gateway API share: a Gateway with an address of Ingress serves at the ports of Ingress.

Routes of both are tried in one order, the most specific first. Of equal matches that of the older object wins.
"""

from collections import ChainMap
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from xds.kube.gateway_objects import ROUTE_KINDS
from xds.kube.objects import Ingress, KubeObject
from xds.kube.state import KubeState, seniority
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import Closed, Forward
from xds.traffic.bound import TableKey
from xds.traffic.hosts import NO_HOST, is_wildcard
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.translate.gateway.attached.hostnames import ANY, covering
from xds.translate.gateway.options import GatewayOptions

Hosts: TypeAlias = Mapping[str, VirtualHost]
Tables: TypeAlias = Mapping[TableKey, Hosts]

_KINDS = {kind.kind: kind for kind in ROUTE_KINDS}
_REMEDY = "Remove one of the two. To move from Ingress to the Gateway API, delete the path of the Ingress."


class SharedHosts:
    """Keeps the virtual hosts that Gateways share with Ingresses in step with their routes.

    Args:
        report: Takes the problems of each host.
    """

    def __init__(
        self, state: KubeState, options: GatewayOptions, report: Callable[[Hashable, Iterable[Problem]], None]
    ) -> None:
        self._state = state
        self._report = report
        self._plain_table = TableKey(options.http_socket)
        self._tls_socket = options.https_socket
        self._shared: dict[bool, dict[str, VirtualHost]] = {False: {}, True: {}}

    def hosts(self, of_ingress: dict[str, VirtualHost], *, tls: bool) -> Hosts:
        """The virtual hosts of plain requests, or of requests by TLS."""
        shared = self._shared[tls]
        return ChainMap(shared, of_ingress) if shared else of_ingress

    def update(
        self, of_ingress: Hosts, changed: Iterable[str], tables: Tables, changes: Mapping[TableKey, Set[str]]
    ) -> set[str]:
        """Merge stale hosts again, and return the hosts that differ.

        Args:
            of_ingress: The virtual hosts of Ingresses.
            changed: Hosts among these that changed.
            tables: The route tables of all Gateways.
            changes: The domains of tables that changed.
        """
        stale = {_host(domain) for table, domains in changes.items() if self._is_shared(table) for domain in domains}
        stale |= {host for host in changed if any(self._of_gateways(tables, host, tls=tls) for tls in (False, True))}
        differing: set[str] = set()
        for host in stale:
            merge = _Merge(self._state, host, of_ingress.get(host))
            for tls, shared in self._shared.items():
                found = self._of_gateways(tables, host, tls=tls)
                after = merge.with_routes(found) if found else None
                if shared.get(host) != after:
                    differing.add(host)
                    if after:
                        shared[host] = after
                    else:
                        del shared[host]
            self._report(("shared host", host), merge.problems)
        return differing

    def _is_shared(self, table: TableKey) -> bool:
        return table == self._plain_table or (table.tls and table.listener == self._tls_socket)

    def _of_gateways(self, tables: Tables, host: str, *, tls: bool) -> VirtualHost | None:
        """The virtual host of Gateways; None without a route."""
        domain = host or ANY
        names = covering(domain) if tls else ()
        keys = [TableKey(self._tls_socket, "" if name == ANY else name, tls=True) for name in names]
        table = next((tables[key] for key in keys or [self._plain_table] if key in tables), {})
        found = table.get(domain)
        return found if found and found.routes else None


def _host(domain: str) -> str:
    return NO_HOST if domain == ANY else domain


@dataclass(slots=True)
class _Merge:
    """Merges the routes of a host that Ingresses and Gateways ask for."""

    state: KubeState
    host: str
    ingress: VirtualHost | None
    problems: list[Problem] = field(default_factory=list)

    def with_routes(self, of_gateways: VirtualHost) -> VirtualHost:
        # Redirects to HTTPS by the operator are for Ingress alone.
        routes = tuple(map(_without_redirect, of_gateways.routes))
        first = len(routes) - of_gateways.fallbacks
        beyond = replace(of_gateways, routes=routes) if is_wildcard(self.host) else None
        if self.ingress is None:
            return replace(of_gateways, host=self.host, routes=routes, beyond=beyond)
        if closing := _closing(self.ingress):
            routes = tuple(self._closed(route, closing) for route in routes)
        own = [route for route in routes[:first] if self._may_use(route)]
        kept, added = self._without_equals(self.ingress.routes, own)
        merged = [*kept, *added] if _is_regex(kept) else [*self._merged(kept, added)]
        behind = [route for route in routes[first:] if self._may_use(route)]
        return replace(self.ingress, routes=(*merged, *behind), fallbacks=len(behind), beyond=beyond)

    def _may_use(self, route: Route) -> bool:
        """Whether a host belongs to the namespace of a route, or to none."""
        about, owner = route.origin.object, self.ingress.owner if self.ingress else ""
        if not owner or about.namespace == owner:
            return True
        message = (
            f"host {shown(self.host)} belongs to namespace {owner} by --host-ownership; the route isn't served there"
        )
        self._add(Problem(about, Reason.HOST_OF_OTHER_NAMESPACE, message, "Use another host.", route.origin.field))
        return False

    def _closed(self, route: Route, closing: Closed) -> Route:
        """The route on a host that Ingress closes, as no client's certificate can be verified."""
        message = (
            f"an Ingress has clients of host {shown(self.host)} asked for certificates, and the authorities can't be "
            f"had; the route answers {closing.status} there"
        )
        remedy = "Mend the Secret that auth-tls-secret of the Ingress names, or remove the annotation."
        about, reason = route.origin.object, Reason.PROTECTION_UNAVAILABLE
        self._add(Problem(about, reason, message, remedy, route.origin.field))
        return replace(route, action=closing, policy=NO_POLICY)

    def _without_equals(self, kept: Sequence[Route], added: Sequence[Route]) -> tuple[list[Route], list[Route]]:
        """The routes of both sides. Of equal matches, the route of the older object stays."""
        known = {_match(route): route for route in reversed(kept)}
        lost: set[int] = set()
        for route in added:
            other = known.get(_match(route))
            if other is not None:
                winner, loser = sorted((route, other), key=self._rank)
                lost.add(id(loser))
                self._report_loser(winner, loser)
        return [each for each in kept if id(each) not in lost], [each for each in added if id(each) not in lost]

    def _merged(self, one: Sequence[Route], other: Sequence[Route]) -> Iterator[Route]:
        """The routes of both sides in one order. The order within a side stays."""
        left, right = list(reversed(one)), list(reversed(other))
        while left and right:
            is_left = self._order(left[-1]) <= self._order(right[-1])
            yield (left if is_left else right).pop()
        yield from reversed(left or right)

    def _order(self, route: Route) -> tuple[object, object]:
        return route.precedence, self._rank(route)

    def _rank(self, route: Route) -> tuple[object, ...]:
        """A sort key, the route of the older object first."""
        about = route.origin.object
        found = self._object(about)
        return (found is None, seniority(found) if found else (), about.kind != Ingress.kind)

    def _object(self, ref: ObjectRef) -> KubeObject | None:
        if ref.kind == Ingress.kind:
            return self.state.ingress(ref.key)
        return self.state.all_of(_KINDS[ref.kind]).get(ref.key) if ref.kind in _KINDS else None

    def _report_loser(self, winner: Route, loser: Route) -> None:
        if _treatment(winner) == _treatment(loser):
            return
        place = f"host {self.host}" if self.host else "all hosts that no other route names"
        message = (
            f"{loser.path_type} path {shown(loser.path)} of {place} belongs to {winner.origin.field} of "
            f"{winner.origin.object}, which is older or comes first by name; the path here gets no request"
        )
        about = loser.origin.object
        reason = Reason.PATH_CONFLICT if about.kind == Ingress.kind else Reason.ROUTE_REFUSED
        self._add(Problem(about, reason, message, _REMEDY, loser.origin.field))

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _closing(ingress: VirtualHost) -> Closed | None:
    """The answer of a host that an Ingress closes as a whole, because its protection can't be had; None: it is open."""
    answers = (ingress.default, *ingress.routes)
    if not all(each and isinstance(each.action, Closed) for each in answers):
        return None
    action = ingress.default.action if ingress.default else None
    return action if isinstance(action, Closed) else None


def _is_regex(routes: Iterable[Route]) -> bool:
    """Whether the paths of a host are expressions in the order of nginx."""
    return any(route.path_type is PathType.REGEX for route in routes)


def _match(route: Route) -> Hashable:
    path = route.path.rstrip("/") if route.path_type is PathType.PREFIX else route.path
    return (path, route.path_type, frozenset(route.conditions))


def _treatment(route: Route) -> Hashable:
    """Equal for routes that are no conflict, as both treat requests alike but for the redirect to HTTPS."""
    action = route.backends if isinstance(route.action, Forward) else route.action
    return action, _without_redirect(route).policy, route.service


def _without_redirect(route: Route) -> Route:
    if route.policy.https_redirect is NO_HTTPS_REDIRECT:
        return route
    return replace(route, policy=replace(route.policy, https_redirect=NO_HTTPS_REDIRECT))
