"""The steps of a request to a bound listener in words."""

from xds.explain.answer import ChainMatch, Choice, HostMatch
from xds.explain.explanation import ExplainStep
from xds.explain.facts import RequestFacts
from xds.problems.problem import ObjectRef
from xds.problems.text import shown
from xds.traffic.bound import BoundListener


def listener_step(listener: BoundListener, others: tuple[BoundListener, ...]) -> ExplainStep:
    """The step `listener`, with the other addresses at which clients find the host."""
    scheme = "TLS" if listener.reads_sni else "http"
    text = f"{scheme} on {listener.key.socket} of {listener.origin.object}"
    if listener.public_port != listener.key.port:
        text += f", port {listener.public_port} for clients"
    if others:
        also = ", ".join(each.key.address for each in others)
        text += f"; the host is served at {also} too, see --address"
    return ExplainStep("listener", text, (listener.origin.object,))


def chain_step(step: ChainMatch) -> ExplainStep:
    """The step of the choice by server name: `certificate`, or `passthrough`."""
    sni = f"SNI {shown(step.sni)}" if step.sni else "no SNI"
    chain = step.chain
    if chain is None:
        why = "no listener is for the name" if step.reads_sni else "the listener is one of plain HTTP"
        why = why if step.sni or not step.reads_sni else "the listener is one of TLS, and wants a server name"
        return ExplainStep("certificate", f"{sni}: {why}, so the connection is closed")
    by = f"listener hostname {shown(step.pattern)}" if step.pattern else "the listener without hostname"
    secrets = tuple(ObjectRef("Secret", *each) for each in chain.tls.secrets) if chain.tls else ()
    if chain.route:
        origin, service = chain.route.origin.object, ObjectRef("Service", *chain.route.service)
        how = "TLS ends here, and bytes are passed on" if chain.tls else "bytes are passed on, never decrypted"
        return ExplainStep("passthrough", f"{sni}: {by}; {how}, to Service {service.key}", (origin, service, *secrets))
    if chain.tls is None or chain.table is None:
        return ExplainStep("certificate", f"{sni}: {by} has no usable certificate, so the connection is closed")
    text = f"{sni}: {by} has the certificate of {' and the one of '.join(map(str, secrets))}"
    if clients := chain.tls.clients:
        asked = "must show one" if clients.required else "may show one, or none"
        text += f"; clients {asked} that {clients.authorities} signed"
    return ExplainStep("certificate", text, secrets)


def host_step(step: HostMatch, facts: RequestFacts) -> ExplainStep:
    """The step `virtual host`: the hostname of listener and routes that covers the host."""
    host, found = shown(step.host), step.virtual_host
    objects = tuple(sorted({route.origin.object for route in found.routes})) if found else ()
    match step.choice:
        case Choice.PRECISE if found:
            return ExplainStep("virtual host", f"routes of the listener are for {host}", objects)
        case Choice.WILDCARD if found:
            text = f"{host} is covered by {shown(found.host)}, for which routes of the listener are"
            return ExplainStep("virtual host", text, objects)
        case Choice.DEFAULT if found:
            return ExplainStep("virtual host", f"routes of the listener are for any host, so for {host}", objects)
    at = facts.listener.key.socket if facts.listener else "the listener"
    return ExplainStep("virtual host", f"no route at {at} is for {host}")
