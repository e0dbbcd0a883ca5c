"""Explains the end of a connection: from the question to the facts, and from the facts to the explanation."""

from collections.abc import Sequence
from typing import TypeAlias

from xds.explain.bound_connection import BoundConnectionFacts, bound_connection_facts, explain_bound_connection
from xds.explain.connection import ConnectionExplanation, ListenerRejection
from xds.explain.facts import StateReader
from xds.explain.layer4_facts import PortFacts, port_facts
from xds.explain.layer4_ports import explain_port
from xds.explain.layer4_question import Layer4Question, PortQuestion
from xds.explain.layer4_tls import TlsFacts, explain_tls, port_of, tls_facts

ConnectionFacts: TypeAlias = PortFacts | TlsFacts | BoundConnectionFacts


def connection_facts(reader: StateReader, asked: Layer4Question) -> ConnectionFacts:
    """The facts about a connection. Must run on the loop that changes the state."""
    if bound := bound_connection_facts(reader, asked):
        return bound
    if isinstance(asked, PortQuestion):
        return port_facts(reader, asked.port)
    port = port_of(reader, asked)
    return port_facts(reader, port) if port else tls_facts(reader, asked)


def explain_connection(
    facts: ConnectionFacts, rejections: Sequence[ListenerRejection] = (), proxies: int = 0
) -> ConnectionExplanation:
    """Goes through all endpoints, and may run in any thread.

    Args:
        facts: The facts.
        rejections: By connected proxies, of the port's listener.
        proxies: Number of connected proxies.
    """
    if isinstance(facts, BoundConnectionFacts):
        return explain_bound_connection(facts)
    return explain_port(facts, rejections, proxies) if isinstance(facts, PortFacts) else explain_tls(facts)
