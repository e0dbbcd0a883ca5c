"""BackendTLSPolicies: TLS from proxies to the Services that a policy targets.

A policy protects: requests to a Service whose policy can't be followed are answered 500.

Source: https://gateway-api.sigs.k8s.io/api-types/backendtlspolicy/
"""

from dataclasses import dataclass
from typing import Final

from xds.kube.gateway_objects import BackendTLSPolicy, BackendTLSValidation, ObjectReference
from xds.kube.objects import Secret, Service, ServicePort
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef
from xds.problems.text import shown
from xds.traffic.backend_tls import MAX_DEPTH, BackendTls, CredentialKey, NameKind, SubjectName
from xds.traffic.hosts import is_wildcard
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.context import GatewayContext, ParentUse
from xds.translate.gateway.tls_policy.authorities import named_authorities
from xds.translate.gateway.translated import Refusal, policies
from xds.translate.names import InvalidError, valid_host

INVALID_POLICY: Final = "InvalidBackendTLSPolicy"
"""The reason of a route's condition where a policy of its backend can't be followed."""

_AT: Final = FieldPath.of("spec", "validation")
_INVALID: Final = "Invalid"
_SYSTEM: Final = "System"

_OVER_TLS: Final = {
    BackendProtocol.HTTP1: BackendProtocol.HTTPS,
    BackendProtocol.H2C: BackendProtocol.GRPCS,
}


@dataclass(frozen=True, slots=True)
class BackendTlsChoice:
    """The TLS that a policy asks for.

    Attributes:
        tls: None: no policy targets the port, or the policy can't be followed.
        refused: Why a policy that targets the port can't be followed; requests are then answered 500, and never sent
            without TLS. None: there is no such policy.
        references: Each object that was looked at, existing or not.
    """

    tls: BackendTls | None = None
    refused: Refusal | None = None
    references: frozenset[ObjectRef] = frozenset()

    def protocol(self, of: BackendProtocol) -> BackendProtocol:
        """The protocol to speak in place of that which the port names. With TLS, a backend of HTTP chooses by ALPN."""
        return _OVER_TLS.get(of, of) if self.tls else of


@dataclass(frozen=True, slots=True)
class JudgedPolicy:
    """A policy, whatever it targets.

    Attributes:
        authorities: Of ConfigMaps; None: those of the system, or there are none.
        subject_names: The names of which the certificate must have one; empty: the policy's hostname.
        refused: Why the policy can't be followed (condition `Accepted`); None: it can.
        unresolved: Why references can't be followed (condition `ResolvedRefs`); None: all can.
    """

    authorities: CredentialKey | None
    subject_names: tuple[SubjectName, ...]
    refused: Refusal | None
    unresolved: Refusal | None
    references: frozenset[ObjectRef]


def backend_tls(context: GatewayContext, service: Service, port: int, use: ParentUse) -> BackendTlsChoice:
    """The TLS of a port of a Service, by the oldest BackendTLSPolicy that targets the port, or else the Service."""
    references = frozenset({policies(service.key.namespace)})
    found = next((each for each in service.spec.ports or () if each.port == port and each.protocol == "TCP"), None)
    policy = context.policies.of_port(context.state, service, found or ServicePort(port))
    if policy is None:
        return BackendTlsChoice(references=references)
    judged = judge_policy(context, policy)
    references |= judged.references
    if judged.refused:
        message = f"{policy.ref} of Service {service.key} can't be followed, so requests are answered 500 and never "
        message += f"sent without TLS: {judged.refused.message}"
        return BackendTlsChoice(refused=Refusal(INVALID_POLICY, message), references=references)
    if use.client_certificate:  # a change of the Secret translates the route again
        references |= {ObjectRef(Secret.kind, *use.client_certificate)}
    tls = BackendTls(
        use.client_certificate,
        presents_certificate=use.client_certificate is not None,
        verify_depth=MAX_DEPTH,
        name=policy.spec.validation.hostname.lower(),
        sends_name=True,
        authorities=judged.authorities,
        trusts_system=judged.authorities is None,
        subject_names=judged.subject_names,
    )
    return BackendTlsChoice(tls, references=references)


def judge_policy(context: GatewayContext, policy: BackendTLSPolicy) -> JudgedPolicy:
    """Judge the validation that a policy asks for. Several ConfigMaps count together, without invalid ones."""
    validation = policy.spec.validation
    refs = [ObjectReference(each.name, each.group, each.kind) for each in validation.ca_certificate_refs or ()]
    at = _AT.child("caCertificateRefs")
    found = named_authorities(context, policy.ref, refs, at, bad_kind="InvalidKind")
    unresolved: Refusal | None = None
    if found.faults:
        effect = "no other reference is valid" if found.key is None else "the others are in use"
        why = "; ".join(each.message for each in found.faults)
        unresolved = Refusal(found.faults[0].reason, f"{why}; {effect}", found.faults[0].field)
    names, bad_name = _subject_names(validation)
    refused = bad_name or _bad_authorities(validation)
    if refused is None and refs and found.key is None:
        message = unresolved.message if unresolved else ""
        refused = Refusal("NoValidCACertificate", message, at)
    return JudgedPolicy(found.key, names, refused, unresolved, found.references)


def _bad_authorities(validation: BackendTLSValidation) -> Refusal | None:
    well_known = validation.well_known_ca_certificates or ""
    if bool(validation.ca_certificate_refs) == bool(well_known):
        return Refusal(_INVALID, "one of caCertificateRefs and wellKnownCACertificates must be set, and not both", _AT)
    if well_known not in ("", _SYSTEM):
        message = f"wellKnownCACertificates {shown(well_known)} isn't known: use {_SYSTEM}, or caCertificateRefs"
        return Refusal(_INVALID, message, _AT.child("wellKnownCACertificates"))
    return None


def _subject_names(validation: BackendTLSValidation) -> tuple[tuple[SubjectName, ...], Refusal | None]:
    names: list[SubjectName] = []
    try:
        if is_wildcard(valid_host(validation.hostname)):
            message = f"hostname {shown(validation.hostname)} must be a name, and no wildcard"
            return (), Refusal(_INVALID, message, _AT.child("hostname"))
    except InvalidError as error:
        return (), Refusal(_INVALID, f"hostname {error}", _AT.child("hostname"))
    for index, each in enumerate(validation.subject_alt_names or ()):
        at = _AT.child("subjectAltNames", index)
        if each.type == "URI" and each.uri:
            names.append(SubjectName(NameKind.URI, each.uri))
        elif each.type == "Hostname" and each.hostname:
            try:
                names.append(SubjectName(NameKind.DNS, valid_host(each.hostname)))
            except InvalidError as error:
                return (), Refusal(_INVALID, f"hostname {error}", at)
        else:
            message = f"a name of type {shown(each.type)} can't be verified: use Hostname or URI with its value"
            return (), Refusal(_INVALID, message, at)
    return tuple(names), None
