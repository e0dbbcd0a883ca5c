"""Explains the end of a connection, or of datagrams, at a bound listener."""

from collections.abc import Iterator
from dataclasses import dataclass

from xds.explain.answer import ChainMatch
from xds.explain.bound import chain_of_name
from xds.explain.bound_words import chain_step, listener_step
from xds.explain.connection import Connection, ConnectionExplanation
from xds.explain.explanation import ExplainStep
from xds.explain.facts import StateReader
from xds.explain.layer4_endpoints import UsedBackend, counted, endpoints_step
from xds.explain.layer4_facts import used_backends
from xds.explain.layer4_ports import cluster_step
from xds.explain.layer4_question import Layer4Question, PortQuestion
from xds.problems.problem import ObjectRef, Problem
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.bound import BoundListener
from xds.traffic.layer4 import Layer4Route, Transport


@dataclass(frozen=True, slots=True)
class BoundConnectionFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        chosen: The chain of the connection.
        used: The backends in use that the connection may go to.
        problems: Of the Gateway, of the route and of its Services.
        resources: In the order of make before break.
    """

    listener: BoundListener
    chosen: ChainMatch
    used: tuple[UsedBackend, ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]

    @property
    def listener_name(self) -> str:
        return str(self.listener.key)

    @property
    def route(self) -> Layer4Route | None:
        return self.chosen.chain.route if self.chosen.chain else None


def bound_connection_facts(reader: StateReader, asked: Layer4Question) -> BoundConnectionFacts | None:
    """The facts about a connection to a bound listener; None if no such listener is asked about.

    Must run on the loop that changes the state.
    """
    listener = _listener(reader, asked)
    if listener is None:
        return None
    sni = "" if isinstance(asked, PortQuestion) else asked.sni
    pattern, chain = chain_of_name(listener, sni)
    chosen = ChainMatch(sni, pattern, chain, listener.reads_sni)
    route = chain.route if chain else None
    used = tuple(used_backends(reader, route.backends)) if route else ()
    about = {listener.origin.object} | ({route.origin.object} if route else set())
    about |= {ObjectRef("Service", *each.backend.key.service_key) for each in used}
    clusters = [names.cluster(each.backend.key) for each in used]
    wanted = [(type_, name) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) for name in clusters]
    wanted.append((ResourceType.LISTENER, str(listener.key)))
    resources = tuple(filter(None, (reader.store.get(type_, name) for type_, name in wanted)))
    return BoundConnectionFacts(listener, chosen, used, tuple(reader.problems.of(about)), resources)


def _listener(reader: StateReader, asked: Layer4Question) -> BoundListener | None:
    """The listener at the address and port; for a port without an address, the first one that has the port."""
    if isinstance(asked, PortQuestion):
        transport, port = asked.port
        ports = reader.traffic.layer4
        if not asked.address and (asked.port in ports.current or ports.claims_for(asked.port)):
            return None
    elif asked.address:
        transport, port = Transport.TCP, asked.port or 443
    else:
        return None
    for key, listener in sorted(reader.traffic.bound.items()):
        at = (key.transport, listener.public_port)
        if at == (transport, port) and asked.address in ("", key.address):
            return listener
    return None


def explain_bound_connection(facts: BoundConnectionFacts) -> ConnectionExplanation:
    """Goes through all endpoints, and may run in any thread."""
    steps = [listener_step(facts.listener, ())]
    if facts.listener.reads_sni:
        steps.append(chain_step(facts.chosen))
    chain, route = facts.chosen.chain, facts.route
    if chain is not None and chain.table is not None:
        scheme = "https" if chain.tls else "http"
        outcome = f"the proxy speaks HTTP here; see {scheme}://HOST --address {facts.listener.key.address}"
        return _explained(facts, Connection.TERMINATED, outcome, steps)
    if route is None:
        return _explained(facts, Connection.CLOSED, "closed: no route is for the connection", steps)
    steps += _shares(facts, route)
    alive = [each for each in facts.used if counted(each).any_healthy]
    if not alive:
        return _explained(facts, Connection.CLOSED, f"closed: Service {route.service} has no ready endpoint", steps)
    outcome = f"to an endpoint of Service {alive[0].backend.key.service_key}"
    if len(route.shares) > 1:
        outcome += f", or of {len(route.shares) - 1} more by weight"
    return _explained(facts, Connection.FORWARDED, outcome, steps)


def _shares(facts: BoundConnectionFacts, route: Layer4Route) -> Iterator[ExplainStep]:
    yield ExplainStep("route", f"{route.origin.object} passes the bytes on", (route.origin.object,))
    if len(route.shares) > 1:
        total = sum(each.weight for each in route.shares)
        named = ", ".join(f"{each.backend or 'no backend'} gets {each.weight}" for each in route.shares)
        yield ExplainStep("shares", f"of {total} connections, {named}")
    for each in facts.used:
        yield cluster_step(each)
        yield endpoints_step(each)


def _explained(
    facts: BoundConnectionFacts, connection: Connection, outcome: str, steps: list[ExplainStep]
) -> ConnectionExplanation:
    alive = (each.backend.key for each in facts.used if counted(each).any_healthy)
    cluster = next(alive, None) if connection is Connection.FORWARDED else None
    return ConnectionExplanation(connection, outcome, cluster, tuple(steps), facts.problems, facts.resources)
