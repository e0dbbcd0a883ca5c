"""From the backendRefs of a route to backends: by kind, by ReferenceGrant, by Service and port, by BackendTLSPolicy.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#backendref
"""

from dataclasses import replace
from typing import Final

from xds.kube.gateway_objects import BackendRef, namespace_of
from xds.kube.objects import IngressServiceBackend, Service, ServiceBackendPort
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, UpstreamPolicy
from xds.translate.backends import BackendFault, protocol_of_port, resolve
from xds.translate.gateway.rules.findings import RouteFindings
from xds.translate.gateway.tls_policy.backend_tls import backend_tls
from xds.translate.gateway.translated import Refusal, grants

MAX_WEIGHT: Final = 1_000_000
"""Source: https://gateway-api.sigs.k8s.io/reference/spec/#backendref"""

_NOT_FOUND: Final = str(Reason.BACKEND_NOT_FOUND)
"""The Gateway API has the same word."""

_REASONS: Final = {
    Reason.BACKEND_NOT_FOUND: _NOT_FOUND,
    Reason.BACKEND_PORT_NOT_FOUND: _NOT_FOUND,
    Reason.APP_PROTOCOL_UNKNOWN: "UnsupportedProtocol",
    Reason.EXTERNAL_NAME_REFUSED: "UnsupportedValue",
}
"""The reasons of the condition ResolvedRefs."""

_EFFECT: Final = "its share of the requests gets an error"
_REMEDIES: Final = {
    Reason.BACKEND_NOT_FOUND: "Create the Service, or correct the name in the route.",
    Reason.EXTERNAL_NAME_REFUSED: "Use a Service with endpoints, or start the server with --allow-external-name.",
}
"""The remedies where those for an Ingress don't fit."""


def resolve_backend(
    findings: RouteFindings, ref: BackendRef, at: FieldPath, *, spoken: BackendProtocol | None = None
) -> Backend | None:
    """The backend of a reference, for the caller to use; None, with a finding, if the reference can't be followed.

    Args:
        findings: Takes the objects that decide, and the reference if it can't be followed.
        ref: As written.
        at: Of the reference.
        spoken: The protocol of a port without appProtocol; None: HTTP/1.1.
    """
    found = _resolved(findings, ref, at, spoken)
    if isinstance(found, Refusal):
        findings.unresolve(found)
        return None
    return found


def _resolved(
    findings: RouteFindings, ref: BackendRef, at: FieldPath, spoken: BackendProtocol | None
) -> Backend | Refusal:
    key = permitted_service(findings, ref, at, _EFFECT)
    if isinstance(key, Refusal):
        return key
    context = findings.context
    service = context.state.service(key)
    upstream = DEFAULT_UPSTREAM
    if service and ref.port:
        choice = backend_tls(context, service, ref.port, findings.use)
        findings.references |= choice.references
        if choice.refused:
            return choice.refused
        upstream = _upstream(service, ref.port, spoken)
        if choice.tls:
            plain = upstream.protocol or protocol_of_port(service, ref.port)
            upstream = replace(upstream, tls=choice.tls, protocol=choice.protocol(plain))
    wanted = IngressServiceBackend(ref.name, ServiceBackendPort(number=ref.port or 0))
    allowed = context.allow_external_name
    found = resolve(context.state, key.namespace, wanted, upstream, allow_external_name=allowed, effect=_EFFECT)
    if found.backend is None or found.fault:
        return refused_backend(found.fault, at, _EFFECT)
    return found.backend


def permitted_service(findings: RouteFindings, ref: BackendRef, at: FieldPath, effect: str) -> Key | Refusal:
    """The Service that a reference names, whether or not it exists, if the reference is permitted.

    Args:
        findings: Takes the objects that decide.
        ref: As written.
        at: Of the reference.
        effect: The consequence if the reference can't be followed, in words.
    """
    if (ref.group, ref.kind) != ("", "Service"):
        kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
        message = f"{shown(kind)} is no kind of backends, so {effect}"
        return Refusal("InvalidKind", message, at.child("kind"), "Name a Service.")
    referrer = findings.route.ref
    key = Key(namespace_of(ref.namespace, referrer.key), ref.name)
    findings.references.add(ObjectRef(Service.kind, *key))
    if key.namespace != referrer.namespace:
        findings.references.add(grants(key.namespace))
        if not findings.context.grants.permit(referrer, Service.kind, key):
            return _not_permitted(referrer, key, at, effect)
    return key


def _upstream(service: Service, port: int, spoken: BackendProtocol | None) -> UpstreamPolicy:
    """The use of a port: with the protocol that is spoken where the port names none."""
    if spoken is None:
        return DEFAULT_UPSTREAM
    named = any(each.app_protocol for each in service.spec.ports or () if (each.port, each.protocol) == (port, "TCP"))
    return DEFAULT_UPSTREAM if named else replace(DEFAULT_UPSTREAM, protocol=spoken)


def _not_permitted(referrer: ObjectRef, key: Key, at: FieldPath, effect: str) -> Refusal:
    message = (
        f"no ReferenceGrant lets {referrer.kind}s of namespace {referrer.namespace} name Service {shown(str(key))}, "
        f"so {effect}"
    )
    remedy = f"Create a ReferenceGrant in namespace {shown(key.namespace)}, or use a Service of the route's namespace."
    return Refusal("RefNotPermitted", message, at, remedy)


def refused_backend(fault: BackendFault | None, at: FieldPath, effect: str) -> Refusal:
    """Why a Service or port can't be used."""
    if fault is None:
        return Refusal(_NOT_FOUND, f"the Service can't be used, so {effect}", at, "Name another Service.")
    message = fault.message
    if fault.reason is Reason.APP_PROTOCOL_UNKNOWN:
        message = f"{message.partition(';')[0]}, so {effect}"
    remedy = _REMEDIES.get(fault.reason, fault.remedy)
    return Refusal(_REASONS.get(fault.reason, _NOT_FOUND), message, at, remedy)
