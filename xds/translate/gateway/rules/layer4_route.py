"""From a TLSRoute, TCPRoute or UDPRoute to a route of the traffic model.

Source: https://gateway-api.sigs.k8s.io/api-types/tlsroute/
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.kube.gateway_objects import BackendRef, TCPRoute, TLSRoute, UDPRoute
from xds.kube.objects import IngressServiceBackend, Service, ServiceBackendPort
from xds.problems.field_path import FieldPath
from xds.traffic.backends import Backend
from xds.traffic.layer4 import Layer4Policy, Layer4Route, Share, Transport
from xds.traffic.routes import Origin
from xds.traffic.upstream import BackendProtocol, Balancing, UpstreamPolicy
from xds.translate.backends import resolve
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.rules.backend_refs import MAX_WEIGHT, permitted_service, refused_backend
from xds.translate.gateway.rules.findings import RouteFindings
from xds.translate.gateway.rules.rules import named_service
from xds.translate.gateway.tls_policy.backend_tls import backend_tls
from xds.translate.gateway.translated import Refusal, TranslatedRoute
from xds.translate.layer4.options import STREAM_DEFAULTS
from xds.translate.own.service import idle_timeout

_RULES: Final = FieldPath.of("spec", "rules")

_EFFECTS: Final = {
    Transport.TCP: "connections for the backend are closed",
    Transport.UDP: "datagrams for the backend are dropped",
}


def translate_layer4_route(
    context: GatewayContext,
    route: TLSRoute | TCPRoute | UDPRoute,
    use: ParentUse = NO_USE,
    *,
    terminates_tls: bool = False,
) -> TranslatedRoute:
    """The route of the first rule; the API allows exactly one.

    Args:
        context: The objects and options.
        route: The route.
        use: The facts of the Gateway.
        terminates_tls: Whether a listener terminates TLS in front of a TLSRoute. BackendTLSPolicies count only there:
            other bytes reach the backend as the client sent them.
    """
    rules = route.spec.rules or ()
    if not rules:
        message = f"{_RULES} is empty, so that no backend gets the connections. Add a rule with backendRefs."
        return TranslatedRoute(refused=Refusal("UnsupportedValue", message, _RULES))
    findings = RouteFindings(context, route, use)
    at, refs = _RULES.child(0), rules[0].backend_refs or ()
    transport = Transport.UDP if isinstance(route, UDPRoute) else Transport.TCP
    shares, services = _shares(findings, refs, at.child("backendRefs"), transport, terminates_tls=terminates_tls)
    policy = Layer4Policy(
        _idle_timeout(services, transport),
        any(map(_keeps_client, services)),
        STREAM_DEFAULTS.connect_attempts,
    )
    forward = Layer4Route(shares, policy, Origin(route.ref, at), named_service(route.key.namespace, refs))
    return TranslatedRoute(
        forward=forward,
        backends=findings.backends,
        partially=_left_out(len(rules)),
        unresolved=findings.unresolved,
        broken=tuple(findings.broken),
        references=frozenset(findings.references),
    )


def _left_out(rules: int) -> Refusal | None:
    if rules == 1:
        return None
    message = f"Dropped Rule 1: only the first of {rules} rules is served. Write a route for each rule."
    return Refusal("UnsupportedValue", message, _RULES.child(1))


def _shares(
    findings: RouteFindings, refs: Sequence[BackendRef], at: FieldPath, transport: Transport, *, terminates_tls: bool
) -> tuple[tuple[Share, ...], list[Service]]:
    """The shares of all references, and the Services that can be used. A backend of weight 0 gets nothing."""
    shares: list[Share] = []
    services: list[Service] = []
    for index, ref in enumerate(refs):
        found = _backend(findings, ref, at.child(index), transport, terminates_tls=terminates_tls)
        if isinstance(found, Refusal):
            findings.unresolve(found)
        weight = min(max(ref.weight, 0), MAX_WEIGHT)
        if not weight:
            continue
        if isinstance(found, Refusal):
            shares.append(Share(None, weight))
        else:
            service, backend = found
            findings.backends[backend.key] = backend
            services.append(service)
            shares.append(Share(backend.key, weight))
    return tuple(shares) or (Share(None),), services


def _backend(
    findings: RouteFindings, ref: BackendRef, at: FieldPath, transport: Transport, *, terminates_tls: bool
) -> tuple[Service, Backend] | Refusal:
    context, effect = findings.context, _EFFECTS[transport]
    key = permitted_service(findings, ref, at, effect)
    if isinstance(key, Refusal):
        return key
    service = context.state.service(key)
    is_udp = transport is Transport.UDP
    is_hashed = is_udp or (service is not None and _keeps_client(service))
    upstream = UpstreamPolicy(
        BackendProtocol.UDP if is_udp else BackendProtocol.TCP,
        balancing=Balancing.HASH if is_hashed else Balancing.ROUND_ROBIN,
    )
    if terminates_tls and service and ref.port:
        choice = backend_tls(context, service, ref.port, findings.use)
        findings.references |= choice.references
        if choice.refused:
            return choice.refused
        upstream = replace(upstream, tls=choice.tls)
    wanted = IngressServiceBackend(key.name, ServiceBackendPort(number=ref.port or 0))
    allowed = context.allow_external_name
    found = resolve(context.state, key.namespace, wanted, upstream, allow_external_name=allowed, effect=effect)
    if found.backend is None or service is None:
        return refused_backend(found.fault, at, effect)
    return service, found.backend


def _keeps_client(service: Service) -> bool:
    return service.spec.session_affinity == "ClientIP"


def _idle_timeout(services: Sequence[Service], transport: Transport) -> timedelta:
    """The longest idle timeout that a Service asks for, or the usual idle timeout."""
    asked = (idle_timeout(each.annotations, transport, _unreported) for each in services)
    return max(filter(None, asked), default=STREAM_DEFAULTS.idle_timeout(transport))


def _unreported(*_: object) -> None:
    """Annotations of Services have their problems reported where ports are exposed."""
