"""From the claim that has a port to the listener of the port."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from xds.kube.objects import IngressServiceBackend, ServiceBackendPort
from xds.kube.state import KubeState
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend
from xds.traffic.layer4 import Layer4Policy, Layer4Route, PortKey, PortListener, Share, Transport
from xds.traffic.routes import Origin
from xds.traffic.upstream import BackendProtocol, Balancing, UpstreamPolicy
from xds.translate.backends import BackendFault, resolve
from xds.translate.layer4.claims import Claim, Fault
from xds.translate.layer4.entries import port_number
from xds.translate.layer4.options import StreamDefaults
from xds.translate.own.service import idle_timeout

_PROTOCOLS: Final = {Transport.TCP: BackendProtocol.TCP, Transport.UDP: BackendProtocol.UDP}
_ANNOTATIONS: Final = FieldPath.of("metadata", "annotations")


@dataclass(frozen=True, slots=True)
class PortOutcome:
    """The listener of the claim that has a port, or the reason why the port is closed.

    Attributes:
        listener: None: the port is closed.
        backend: Of the listener; None: the port is closed.
        fault: The reason for a closed port; None: the port has a listener, or the entry's own faults have the reason.
        problems: Of the Service's annotations.
    """

    listener: PortListener | None = None
    backend: Backend | None = None
    fault: Fault | None = None
    problems: tuple[Problem, ...] = ()


def port_outcome(
    state: KubeState, port: PortKey, claim: Claim, defaults: StreamDefaults, *, allow_external_name: bool
) -> PortOutcome:
    """The listener of a claim, or the fault of its Service."""
    entry = claim.entry
    if entry.service is None:
        return PortOutcome()
    service = state.service(entry.service)
    keeps_client = service is not None and service.spec.session_affinity == "ClientIP"
    is_hashed = keeps_client or port.transport is Transport.UDP
    upstream = UpstreamPolicy(
        _PROTOCOLS[port.transport],
        balancing=Balancing.HASH if is_hashed else Balancing.ROUND_ROBIN,
        proxy_header=entry.proxy_header,
    )
    number = port_number(entry.service_port)
    wanted = ServiceBackendPort(number=number) if number else ServiceBackendPort(name=entry.service_port)
    resolved = resolve(
        state,
        entry.service.namespace,
        IngressServiceBackend(entry.service.name, wanted),
        upstream,
        allow_external_name=allow_external_name,
        effect=f"port {port} is closed",
    )
    if resolved.backend is None or service is None:
        return PortOutcome(fault=_fault(resolved.fault) if resolved.fault else None)
    problems: list[Problem] = []
    report = partial(add_annotation_problem, problems, service.ref)
    for each in resolved.of_service:
        report(each.reason, each.message, each.remedy)
    idle = idle_timeout(service.annotations, port.transport, report) or defaults.idle_timeout(port.transport)
    policy = Layer4Policy(idle, keeps_client, defaults.connect_attempts)
    shares = (Share(resolved.backend.key),)
    route = Layer4Route(shares, policy, Origin(claim.source, claim.field), entry.service)
    return PortOutcome(PortListener(port, route, entry.decodes_proxy), resolved.backend, None, tuple(problems))


def _fault(of: BackendFault) -> Fault:
    is_missing = of.reason is Reason.BACKEND_NOT_FOUND
    return Fault(of.reason, of.message, "Create the Service, or correct the entry." if is_missing else of.remedy)


def add_annotation_problem(
    problems: list[Problem], service: ObjectRef, reason: Reason, message: str, remedy: str
) -> None:
    """Add a problem of a Service's annotations to a list."""
    problems.append(Problem(service, reason, message, remedy, _ANNOTATIONS))
