"""Explains the end of a TLS connection by its SNI: decrypted here, passed through, or closed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.address import HostPort
from xds.explain.answer import Handshake
from xds.explain.connection import Connection, ConnectionExplanation
from xds.explain.explanation import ExplainStep
from xds.explain.facts import StateReader
from xds.explain.handshake import handshake_step
from xds.explain.layer4_endpoints import UsedBackend, counted, endpoints_step
from xds.explain.layer4_facts import used_backends
from xds.explain.layer4_ports import cluster_step
from xds.explain.layer4_question import TlsQuestion
from xds.explain.matcher import handshake
from xds.kube.objects import Ingress
from xds.problems.problem import ObjectRef, Problem
from xds.problems.text import shown
from xds.resources import names
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.hosts import wildcard_of
from xds.traffic.layer4 import PortKey, Transport
from xds.traffic.tls import Sources, TlsTable
from xds.translate.certificates import Verdict
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX

_ANNOTATIONS_IN_EFFECT: Final = frozenset(
    {
        "ssl-passthrough",
        "tls-passthrough-proxy-protocol",
        "server-alias",
        "whitelist-source-range",
        "allowlist-source-range",
        "denylist-source-range",
    }
)
"""Annotations that have an effect on connections that are passed through, without their prefix."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """The material of an explanation, read from the live state at one moment.

    Attributes:
        asked: The question.
        chosen: The choice by SNI.
        owner: The Ingress that decided; None if none did, or if it is unknown.
        verdicts: On the Secrets of the chosen termination.
        used: The Service that TLS is passed through to; None if there is none.
        sources: The clients that may connect; None: all.
        tls: The TLS table.
        options: Settings of the listeners.
        problems: Of the Ingresses that name the host, of Secrets, of the Service and of its EndpointSlices.
        resources: In the order of make before break.
    """

    asked: TlsQuestion
    chosen: Handshake
    owner: Ingress | None
    verdicts: tuple[Verdict | None, ...]
    used: UsedBackend | None
    sources: Sources | None
    tls: TlsTable
    options: ProxyOptions
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]

    @property
    def listener_name(self) -> str:
        return names.HTTPS


def port_of(reader: StateReader, asked: TlsQuestion) -> PortKey | None:
    """The port of TCP that the question names; None if the question is about the port of HTTPS."""
    if asked.port is None or asked.port in (reader.options.https_port, reader.options.public_https_port):
        return None
    return PortKey(Transport.TCP, asked.port)


def tls_facts(reader: StateReader, asked: TlsQuestion) -> TlsFacts:
    """The facts about a connection. Must run on the loop that changes the state."""
    traffic, tls = reader.traffic, reader.traffic.tls
    chosen = handshake(tls, asked.sni, asked.client)
    owner = tls.owners.get(chosen.pattern)
    used = next(used_backends(reader, [chosen.passthrough.backend]), None) if chosen.passthrough else None
    secrets = chosen.termination.secrets if chosen.termination else ()
    return TlsFacts(
        asked,
        chosen,
        reader.state.ingress(owner) if owner else None,
        tuple(traffic.verdict(each) for each in secrets),
        used,
        tls.sources.get(chosen.pattern),
        tls,
        reader.options,
        tuple(_problems(reader, asked.sni, chosen, used)),
        tuple(_resources(reader, chosen)),
    )


def explain_tls(facts: TlsFacts) -> ConnectionExplanation:
    """Goes through all endpoints, and may run in any thread."""
    chosen, owner = facts.chosen, (facts.owner.ref,) if facts.owner else ()
    exists = any(each.type is ResourceType.LISTENER for each in facts.resources)
    address = HostPort(facts.options.listener_address, facts.options.https_port)
    steps = [ExplainStep("listener", f"https on {address}")]
    if not exists:
        why = "nothing listens, as no TLS host has a usable certificate or is passed through"
        steps[0] = ExplainStep("listener", f"https on {address}: {why}")
        return _explained(facts, Connection.REFUSED, f"refused: {why}", steps)
    steps.append(handshake_step(chosen, owner, facts.verdicts, facts.tls.closed))
    if chosen.termination:
        url = f"https://{facts.asked.sni}/" if facts.asked.sni else "https://HOST/"
        outcome = f"TLS ends at the proxy, which answers requests; see {url}"
        return _explained(facts, Connection.TERMINATED, outcome, steps)
    if chosen.passthrough is None:
        return _explained(facts, Connection.CLOSED, "closed after the ClientHello", steps)
    steps += _passed(facts)
    if chosen.is_denied:
        outcome = f"closed after the ClientHello: the address lists keep {facts.asked.client} out"
        return _explained(facts, Connection.CLOSED, outcome, steps)
    return _forwarded(facts, steps)


def _forwarded(facts: TlsFacts, steps: list[ExplainStep]) -> ConnectionExplanation:
    passed = facts.chosen.passthrough
    service = f"Service {passed.backend.service_key}" if passed else "the Service"
    if facts.used is None or not (counts := counted(facts.used)).any_healthy:
        return _explained(facts, Connection.CLOSED, f"closed: {service} has no ready endpoint", steps)
    target = "the addresses in DNS" if counts.is_dns else f"one of {counts.healthy} endpoints"
    target = "the only endpoint" if counts.healthy == 1 else target
    outcome = f"TLS is passed through undecrypted to {target} of {service}"
    return _explained(facts, Connection.FORWARDED, outcome, steps)


def _explained(
    facts: TlsFacts, connection: Connection, outcome: str, steps: list[ExplainStep]
) -> ConnectionExplanation:
    key = facts.used.backend.key if facts.used and connection is Connection.FORWARDED else None
    return ConnectionExplanation(connection, outcome, key, tuple(steps), facts.problems, facts.resources)


def _passed(facts: TlsFacts) -> Iterator[ExplainStep]:
    if facts.sources:
        yield ExplainStep("access", _access(facts.sources))
    if facts.owner and (names_ := sorted(_not_enforced(facts.owner))):
        text = f"on this port, nothing of HTTP holds: {', '.join(names_)} only for plain HTTP"
        yield ExplainStep("annotations", text, (facts.owner.ref,))
    if facts.used:
        yield cluster_step(facts.used)
        yield endpoints_step(facts.used)


def _access(sources: Sources) -> str:
    texts = [f"only clients of {', '.join(sources.allowed)} may connect"] if sources.allowed is not None else []
    texts += [f"clients of {', '.join(sources.denied)} may not connect"] if sources.denied else []
    return "; ".join(texts)


def _not_enforced(ingress: Ingress) -> Iterator[str]:
    """The annotations that don't count for connections that are passed through, as written."""
    for name in ingress.annotations:
        for prefix in (PREFIX, OWN_PREFIX):
            if name.startswith(prefix) and name.removeprefix(prefix) not in _ANNOTATIONS_IN_EFFECT:
                yield shown(name.removeprefix(PREFIX))[1:-1]


def _problems(reader: StateReader, sni: str, chosen: Handshake, used: UsedBackend | None) -> Iterator[Problem]:
    """The problems of Secrets, Service and slices, and of TLS and annotations of the Ingresses that name the host."""
    named = [each for host in (sni, wildcard_of(sni)) if host for each in reader.state.ingresses_of_host(host)]
    ingresses = {each.ref for each in named}
    if owner := reader.traffic.tls.owners.get(chosen.pattern):
        ingresses.add(ObjectRef("Ingress", *owner))
    about = {ObjectRef("Secret", *each) for each in (chosen.termination.secrets if chosen.termination else ())}
    if used:
        about |= {ObjectRef("Service", *used.backend.key.service_key), *(each.ref for each in used.slices)}
    for problem in reader.problems.of(ingresses | about):
        if problem.object in about or problem.field.parts[:2] in (("spec", "tls"), ("metadata", "annotations")):
            yield problem


def _resources(reader: StateReader, chosen: Handshake) -> Iterator[Resource]:
    wanted: list[tuple[ResourceType, str]] = []
    if chosen.passthrough:
        name = names.cluster(chosen.passthrough.backend)
        wanted += [(ResourceType.CLUSTER, name), (ResourceType.ENDPOINTS, name)]
    if chosen.termination:
        wanted += [(ResourceType.SECRET, names.secret(each)) for each in chosen.termination.secrets]
    wanted.append((ResourceType.LISTENER, names.HTTPS))
    yield from filter(None, (reader.store.get(type_, name) for type_, name in wanted))
