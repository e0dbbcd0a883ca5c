"""From the backend of an Ingress to the port of a Service."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.kube.objects import IngressServiceBackend, Service, ServicePort
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend, BackendKey, BackendProtocol
from xds.traffic.hosts import is_wildcard
from xds.translate.names import InvalidError, valid_host

_PROTOCOLS: Final = {
    "h2c": BackendProtocol.H2C,
    "kubernetes.io/h2c": BackendProtocol.H2C,
    "grpc": BackendProtocol.H2C,
    "https": BackendProtocol.HTTPS,
    "kubernetes.io/wss": BackendProtocol.HTTPS,
}
"""By `appProtocol`; any other value means HTTP/1.1. Source:
https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
"""

_INTERNAL_NAMES: Final = (
    "localhost",
    "localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
)
"""Names that must not be reachable through a proxy, including their subdomains. Source:
https://github.com/projectcontour/contour/security/advisories/GHSA-5ph6-qq5x-7jwc
"""

_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""Names that a resolver may read as IPv4 addresses: 127.1 or 0x7f000001. Source:
https://url.spec.whatwg.org/#ends-in-a-number-checker
"""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The reason, message and remedy of the problem with a backend that can't be used."""

    reason: Reason
    message: str
    remedy: str


def resolve(
    state: KubeState, namespace: str, wanted: IngressServiceBackend, *, allow_external_name: bool
) -> Backend | Unresolved:
    """The Service port that an Ingress of the namespace names, by number or by name."""
    key = Key(namespace, wanted.name)
    service = state.service(key)
    if service is None:
        return Unresolved(
            Reason.BACKEND_NOT_FOUND,
            f"Service {shown(str(key))} doesn't exist, so its paths answer 503",
            Reason.BACKEND_NOT_FOUND.remedy,
        )
    if service.spec.type == "ExternalName":
        return _external(service, wanted, allowed=allow_external_name)
    port = _port(service.spec.ports or (), wanted)
    if port is None:
        return Unresolved(
            Reason.BACKEND_PORT_NOT_FOUND,
            f"Service {key} has no TCP port {shown(str(wanted.port))}, so its paths answer 503",
            f"Use one of its ports ({_port_list(service)}), or add the port to the Service.",
        )
    return Backend(BackendKey(namespace, key.name, port.port), port.name, _protocol(port))


def _port(ports: Iterable[ServicePort], wanted: IngressServiceBackend) -> ServicePort | None:
    for port in ports:
        named = wanted.port.name and port.name == wanted.port.name
        numbered = not wanted.port.name and port.port == wanted.port.number
        if port.protocol == "TCP" and 0 < port.port <= 65535 and (named or numbered):
            return port
    return None


def _port_list(service: Service) -> str:
    ports = [f"{port.port} {port.name}".strip() for port in service.spec.ports or () if port.protocol == "TCP"]
    return shown(", ".join(ports)) if ports else "it has none"


def _external(service: Service, wanted: IngressServiceBackend, *, allowed: bool) -> Backend | Unresolved:
    if not allowed:
        return Unresolved(
            Reason.EXTERNAL_NAME_REFUSED,
            f"Service {service.key} is an ExternalName, which could point anywhere, so its paths answer 503",
            Reason.EXTERNAL_NAME_REFUSED.remedy,
        )
    port = _external_port(service, wanted)
    try:
        name = valid_host((service.spec.external_name or "").removesuffix("."))
    except InvalidError as error:
        return _invalid_external(service, str(error))
    if is_wildcard(name) or _is_internal(name) or _NUMERIC.fullmatch(name):
        return _invalid_external(service, f"{shown(name)} is not the name of an outside host")
    if port is None:
        return _invalid_external(service, f"it has no port {shown(str(wanted.port))}")
    return Backend(BackendKey(*service.key, port.port), "", _protocol(port), external_name=name)


def _external_port(service: Service, wanted: IngressServiceBackend) -> ServicePort | None:
    """The port of an ExternalName. A Service of that type may have no ports; a number is then used as it is."""
    if service.spec.ports or wanted.port.name:
        return _port(service.spec.ports or (), wanted)
    return ServicePort(port=wanted.port.number) if 0 < wanted.port.number <= 65535 else None


def _protocol(port: ServicePort) -> BackendProtocol:
    return _PROTOCOLS.get((port.app_protocol or "").lower(), BackendProtocol.HTTP1)


def _invalid_external(service: Service, why: str) -> Unresolved:
    return Unresolved(
        Reason.EXTERNAL_NAME_REFUSED,
        f"Service {service.key} can't be used as an ExternalName: {why}, so its paths answer 503",
        "Correct spec.externalName and spec.ports of the Service.",
    )


def _is_internal(name: str) -> bool:
    return any(name == internal or name.endswith(f".{internal}") for internal in _INTERNAL_NAMES)
