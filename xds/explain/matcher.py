"""Matches a request against the traffic model: the answer and its reasons, the reference for real Envoys.

The matcher reads the model as the Ingress specification does, and knows nothing of Envoy's configuration. Answer and
reasons come from one walk, so tests that hold Envoy to the answers also hold `xds explain` to the truth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xds.explain import client_check
from xds.explain.access import is_forbidden, lacks_password, lets_in
from xds.explain.answer import (
    CLOSED,
    MALFORMED,
    MISDIRECTED,
    NOT_FOUND,
    PASSED,
    Answer,
    Choice,
    ComparedRoute,
    Comparison,
    Coverage,
    Fallback,
    Handshake,
    HostMatch,
    Malformed,
    PathMatch,
    Preflight,
    Step,
)
from xds.explain.edge import DEFAULT_EDGE, EdgeOptions
from xds.explain.https_redirect import RoutedRequest, decision
from xds.explain.request import Request, host_of, malformed, normalized
from xds.traffic.actions import Closed, DirectAnswer, Forward, HostRedirect, RequestRedirect
from xds.traffic.actions import Redirect as RouteRedirect
from xds.traffic.conditions import Comparison as ValueComparison
from xds.traffic.conditions import (
    Condition,
    CookieCondition,
    GrpcMethodCondition,
    HeaderCondition,
    MethodCondition,
    QueryCondition,
    SessionCondition,
)
from xds.traffic.hosts import NO_HOST, beginnings_of, covers, is_beginning, is_wildcard, wildcard_of, wildcards_of
from xds.traffic.model import Traffic
from xds.traffic.regex import compiled, found_anywhere, matches
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import Termination, TlsTable


@dataclass(frozen=True, slots=True)
class TrafficExcerpt:
    """The part of the traffic model that a request can meet, frozen at one moment. Implements `Traffic`."""

    hosts: Mapping[str, VirtualHost]
    default: Route | None
    tls: TlsTable

    def hosts_of(self, *, tls: bool) -> Mapping[str, VirtualHost]:
        """The hosts, which are those of the request's connection already."""
        del tls
        return self.hosts


def excerpt(traffic: Traffic, request: Request) -> TrafficExcerpt:
    """The part of the traffic model that `answer` reads. Two excerpts are equal if no part of them changed."""
    host = host_of(request.authority)
    wanted = (host, wildcard_of(host), NO_HOST, *wildcards_of(host), *beginnings_of(host))
    hosts = traffic.hosts_of(tls=request.https)
    return TrafficExcerpt({name: hosts[name] for name in wanted if name in hosts}, traffic.default, traffic.tls)


def is_named(traffic: Traffic, request: Request) -> bool:
    """Whether rules name the host of a request, by name or by wildcard."""
    found = _host_match(traffic, host_of(request.authority), tls=request.https)
    return found.choice in (Choice.PRECISE, Choice.WILDCARD)


def answer(traffic: Traffic, request: Request, edge: EdgeOptions = DEFAULT_EDGE) -> Answer:
    """The answer that a proxy should give, with its steps."""
    steps: list[Step] = []
    found = _walk(traffic, request, edge, steps)
    return Answer(found.status, found.route, tuple(steps))


def _walk(traffic: Traffic, request: Request, edge: EdgeOptions, steps: list[Step]) -> Answer:
    """The answer; adds each decision to `steps`."""
    termination = None
    if request.https:
        steps.append(connection := handshake(traffic.tls, request.sni.lower().removesuffix("."), request.client))
        termination = connection.termination
        if termination is None:
            return PASSED if connection.passthrough and not connection.is_denied else CLOSED
    if refused := rejected(request, edge, steps):
        return refused
    host = host_of(request.authority)
    path = normalized(request.path, merge_slashes=edge.merge_slashes)
    if termination is not None:
        steps.append(coverage := _coverage(traffic, termination, host))
        if not coverage.covered:
            return MISDIRECTED
    return _of_route(traffic.tls, _routed(traffic, (host, path), request, steps), request, edge, steps)


def rejected(request: Request, edge: EdgeOptions, steps: list[Step]) -> Answer | None:
    """The answer to a request that proxies reject before any route; None for other requests."""
    if why := malformed(request):
        steps.append(Malformed(why))
        return MALFORMED
    if edge.trusted_hops and request.forwarded_proto == "":  # Envoy 1.40 answers 404 without a look at routes
        steps.append(Malformed("x-forwarded-proto of a trusted proxy is empty"))
        return NOT_FOUND
    return None


def _of_route(tls: TlsTable, found: RoutedRequest, request: Request, edge: EdgeOptions, steps: list[Step]) -> Answer:
    preflight = _preflight(found.route, request) if found.route else None
    redirect = None if request.https or preflight else decision(tls, found, request, edge)
    is_answered = preflight is not None or (redirect is not None and redirect.redirected)
    if check := client_check.decision(found, tls=request.https, is_answered=is_answered):
        steps.append(check)
        if check.status:
            return Answer(check.status)
    if preflight:
        steps.append(preflight)
        return Answer(preflight.status)
    if redirect:
        steps.append(redirect)
        if redirect.redirected:
            return Answer(redirect.asked.status)
    return Answer(_status(found.route, request), found.route) if found.route else NOT_FOUND


def _routed(traffic: Traffic, host_and_path: tuple[str, str], request: Request, steps: list[Step]) -> RoutedRequest:
    host, path = host_and_path
    steps.append(host_match := _host_match(traffic, host, tls=request.https))
    virtual_host = host_match.virtual_host or VirtualHost(NO_HOST, ())
    is_named = host_match.choice is Choice.PRECISE
    if host_match.virtual_host is not None and (taken := taken_route(virtual_host, path, request, steps)):
        return RoutedRequest(host, path, virtual_host, taken, taken.https_redirect, is_named=is_named)
    route = virtual_host.fallback(traffic.default)
    steps.append(Fallback(route, of_host=virtual_host.default is not None))
    return RoutedRequest(host, path, virtual_host, route, virtual_host.unmatched_redirect(route), is_named=is_named)


def taken_route(virtual_host: VirtualHost, path: str, request: Request, steps: list[Step]) -> Route | None:
    """The route of a virtual host that a request takes; None if none matches."""
    steps.append(path_match := _path_match(virtual_host, path, request))
    return next((each.route for each in path_match.routes if each.comparison is Comparison.TAKEN), None)


def route_answer(route: Route | None, request: Request, steps: list[Step]) -> Answer:
    """The answer of a route that neither a redirect to HTTPS nor a check of clients precedes."""
    if route is None:
        return NOT_FOUND
    if preflight := _preflight(route, request):
        steps.append(preflight)
        return Answer(preflight.status)
    return Answer(_status(route, request), route)


def _preflight(route: Route, request: Request) -> Preflight | None:
    """The proxy's own answer to a preflight, before a redirect and whatever protects the route."""
    cors = route.policy.cors
    status = cors.preflight_status(request.method, request.header) if cors else None
    return Preflight(route, status) if status else None


def _status(route: Route, request: Request) -> int:
    if route.policy.access and is_forbidden(route.policy.access, request.client):
        return 403
    if route.policy.access and lacks_password(route.policy.access, request):
        return 401
    match route.action:
        case Forward() as forward:
            return forward.status or 200
        case RouteRedirect(status) | RequestRedirect(status) | DirectAnswer(status):
            return status
        case HostRedirect(_, status) | Closed(_, status):
            return status


def handshake(tls: TlsTable, sni: str, client: str = "") -> Handshake:
    """The certificate for an SNI, or its passthrough: by name, then by wildcard, then the default certificate.

    Args:
        tls: The table.
        sni: In lower case, without a dot at the end.
        client: The address that proxies know the client by; empty: unknown, and no list denies the client.
    """
    wildcards = (wildcard_of(sni), *tls.deep_over(sni))
    for pattern, choice in ((sni, Choice.PRECISE), *((each, Choice.WILDCARD) for each in wildcards)):
        if pattern in tls.without_certificate or pattern in tls.closed:
            return Handshake(sni, Choice.NO_CERTIFICATE, pattern)
        for passed in tls.passed:
            if pattern in passed.hosts:
                is_denied = pattern in tls.sources and not lets_in(tls.sources[pattern], client)
                return Handshake(sni, choice, pattern, passthrough=passed, is_denied=is_denied)
        for termination in tls.terminations:
            if pattern in termination.hosts:
                return Handshake(sni, choice, pattern, termination)
    default = next((termination for termination in tls.terminations if termination.is_default), None)
    return Handshake(sni, Choice.DEFAULT if default else Choice.NONE, "", default)


def _coverage(traffic: Traffic, termination: Termination, host: str) -> Coverage:
    """Whether a connection serves the host. The default certificate serves hosts that no other TLS entry covers."""
    tls = traffic.tls
    answering = _host_match(traffic, host, tls=True).virtual_host
    if client_check.is_elsewhere(termination, host, answering, has_tls=host in tls.named):
        return Coverage(host, "", covered=False, is_checked=True)
    if answering and (answering.host if answering.alias_of is None else answering.alias_of) in tls.undecrypted:
        return Coverage(host, _covering(tls, host, tls.undecrypted) or "", covered=False)
    pattern = _covering(tls, host, termination.hosts)
    if pattern is not None:
        return Coverage(host, pattern, covered=True)
    others = (pattern for other in tls.terminations for pattern in other.hosts)
    other = _covering(tls, host, (*others, *tls.without_certificate, *tls.undecrypted))
    return Coverage(host, other or "", covered=termination.is_default and other is None)


def _covering(tls: TlsTable, host: str, patterns: Iterable[str]) -> str | None:
    deep = tls.deep_over(host)
    return next((pattern for pattern in patterns if covers(pattern, host) or pattern in deep), None)


def _host_match(traffic: Traffic, host: str, *, tls: bool) -> HostMatch:
    """The virtual host: by name, by an alias with a wildcard, by a wildcard of rules, by an alias's beginning.

    Of several aliases the longest counts. The beginning of an alias has no host that ends like a wildcard of rules or
    of TLS entries.
    """
    hosts = traffic.hosts_of(tls=tls)
    if host in hosts and host != NO_HOST and not (is_wildcard(host) or is_beginning(host)):
        return HostMatch(host, Choice.PRECISE, hosts[host])
    if (by_wildcard := _by_wildcard(hosts, host)) is not None:
        return HostMatch(host, Choice.WILDCARD, by_wildcard)
    longer = tuple(wildcard for wildcard in wildcards_of(host) if wildcard in hosts)
    if not longer and frozenset(traffic.tls.named).isdisjoint(wildcards_of(host)):
        for name in beginnings_of(host):
            if name in hosts:
                return HostMatch(host, Choice.WILDCARD, hosts[name])
    if NO_HOST in hosts:
        return HostMatch(host, Choice.DEFAULT, hosts[NO_HOST], longer)
    return HostMatch(host, Choice.NONE, None, longer)


def _by_wildcard(hosts: Mapping[str, VirtualHost], host: str) -> VirtualHost | None:
    alias = next((each for each in map(hosts.get, wildcards_of(host)) if each and each.is_alias), None)
    wildcard = wildcard_of(host)
    return alias or (hosts.get(wildcard) if wildcard else None) or _beyond(hosts, host)


def _beyond(hosts: Mapping[str, VirtualHost], host: str) -> VirtualHost | None:
    """The answers of the longest wildcard that stands for several labels of a host."""
    found = (hosts.get(wildcard) for wildcard in wildcards_of(host))
    return next((each.beyond for each in found if each and each.beyond), None)


def _path_match(virtual_host: VirtualHost, path: str, request: Request) -> PathMatch:
    taken = False
    compared: list[ComparedRoute] = []
    for route in virtual_host.routes:
        comparison = _comparison(route, path)
        if comparison is Comparison.TAKEN and not all(_holds(each, request) for each in route.conditions):
            comparison = Comparison.CONDITION
        if comparison is Comparison.TAKEN:
            comparison = Comparison.BEHIND if taken else Comparison.TAKEN
            taken = True
        compared.append(ComparedRoute(route, comparison))
    return PathMatch(path, tuple(compared))


def _comparison(route: Route, path: str) -> Comparison:
    if _matches(route, path):
        return Comparison.TAKEN
    if _matches(route, path, ignore_case=True):
        return Comparison.CASE
    written = route.path.rstrip("/")
    if route.path_type in (PathType.REGEX, PathType.WHOLE_REGEX):
        return Comparison.DIFFERS
    if route.path_type is PathType.PREFIX:
        return Comparison.ELEMENT if path.startswith(written) else Comparison.DIFFERS
    if path.rstrip("/") == written:
        return Comparison.SLASH
    return Comparison.BELOW if path.startswith(f"{written}/") else Comparison.DIFFERS


def _holds(condition: Condition, request: Request) -> bool:
    match condition:
        case CookieCondition(name, value) | SessionCondition(name, value):
            return request.cookie(name) == value
        case MethodCondition(method):
            return request.method == method
        case GrpcMethodCondition(method):
            return request.path.endswith(f"/{method}")
        case HeaderCondition(name, value, comparison):
            return _is_value(request.header(name), value, comparison)
        case QueryCondition(name, value, comparison):
            return _is_value(request.parameter(name), value, comparison)


def _is_value(found: str | None, value: str, comparison: ValueComparison) -> bool:
    if found is None or comparison is ValueComparison.EQUAL:
        return found == value
    pattern = found_anywhere(value) if comparison is ValueComparison.FOUND else value
    return compiled(pattern).fullmatch(found) is not None


def _matches(route: Route, path: str, *, ignore_case: bool = False) -> bool:
    if route.path_type is PathType.REGEX:
        return matches(route.path, path)
    if route.path_type is PathType.WHOLE_REGEX:
        return not ignore_case and compiled(route.path).fullmatch(path) is not None
    written = route.path.lower() if ignore_case else route.path
    path = path.lower() if ignore_case else path
    if route.path_type is PathType.EXACT:
        return path == written
    prefix = written.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")
