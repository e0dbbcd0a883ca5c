"""Matches a request against a bound listener: the answer and its reasons, the reference for real Envoys.

The matcher reads the model as the Gateway API's specification does, and knows nothing of Envoy's configuration.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xds.explain.answer import (
    CLOSED,
    MISDIRECTED,
    NOT_FOUND,
    PASSED,
    Answer,
    ChainMatch,
    Choice,
    Coverage,
    HostMatch,
    Step,
)
from xds.explain.edge import EdgeOptions
from xds.explain.matcher import rejected, route_answer, taken_route
from xds.explain.request import Request, host_of, normalized
from xds.traffic.bound import BoundListener, Chain
from xds.traffic.hosts import wildcards_of
from xds.traffic.layer4 import Transport
from xds.traffic.model import TrafficModel
from xds.traffic.routes import VirtualHost

ANY_HOST = "*"


@dataclass(frozen=True, slots=True)
class BoundExcerpt:
    """The part of the traffic model that a request to a bound listener can meet, frozen at one moment.

    Attributes:
        hosts: The domains of the table of the request's connection that cover the host.
        others: Other listeners that answer requests for the host at the port.
    """

    listener: BoundListener
    hosts: Mapping[str, VirtualHost]
    others: tuple[BoundListener, ...] = ()


def bound_excerpt(
    model: TrafficModel, listener: BoundListener, request: Request, others: tuple[BoundListener, ...] = ()
) -> BoundExcerpt:
    """The part of the traffic model that `bound_answer` reads."""
    chain = chain_of_name(listener, _sni(request))[1]
    hosts = model.tables.get(chain.table, {}) if chain and chain.table else {}
    domains = (*_domains(host_of(request.authority)), ANY_HOST)
    return BoundExcerpt(listener, {name: hosts[name] for name in domains if name in hosts}, others)


def listeners_of(model: TrafficModel, request: Request) -> Iterator[BoundListener]:
    """The bound listeners at the port of a request that have a domain for its host; the closest domain first."""
    found: list[tuple[int, str, BoundListener]] = []
    for listener in model.bound.values():
        if listener.public_port == request.public_port and listener.reads_sni == request.https:
            excerpt = bound_excerpt(model, listener, request)
            if excerpt.hosts:
                found.append((-max(map(len, excerpt.hosts)), str(listener.key), listener))
    yield from (each for _, _, each in sorted(found, key=lambda each: each[:2]))


def listener_at(model: TrafficModel, address: str, request: Request) -> BoundListener | None:
    """The bound listener of TCP at an address and the port of a request, as clients see it."""
    at = (each for each in model.bound.values() if each.key.address == address and each.key.transport is Transport.TCP)
    return next((each for each in at if each.public_port == request.public_port), None)


def bound_answer(excerpt: BoundExcerpt, request: Request, edge: EdgeOptions) -> Answer:
    """The answer that a proxy should give, with its steps."""
    steps: list[Step] = []
    found = _walk(excerpt, request, edge, steps)
    return Answer(found.status, found.route, tuple(steps))


def _walk(excerpt: BoundExcerpt, request: Request, edge: EdgeOptions, steps: list[Step]) -> Answer:
    listener = excerpt.listener
    pattern, chain = chain_of_name(listener, _sni(request))
    if listener.reads_sni or request.https or chain is None or chain.table is None:
        is_wrong = listener.reads_sni != request.https
        steps.append(ChainMatch(_sni(request), pattern, None if is_wrong else chain, listener.reads_sni))
        if is_wrong or chain is None or not (chain.table or chain.route):
            return CLOSED
        if chain.table is None:
            return PASSED
    if refused := rejected(request, edge, steps):
        return refused
    host = host_of(request.authority)
    if listener.reads_sni:
        covering, other = chain_of_name(listener, host)
        covered = other is None or other.table == chain.table
        steps.append(Coverage(host, covering, covered=covered))
        if not covered:
            return MISDIRECTED
    match = _host_match(excerpt, host)
    steps.append(match)
    if match.virtual_host is None:
        return NOT_FOUND
    path = normalized(request.path, merge_slashes=edge.merge_slashes)
    route = taken_route(match.virtual_host, path, request, steps) or match.virtual_host.default
    return route_answer(route, request, steps)


def _host_match(excerpt: BoundExcerpt, host: str) -> HostMatch:
    """The virtual host: by name, then by the longest wildcard, which stands for any number of labels.

    A server name has a domain of its own, also where no route is for the name.
    """
    for name in _domains(host):
        if name in excerpt.hosts:
            choice = Choice.PRECISE if name == host else Choice.WILDCARD
            return HostMatch(host, choice, excerpt.hosts[name])
        if excerpt.listener.reads_sni and name in excerpt.listener.server_names:
            return HostMatch(host, Choice.NONE)
    found = excerpt.hosts.get(ANY_HOST)
    return HostMatch(host, Choice.DEFAULT if found else Choice.NONE, found)


def chain_of_name(listener: BoundListener, name: str) -> tuple[str, Chain | None]:
    """The server name that covers a name, and its chain; empty for the chain of all other names."""
    chains = listener.server_names
    found = next((each for each in (*(_domains(name) if name else ()), "") if each in chains), "")
    return found, chains.get(found)


def _domains(host: str) -> Iterator[str]:
    """The domains that cover a host, the longest first."""
    yield host
    yield from wildcards_of(host)


def _sni(request: Request) -> str:
    return request.sni.lower().removesuffix(".")
