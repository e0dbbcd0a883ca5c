"""From the backend of an Ingress, or of an entry of layer 4, to the port of a Service."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from xds.kube.objects import IngressServiceBackend, Service, ServiceBackendPort, ServicePort
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, UpstreamPolicy
from xds.translate.endpoints import canonical_address
from xds.translate.names import InvalidError
from xds.translate.outside import outside_name
from xds.translate.own.service import sends_outside_name, service_settings

_PROTOCOLS: Final = {
    "h2c": BackendProtocol.H2C,
    "kubernetes.io/h2c": BackendProtocol.H2C,
    "grpc": BackendProtocol.H2C,
    "grpcs": BackendProtocol.GRPCS,
    "http": BackendProtocol.HTTP1,
    "https": BackendProtocol.HTTPS,
    "ws": BackendProtocol.HTTP1,
    "kubernetes.io/ws": BackendProtocol.HTTP1,
    "wss": BackendProtocol.WSS,
    "kubernetes.io/wss": BackendProtocol.WSS,
}
"""By `appProtocol` in lower case: Kubernetes tells service names apart by RFC 6335, which ignores case. Source:
https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
"""

_REPLACEMENTS: Final = {
    "h2": "grpcs for HTTP/2 over TLS",
    "http2": "kubernetes.io/h2c for HTTP/2 in plain text, or grpcs for HTTP/2 over TLS",
    "kubernetes.io/grpc": "grpc",
    "ssl": "https",
    "tls": "https",
}
"""The known values for values of other products, by value in lower case. `http2` has no single meaning: plain text for
Istio, TLS for Google's load balancers.
"""


@dataclass(frozen=True, slots=True)
class BackendFault:
    """The reason, message and remedy of the problem with a backend."""

    reason: Reason
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A backend, and the problem of a value that is not taken as written.

    Attributes:
        backend: None for a backend that can't be used; `fault` then tells why.
        fault: None: the backend is used as written.
        of_service: The problems of the Service's own annotations.
    """

    backend: Backend | None
    fault: BackendFault | None = None
    of_service: tuple[BackendFault, ...] = ()


def resolve(
    state: KubeState,
    namespace: str,
    wanted: IngressServiceBackend,
    upstream: UpstreamPolicy = DEFAULT_UPSTREAM,
    *,
    allow_external_name: bool,
    effect: str,
) -> Resolved:
    """The Service port that an Ingress of the namespace names, by number or by name, for a use of the port.

    Args:
        state: The objects that exist.
        namespace: Of the Service.
        wanted: As written.
        upstream: The use of the port.
        allow_external_name: Whether Services of type ExternalName can be used.
        effect: The consequence if the port can't be used, in words.
    """
    key = Key(namespace, wanted.name)
    service = state.service(key)
    if service is None:
        return _unusable(
            Reason.BACKEND_NOT_FOUND,
            f"Service {shown(str(key))} doesn't exist, so {effect}",
            Reason.BACKEND_NOT_FOUND.remedy,
        )
    if service.spec.type == "ExternalName":
        return _external(service, wanted, upstream, effect, allowed=allow_external_name)
    port = _port(service.spec.ports or (), wanted, _transport(upstream))
    return _usable(service, port, port.name, upstream) if port else _no_port(service, wanted, upstream, effect)


def protocol_of_port(service: Service, number: int) -> BackendProtocol:
    """The protocol that a TCP port names, or HTTP/1.1."""
    port = _port(service.spec.ports or (), IngressServiceBackend("", ServiceBackendPort(number=number)), "TCP")
    return _named_protocol(port) or BackendProtocol.HTTP1 if port else BackendProtocol.HTTP1


def _named_protocol(port: ServicePort) -> BackendProtocol | None:
    return _PROTOCOLS.get((port.app_protocol or "http").lower())


def _transport(upstream: UpstreamPolicy) -> str:
    """The protocol of the Service's port."""
    return "UDP" if upstream.protocol is BackendProtocol.UDP else "TCP"


def _no_port(service: Service, wanted: IngressServiceBackend, upstream: UpstreamPolicy, effect: str) -> Resolved:
    transport = _transport(upstream)
    other = "TCP" if transport == "UDP" else "UDP"
    beside = f", but one of {other}" if _port(service.spec.ports or (), wanted, other) else ""
    return _unusable(
        Reason.BACKEND_PORT_NOT_FOUND,
        f"Service {service.key} has no {transport} port {shown(str(wanted.port))}{beside}, so {effect}",
        f"Use one of its ports ({_port_list(service, transport)}), or add the port to the Service.",
    )


def _usable(
    service: Service, port: ServicePort, port_name: str, upstream: UpstreamPolicy, external_name: str = ""
) -> Resolved:
    protocol = _named_protocol(port)
    fault = _unknown_protocol(service, port) if protocol is None and upstream.protocol is None else None
    protocol = protocol or BackendProtocol.HTTP1
    transport = _transport(upstream)
    others = (each.name for each in service.spec.ports or () if each.protocol == transport and each.name != port.name)
    cluster_ip = ""
    if upstream is not DEFAULT_UPSTREAM:
        cluster_ip = _cluster_ip(service) if upstream.uses_cluster_ip else ""
        upstream = _with_effect(upstream, protocol, has_cluster_ip=bool(cluster_ip))
    spoken = upstream.protocol or protocol
    if upstream.tls and spoken.is_http and not spoken.uses_tls:
        if upstream.tls.is_verified:
            return _unverified(service, port)
        upstream = replace(upstream, tls=None)
    faults: list[BackendFault] = []

    def report(reason: Reason, message: str, remedy: str) -> None:
        faults.append(BackendFault(reason, message, remedy))

    settings = service_settings(service.annotations, report)
    backend = Backend(
        BackendKey(*service.key, port.port, upstream.variant, is_udp=transport == "UDP"),
        port_name,
        spoken,
        other_names=tuple(others),
        target_port=port.target_number,
        external_name=external_name,
        host=external_name if spoken.is_http and sends_outside_name(service.annotations) else "",
        upstream=upstream,
        cluster_ip=cluster_ip,
        settings=settings if spoken.is_http else replace(settings, health_check=None, max_requests=None),
    )
    return Resolved(backend, fault, tuple(faults))


def _unverified(service: Service, port: ServicePort) -> Resolved:
    return _unusable(
        Reason.PROTECTION_UNAVAILABLE,
        f"port {port.port} of Service {service.key} is spoken to without TLS, so that no certificate can be verified; "
        "its paths answer 503",
        "Have TLS spoken, by backend-protocol HTTPS or GRPCS, or remove proxy-ssl-verify or tls-verify.",
    )


def _with_effect(policy: UpstreamPolicy, of_port: BackendProtocol, *, has_cluster_ip: bool) -> UpstreamPolicy:
    """The policy without words that change nothing, so that routes share the cluster of the port."""
    said = policy.protocol == of_port and policy.sends_sni
    return replace(
        policy, protocol=None if said else policy.protocol, uses_cluster_ip=policy.uses_cluster_ip and has_cluster_ip
    )


def _cluster_ip(service: Service) -> str:
    """The address of a Service; empty for a headless one, and for an ExternalName."""
    return "" if service.spec.type == "ExternalName" else canonical_address(service.spec.cluster_ip or "")


def _unusable(reason: Reason, message: str, remedy: str) -> Resolved:
    return Resolved(None, BackendFault(reason, message, remedy))


def _unknown_protocol(service: Service, port: ServicePort) -> BackendFault:
    written = port.app_protocol or ""
    message = f"appProtocol {shown(written)} of port {port.port} of Service {service.key} isn't known"
    instead = _REPLACEMENTS.get(written.lower())
    remedy = f"Write {instead}." if instead else Reason.APP_PROTOCOL_UNKNOWN.remedy
    return BackendFault(Reason.APP_PROTOCOL_UNKNOWN, f"{message}; plain HTTP/1.1 is spoken", remedy)


def _port(ports: Iterable[ServicePort], wanted: IngressServiceBackend, transport: str) -> ServicePort | None:
    for port in ports:
        named = wanted.port.name and port.name == wanted.port.name
        numbered = not wanted.port.name and port.port == wanted.port.number
        if port.protocol == transport and 0 < port.port <= 65535 and (named or numbered):
            return port
    return None


def _port_list(service: Service, transport: str) -> str:
    ports = [f"{port.port} {port.name}".strip() for port in service.spec.ports or () if port.protocol == transport]
    return shown(", ".join(ports)) if ports else f"it has no {transport} port"


def _external(
    service: Service, wanted: IngressServiceBackend, upstream: UpstreamPolicy, effect: str, *, allowed: bool
) -> Resolved:
    if not allowed:
        return _unusable(
            Reason.EXTERNAL_NAME_REFUSED,
            f"Service {service.key} is an ExternalName, which could point anywhere, so {effect}",
            Reason.EXTERNAL_NAME_REFUSED.remedy,
        )
    port = _external_port(service, wanted, _transport(upstream))
    try:
        name = outside_name(service.spec.external_name or "")
    except InvalidError as error:
        return _invalid_external(service, str(error), effect)
    if port is None:
        return _invalid_external(service, f"it has no port {shown(str(wanted.port))}", effect)
    return _usable(service, port, "", upstream, name)


def _external_port(service: Service, wanted: IngressServiceBackend, transport: str) -> ServicePort | None:
    """The port of an ExternalName. A Service of that type may have no ports; a number is then used as it is."""
    if service.spec.ports or wanted.port.name:
        return _port(service.spec.ports or (), wanted, transport)
    return ServicePort(port=wanted.port.number, protocol=transport) if 0 < wanted.port.number <= 65535 else None


def _invalid_external(service: Service, why: str, effect: str) -> Resolved:
    return _unusable(
        Reason.EXTERNAL_NAME_REFUSED,
        f"Service {service.key} can't be used as an ExternalName: {why}, so {effect}",
        "Correct spec.externalName and spec.ports of the Service.",
    )
