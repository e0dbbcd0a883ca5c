"""Explains a port of TCP or UDP in words: the listener and the entry that asks for the port, or why there is none."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from xds.address import HostPort
from xds.explain.connection import Connection, ConnectionExplanation, ListenerRejection
from xds.explain.explanation import ExplainStep
from xds.explain.layer4_endpoints import UsedBackend, counted, endpoints_step
from xds.explain.layer4_facts import PortFacts, of_claim, problems_by_field
from xds.problems.problem import ObjectRef
from xds.problems.text import shown
from xds.resources import names
from xds.traffic.layer4 import PortListener, Transport
from xds.translate.layer4.claims import ClaimState
from xds.translate.layer4.options import config_map_flag

_NAMED_PROXIES: Final = 5
"""Proxies named in an outcome, at most. `xds proxies` has all."""


def explain_port(
    facts: PortFacts, rejections: Sequence[ListenerRejection] = (), proxies: int = 0
) -> ConnectionExplanation:
    """Goes through all endpoints, and may run in any thread.

    Args:
        facts: The facts about the port.
        rejections: By connected proxies, of the port's listener.
        proxies: Number of connected proxies.
    """
    listener = facts.listener
    if listener is None:
        return _without_listener(facts)
    is_udp = listener.key.transport is Transport.UDP
    endpoints = [counted(each) for each in facts.used]
    healthy = sum(each.healthy for each in endpoints)
    target = f"Service {listener.route.service}"
    if any(each.any_healthy for each in endpoints):
        connection = Connection.FORWARDED
        number = "the addresses in DNS" if any(each.is_dns for each in endpoints) else _counted(healthy, "endpoint")
        outcome = f"{'datagrams go' if is_udp else 'connections go'} to {number} of {target}"
    else:
        connection = Connection.CLOSED
        why = f"{target} has no ready endpoint" if facts.used else f"{target} or its port can't be used"
        outcome = f"{'datagrams are dropped' if is_udp else 'connections are closed at once'}: {why}"
    rejected = rejection_words(str(listener.key), rejections, proxies)
    if rejected and len(rejections) == proxies:
        connection, outcome = Connection.REFUSED, f"{'datagrams are lost' if is_udp else 'refused'}: {rejected}"
    elif rejected:
        outcome = f"{outcome}; {rejected}"
    steps = (_listener(facts, listener), *_claims(facts), *treatment(listener), *_targets(facts, listener))
    cluster = facts.used[0].backend.key if connection is Connection.FORWARDED else None
    return ConnectionExplanation(connection, outcome, cluster, steps, facts.problems, facts.resources)


def _without_listener(facts: PortFacts) -> ConnectionExplanation:
    if name := _http_listener(facts):
        return _terminated(facts, name)
    lost = "datagrams are lost" if facts.port.transport is Transport.UDP else "refused"
    steps = (ExplainStep("listener", f"none of the name {facts.port}: {_why_none(facts)}"), *_claims(facts))
    outcome = f"{lost}: nothing listens on {facts.port}"
    return ConnectionExplanation(Connection.REFUSED, outcome, None, steps, facts.problems, facts.resources)


def _terminated(facts: PortFacts, name: str) -> ConnectionExplanation:
    options, is_https = facts.options, name == names.HTTPS
    address = HostPort(options.listener_address, options.https_port if is_https else options.http_port)
    steps = (ExplainStep("listener", f"{name} on {address}, the port {facts.port.number} of clients"), *_claims(facts))
    outcome = (
        f"the listener {name} has the port; ask about {'tls://HOST or https://HOST/' if is_https else 'http://HOST/'}"
    )
    return ConnectionExplanation(Connection.TERMINATED, outcome, None, steps, facts.problems, ())


def _http_listener(facts: PortFacts) -> str:
    """The listener of HTTP that has the port, as proxies or as clients know the port; empty: none has."""
    number, options = facts.port.number, facts.options
    if facts.port.transport is Transport.UDP:
        return ""
    bound = {options.http_port: names.HTTP, options.https_port: names.HTTPS}
    public = {options.public_http_port: names.HTTP, options.public_https_port: names.HTTPS}
    return bound.get(number) or public.get(number, "")


def _why_none(facts: PortFacts) -> str:
    port, flags = facts.port, facts.flags
    if port in flags.reserved:
        return "the port is reserved, for listeners of HTTP or by --reserved-ports"
    if facts.claims:
        return "no entry for the port can be served"
    config_map = flags.config_maps.get(port.transport)
    if config_map is None:
        texts = [f"the server has no {config_map_flag(port.transport)}"]
    elif facts.missing:
        texts = [f"ConfigMap {config_map} of {config_map_flag(port.transport)} doesn't exist or can't be read"]
    else:
        texts = [f"no key of ConfigMap {config_map} names the port"]
    namespaces = [each.namespace for each in flags.exposed if port in each]
    if namespaces:
        texts.append(f"no Service of namespace {' or '.join(namespaces)} has xds-ingress.dev/expose for it")
    else:
        texts.append("no --expose-ports lets Services claim it")
    return ", and ".join(texts)


def rejection_words(name: str, rejections: Sequence[ListenerRejection], proxies: int) -> str:
    """The proxies that don't listen on a port, and why; empty if each does."""
    if not rejections:
        return ""
    named = ", ".join(each.proxy for each in rejections[:_NAMED_PROXIES])
    more = f" and {len(rejections) - _NAMED_PROXIES} more" if len(rejections) > _NAMED_PROXIES else ""
    said = _reason_of(name, rejections[0].message)
    binds = all(each.is_bind_failure for each in rejections) and said.startswith("cannot bind")
    return (
        f"{len(rejections)} of {proxies} proxies ({named}{more}) {said if binds else f'rejected the listener: {said}'}"
    )


def _reason_of(name: str, message: str) -> str:
    """The part of a proxy's message that is about one listener. Envoy writes a line for each listener, `NAME: why`."""
    for line in message.splitlines():
        _, found, why = line.partition(f"{name}: ")
        if found:
            return shown(why)[1:-1]
    return shown(message)[1:-1]


def _listener(facts: PortFacts, listener: PortListener) -> ExplainStep:
    address = HostPort(facts.options.listener_address, listener.key.number)
    return ExplainStep("listener", f"{listener.key} on {address}", (listener.route.origin.object,))


def _claims(facts: PortFacts) -> Iterator[ExplainStep]:
    """A step for each entry that names the port."""
    problems = problems_by_field(facts.problems)
    for claim in facts.claims:
        text = f"{claim.field}: {shown(claim.text)}"
        match claim.state:
            case ClaimState.LOST:
                text += f" loses the port to {claim.winner}" if claim.winner else " loses the port to another entry"
            case ClaimState.INVALID:
                messages = (each.message for each in of_claim(claim, problems))
                why = "; ".join(each.removeprefix(f"{shown(claim.text)}: ") for each in messages)
                text += f" is left out{': ' if why else ''}{why}"
            case ClaimState.SERVED:
                text += " counts"
        yield ExplainStep("source", text, (claim.source,))


def treatment(listener: PortListener) -> Iterator[ExplainStep]:
    """The treatment of connections or sessions, a step each."""
    policy, is_udp = listener.route.policy, listener.key.transport is Transport.UDP
    if listener.decodes_proxy:
        text = (
            "each connection has to begin with a header, version 1 or 2, whose client counts: whoever reaches the port "
            "may claim any address. Without a header, a connection is closed after 15 s"
        )
        yield ExplainStep("PROXY protocol in", text)
    if is_udp:
        yield ExplainStep("idle timeout", f"a session ends {duration(policy.idle_timeout)} after its last datagram")
    else:
        text = f"a connection is closed {duration(policy.idle_timeout)} after its last byte"
        yield ExplainStep("idle timeout", text)
        if policy.keeps_client:
            yield ExplainStep("affinity", "all connections of a client's address go to one endpoint")


def _targets(facts: PortFacts, listener: PortListener) -> Iterator[ExplainStep]:
    """The steps `shares`, `cluster` and `endpoints`."""
    shares = listener.route.shares
    if len(shares) > 1:
        total = sum(each.weight for each in shares)
        named = ", ".join(f"{each.backend or 'an unusable backend'} gets {each.weight}" for each in shares)
        yield ExplainStep("shares", f"of {total} connections, {named}")
    for each in facts.used:
        yield cluster_step(each)
        yield endpoints_step(each)


def cluster_step(used: UsedBackend) -> ExplainStep:
    backend = used.backend
    parts = [f"{backend.key}, by {'UDP' if backend.key.is_udp else 'TCP'}"]
    if header := backend.upstream.proxy_header:
        parts.append(f"with a PROXY protocol header {header}, sent at connect")
    name = f" {shown(backend.port_name)}" if backend.port_name else ""
    target = f", port {backend.target_port} at the endpoints" if backend.target_port else ""
    parts.append(f"port {backend.key.port}{name} of the Service{target}")
    return ExplainStep("cluster", ", ".join(parts), (ObjectRef("Service", *backend.key.service_key),))


def duration(value: timedelta) -> str:
    """A time in words, in the largest unit that keeps it whole."""
    seconds = value.total_seconds()
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds > 60 and seconds % 60 == 0 else f"{seconds:g} s"


def _counted(number: int, name: str) -> str:
    return f"the only {name}" if number == 1 else f"one of {number} {name}s"
