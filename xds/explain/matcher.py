"""What the traffic model answers to a request, and why: the reference that the real Envoy is held against.

It reads the model as the Ingress specification does and knows nothing of how Envoy is told. Answer and reasons come
from one walk: what `xds explain` says is what the tests hold Envoy to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from xds.explain.request import Request, malformed, normalized, without_port
from xds.traffic.hosts import NO_HOST, covers, wildcard_of
from xds.traffic.model import Traffic
from xds.traffic.routes import PathType, Route, VirtualHost
from xds.traffic.tls import Termination, TlsTable


@dataclass(frozen=True, slots=True)
class Excerpt:
    """As much of the traffic as a request can meet, as it is at one moment."""

    hosts: Mapping[str, VirtualHost]
    default: Route | None
    tls: TlsTable


@dataclass(frozen=True, slots=True)
class Edge:
    """What the operator chose that decides over answers, as in `ProxyOptions`."""

    redirect_https: bool = False
    trusted_hops: int = 0


class Choice(Enum):
    """How a certificate or a virtual host was chosen."""

    PRECISE = auto()
    WILDCARD = auto()
    DEFAULT = auto()
    """The default certificate; the rules without host."""
    REFUSED = auto()
    """A TLS entry names it, and has no usable certificate."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Handshake:
    """The certificate that a connection gets by its SNI; none: it is closed. `pattern` is the TLS host that decided."""

    sni: str
    choice: Choice
    pattern: str = ""
    termination: Termination | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """What no proxy takes for a request: 400, or 404."""

    why: str


class Redirection(Enum):
    """Whether a plain request is sent to HTTPS."""

    REDIRECTED = auto()
    OFF = auto()
    NOT_COVERED = auto()
    REFUSED = auto()
    CAME_BY_HTTPS = auto()
    """A trusted proxy in front says so."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """`pattern` is the TLS host that covers the host, or that has no certificate for it."""

    outcome: Redirection
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether the connection's certificate stands for the host: if not, 421. `pattern` is the TLS host that covers it,
    the certificate's or another's; empty if none does.
    """

    host: str
    pattern: str
    covered: bool


@dataclass(frozen=True, slots=True)
class HostMatch:
    """The virtual host. `passed_over` are wildcards that end like the host but stand for fewer labels than it has."""

    host: str
    choice: Choice
    virtual_host: VirtualHost | None = None
    passed_over: tuple[str, ...] = ()


class Comparison(Enum):
    """A route's path against the request's."""

    TAKEN = auto()
    """It matches, and is the first that does."""
    BEHIND = auto()
    """It matches too, behind another."""
    DIFFERS = auto()
    CASE = auto()
    """It would match but for the case of letters."""
    ELEMENT = auto()
    """A Prefix that ends within an element of the request's path."""
    SLASH = auto()
    """An Exact that differs by the slash at the end."""
    BELOW = auto()
    """An Exact, and the request's path lies below it."""


@dataclass(frozen=True, slots=True)
class Trial:
    route: Route
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class PathMatch:
    """All routes of the virtual host in the order in which they are tried, against the path that is compared."""

    path: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Fallback:
    """What answers where no path did: the host's own default backend (`of_host`), that of all, or nothing."""

    route: Route | None
    of_host: bool = False


Step: TypeAlias = Handshake | Malformed | Redirect | Coverage | HostMatch | PathMatch | Fallback


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request: it goes to `route` if that has a backend, or gets `status`; 0: it is not answered.

    `steps` are how it came to that, in order.
    """

    status: int
    route: Route | None = None
    steps: tuple[Step, ...] = field(default=(), compare=False)


CLOSED = Answer(0)
MALFORMED = Answer(400)
NOT_FOUND = Answer(404)
MISDIRECTED = Answer(421)
REDIRECTED = Answer(308)


def answer(traffic: Traffic, request: Request, edge: Edge = Edge()) -> Answer:
    """What a proxy should answer, and why."""
    steps: list[Step] = []
    found = _walk(traffic, request, edge, steps)
    return Answer(found.status, found.route, tuple(steps))


def excerpt(traffic: Traffic, request: Request) -> Excerpt:
    """What `answer` would look at, which stays as it is while the traffic goes on. Equal if nothing of it changed."""
    host = without_port(request.authority).lower()
    wanted = (host, wildcard_of(host), NO_HOST, *_shorter_wildcards(host))
    return Excerpt(
        {name: traffic.hosts[name] for name in wanted if name in traffic.hosts}, traffic.default, traffic.tls
    )


def _walk(traffic: Traffic, request: Request, edge: Edge, steps: list[Step]) -> Answer:
    termination = None
    if request.https:
        termination = _handshake(traffic.tls, request.sni.lower(), steps)
        if termination is None:
            return CLOSED
    if why := malformed(request):
        steps.append(Malformed(why))
        return MALFORMED
    proto = request.forwarded_proto if edge.trusted_hops else None
    if proto == "":  # Envoy 1.40 looks at no route then
        steps.append(Malformed("x-forwarded-proto of a trusted proxy is empty"))
        return NOT_FOUND
    host = without_port(request.authority).lower()
    if termination is None and _redirect(traffic.tls, host, edge, proto, steps):
        return REDIRECTED
    if termination is not None and not _covers(traffic.tls, termination, host, steps):
        return MISDIRECTED
    virtual_host = _virtual_host(traffic.hosts, host, steps)
    route = _route(virtual_host, normalized(request.path), steps) if virtual_host else None
    return _answer(route or _fallback(traffic, virtual_host, steps))


def _answer(route: Route | None) -> Answer:
    if route is None:
        return NOT_FOUND
    return Answer(200, route) if route.backend else Answer(503, route)


def _handshake(tls: TlsTable, sni: str, steps: list[Step]) -> Termination | None:
    """The certificate that a connection gets: by its SNI, then by the wildcard of it, then the default one."""
    found = _chosen(tls, sni)
    steps.append(found)
    return found.termination


def _chosen(tls: TlsTable, sni: str) -> Handshake:
    for pattern, choice in ((sni, Choice.PRECISE), (wildcard_of(sni), Choice.WILDCARD)):
        if pattern in tls.without_certificate:
            return Handshake(sni, Choice.REFUSED, pattern)
        for termination in tls.terminations:
            if pattern in termination.hosts:
                return Handshake(sni, choice, pattern, termination)
    default = next((termination for termination in tls.terminations if termination.is_default), None)
    return Handshake(sni, Choice.DEFAULT if default else Choice.NONE, "", default)


def _redirect(tls: TlsTable, host: str, edge: Edge, proto: str | None, steps: list[Step]) -> bool:
    found = _redirection(tls, host, edge, proto)
    steps.append(found)
    return found.outcome is Redirection.REDIRECTED


def _redirection(tls: TlsTable, host: str, edge: Edge, proto: str | None) -> Redirect:
    """A host is redirected if a TLS entry that covers it has a certificate, and its own entry, if it has one, does."""
    if not edge.redirect_https:
        return Redirect(Redirection.OFF)
    if host in tls.without_certificate:
        return Redirect(Redirection.REFUSED, host)
    pattern = _covering(host, (pattern for termination in tls.terminations for pattern in termination.hosts))
    if pattern is None:
        return Redirect(Redirection.NOT_COVERED)
    came_by_https = proto is not None and proto != "http"
    return Redirect(Redirection.CAME_BY_HTTPS if came_by_https else Redirection.REDIRECTED, pattern)


def _covers(tls: TlsTable, termination: Termination, host: str, steps: list[Step]) -> bool:
    """Whether a host may be asked for on such a connection. The default one serves what no other entry covers."""
    pattern = _covering(host, termination.hosts)
    if pattern is not None:
        steps.append(Coverage(host, pattern, covered=True))
        return True
    others = (pattern for other in tls.terminations for pattern in other.hosts)
    other = _covering(host, (*others, *tls.without_certificate))
    covered = termination.is_default and other is None
    steps.append(Coverage(host, other or "", covered=covered))
    return covered


def _covering(host: str, patterns: Iterable[str]) -> str | None:
    return next((pattern for pattern in patterns if covers(pattern, host)), None)


def _virtual_host(hosts: Mapping[str, VirtualHost], host: str, steps: list[Step]) -> VirtualHost | None:
    passed_over = tuple(wildcard for wildcard in _shorter_wildcards(host) if wildcard in hosts)
    for name, choice in ((host, Choice.PRECISE), (wildcard_of(host), Choice.WILDCARD), (NO_HOST, Choice.DEFAULT)):
        if name in hosts and (name != NO_HOST or choice is Choice.DEFAULT):
            skipped = passed_over if choice is Choice.DEFAULT else ()
            steps.append(HostMatch(host, choice, hosts[name], skipped))
            return hosts[name]
    steps.append(HostMatch(host, Choice.NONE, None, passed_over))
    return None


def _shorter_wildcards(host: str) -> Iterator[str]:
    """Wildcards that stand for one label and end like the host, which has more labels in that place."""
    rest = host.partition(".")[2]
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"


def _route(virtual_host: VirtualHost, path: str, steps: list[Step]) -> Route | None:
    taken: Route | None = None
    trials: list[Trial] = []
    for route in virtual_host.routes:
        comparison = _compared(route, path)
        if comparison is Comparison.TAKEN and taken is not None:
            comparison = Comparison.BEHIND
        elif comparison is Comparison.TAKEN:
            taken = route
        trials.append(Trial(route, comparison))
    steps.append(PathMatch(path, tuple(trials)))
    return taken


def _fallback(traffic: Traffic, virtual_host: VirtualHost | None, steps: list[Step]) -> Route | None:
    own = virtual_host.default if virtual_host else None
    steps.append(Fallback(own or traffic.default, of_host=own is not None))
    return own or traffic.default


def _compared(route: Route, path: str) -> Comparison:
    if _matches(route, path):
        return Comparison.TAKEN
    if _matches(route, path, ignore_case=True):
        return Comparison.CASE
    written = route.path.rstrip("/")
    if route.path_type is PathType.PREFIX:
        return Comparison.ELEMENT if path.startswith(written) else Comparison.DIFFERS
    if path.rstrip("/") == written:
        return Comparison.SLASH
    return Comparison.BELOW if path.startswith(f"{written}/") else Comparison.DIFFERS


def _matches(route: Route, path: str, *, ignore_case: bool = False) -> bool:
    written = route.path.lower() if ignore_case else route.path
    path = path.lower() if ignore_case else path
    if route.path_type is PathType.EXACT:
        return path == written
    prefix = written.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")
