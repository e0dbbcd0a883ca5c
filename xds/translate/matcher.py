"""What the traffic model answers to a request: the reference that the real Envoy is held against.

It reads the model as the Ingress specification does and knows nothing of how Envoy is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from xds.kube.references import NO_HOST
from xds.translate.model import PathType, Route, Termination, VirtualHost, covers, wildcard_of
from xds.translate.names import canonical
from xds.translate.tls import TlsTable


class Traffic(Protocol):
    """What there is to match against: a `Translator` is one."""

    @property
    def hosts(self) -> Mapping[str, VirtualHost]: ...
    @property
    def default(self) -> Route | None: ...
    @property
    def tls(self) -> TlsTable: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrives: `authority` may carry a port, `path` a query. `sni` counts only with `https`."""

    authority: str
    path: str
    https: bool = False
    sni: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a request: it goes to `route` if that has a backend, or gets `status`; 0: it is not answered."""

    status: int
    route: Route | None = None


CLOSED = Answer(0)
NOT_FOUND = Answer(404)
MISDIRECTED = Answer(421)
REDIRECTED = Answer(308)


def answer(traffic: Traffic, request: Request, *, redirect_https: bool = False) -> Answer:
    """What a proxy should answer. `redirect_https` is the operator's choice of that name."""
    host = _without_port(request.authority).lower()
    if redirect_https and not request.https and _has_https(traffic.tls, host):
        return REDIRECTED
    if request.https:
        termination = _termination(traffic.tls, request.sni.lower())
        if termination is None:
            return CLOSED
        if not _serves(traffic.tls, termination, host):
            return MISDIRECTED
    virtual_host = traffic.hosts.get(host) or traffic.hosts.get(wildcard_of(host)) or traffic.hosts.get(NO_HOST)
    route = _route(virtual_host, normalized(request.path)) if virtual_host else None
    return _answer(route or traffic.default)


def _answer(route: Route | None) -> Answer:
    if route is None:
        return NOT_FOUND
    return Answer(200, route) if route.backend else Answer(503, route)


def _without_port(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() else authority


def _termination(tls: TlsTable, sni: str) -> Termination | None:
    """The certificate that a connection gets: by its SNI, then by the wildcard of it, then the default one."""
    for wanted in (sni, wildcard_of(sni)):
        if wanted in tls.refused:
            return None
        for termination in tls.terminations:
            if wanted in termination.hosts:
                return termination
    return next((termination for termination in tls.terminations if termination.is_default), None)


def _serves(tls: TlsTable, termination: Termination, host: str) -> bool:
    """Whether a host may be asked for on such a connection. The default one serves what no other entry covers."""
    if _covered(termination, host):
        return True
    others = (pattern for other in tls.terminations for pattern in other.hosts)
    return termination.is_default and not any(covers(pattern, host) for pattern in (*others, *tls.refused))


def _has_https(tls: TlsTable, host: str) -> bool:
    """Whether a TLS entry that covers the host has a certificate, and its own entry, if it has one, does too."""
    return host not in tls.refused and any(_covered(termination, host) for termination in tls.terminations)


def _covered(termination: Termination, host: str) -> bool:
    return any(covers(pattern, host) for pattern in termination.hosts)


def _route(virtual_host: VirtualHost, path: str) -> Route | None:
    return next((route for route in virtual_host.routes if _matches(route, path)), virtual_host.default)


def _matches(route: Route, path: str) -> bool:
    if route.path_type is PathType.EXACT:
        return path == route.path
    prefix = route.path.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def normalized(path: str) -> str:
    """The path that is compared: without query, dot segments resolved, and then slashes merged, in Envoy's order.

    Source: https://www.envoyproxy.io/docs/envoy/latest/operations/faq/normalize_path
    """
    segments: list[str] = []
    parts = path.partition("?")[0].partition("#")[0].replace("\\", "/").split("/")[1:]
    for index, part in enumerate(parts):
        dots = _dots(part)
        if dots == "..":
            segments = segments[:-1]
        if not dots:
            segments.append(canonical(part))
        elif index == len(parts) - 1:
            segments.append("")
    merged = [part for part in segments[:-1] if part] + segments[-1:]
    return "/" + "/".join(merged)


def _dots(segment: str) -> str:
    """`.` or `..` if the segment is one, escaped or with parameters (Envoy 1.40 takes `..;x` for `..`); else empty."""
    plain = segment.lower().replace("%2e", ".")
    literal = segment.partition(";")[0]
    return next((dots for dots in (".", "..") if dots in (plain, literal)), "")
