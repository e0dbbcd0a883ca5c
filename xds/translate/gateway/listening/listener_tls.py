"""TLS termination at a listener: its certificates, and the certificates that clients are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xds.kube.gateway_objects import (
    FrontendValidation,
    Gateway,
    Listener,
    ListenerSet,
    ObjectReference,
    namespace_of,
)
from xds.kube.objects import Secret
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.bound import ChainTls, ClientCheck
from xds.traffic.hosts import wildcard_of
from xds.traffic.tls import Certificate
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.tls_policy.authorities import NOT_PERMITTED, named_authorities
from xds.translate.gateway.translated import Refusal, grants
from xds.translate.served_certificates import served_certificate

PASSTHROUGH: Final = "Passthrough"
TERMINATE: Final = "Terminate"
_HTTPS: Final = "HTTPS"
_FALLBACK: Final = "AllowInsecureFallback"
_STRICT: Final = "AllowValidOnly"
_INVALID: Final = "InvalidCertificateRef"
_NO_AUTHORITY: Final = "NoValidCACertificate"
_UNSUPPORTED: Final = "UnsupportedValue"


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """TLS termination at a listener.

    Attributes:
        tls: None: TLS isn't ended, by mode `Passthrough` or because the listener can't be served as asked for.
        certificates: Those of `tls`, by Secret.
        credentials: Those of `tls`.
        refused: Why the listener isn't accepted: nothing of it is served. None: it is accepted.
        unresolved: Why references can't be followed; the valid rest is served if there is `tls`, and else connections
            are closed. None: all can.
        problems: Of certificates that are served all the same.
        dates: At which the result changes although no object does.
        references: Each object that was looked at, existing or not.
    """

    tls: ChainTls | None = None
    certificates: Mapping[Key, Certificate] = field(default_factory=dict)
    credentials: Mapping[CredentialKey, Credential] = field(default_factory=dict)
    refused: Refusal | None = None
    unresolved: Refusal | None = None
    problems: tuple[Problem, ...] = ()
    dates: tuple[datetime, ...] = ()
    references: frozenset[ObjectRef] = frozenset()


def listener_tls(
    context: GatewayContext, gateway: Gateway, owner: Gateway | ListenerSet, listener: Listener, now: datetime
) -> ListenerTls:
    """TLS termination at a listener of protocol HTTPS or TLS.

    Args:
        context: The surroundings.
        gateway: The Gateway that serves the listener.
        owner: The object that has the listener: the Gateway, or a ListenerSet.
        listener: Of the owner's spec.
        now: Decides which certificates are valid.
    """
    at = FieldPath.of("spec", "listeners", (owner.spec.listeners or ()).index(listener))
    return _Reader(context, gateway, owner, listener, now, at).result()


def insecure_frontend(gateway: Gateway) -> bool:
    """Whether a Gateway with authorities for clients lets in also clients without a good certificate."""
    frontend = gateway.spec.tls.frontend if gateway.spec.tls else None
    if frontend is None:
        return False
    configs = (frontend.default, *(each.tls for each in frontend.per_port or ()))
    return any(each.validation is not None and each.validation.mode == _FALLBACK for each in configs)


def frontend_validation(gateway: Gateway, port: int) -> tuple[FrontendValidation | None, FieldPath]:
    """The validation of clients' certificates at a port, and its field. A port of its own overrides the default."""
    frontend = gateway.spec.tls.frontend if gateway.spec.tls else None
    at = FieldPath.of("spec", "tls", "frontend")
    if frontend is None:
        return None, at
    for index, each in enumerate(frontend.per_port or ()):
        if each.port == port:
            return each.tls.validation, at.child("perPort", index, "tls", "validation")
    return frontend.default.validation, at.child("default", "validation")


@dataclass(slots=True)
class _Reader:
    """Collects the parts of a result."""

    context: GatewayContext
    gateway: Gateway
    owner: Gateway | ListenerSet
    listener: Listener
    now: datetime
    at: FieldPath
    certificates: dict[Key, Certificate] = field(default_factory=dict)
    faults: list[Refusal] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    dates: list[datetime] = field(default_factory=list)
    references: set[ObjectRef] = field(default_factory=set)

    def result(self) -> ListenerTls:
        config = self.listener.tls
        mode = config.mode if config else TERMINATE
        modes = (TERMINATE,) if self.listener.protocol == _HTTPS else (TERMINATE, PASSTHROUGH)
        if mode not in modes:
            return ListenerTls(refused=self._bad_mode(mode))
        if mode == PASSTHROUGH:
            return ListenerTls()
        self._read_certificates(config.certificate_refs or () if config else ())
        clients, credentials, refused = self._clients()
        is_served = self.certificates and refused is None
        return ListenerTls(
            ChainTls(tuple(sorted(self.certificates)), clients) if is_served else None,
            self.certificates if is_served else {},
            credentials if is_served else {},
            refused,
            self._unresolved(is_served=bool(is_served)),
            tuple(self.problems),
            tuple(sorted(set(self.dates))),
            frozenset(self.references),
        )

    def _bad_mode(self, mode: str) -> Refusal:
        message = (
            f"listener {self.listener.name} of protocol {self.listener.protocol} can't have TLS of mode "
            f"{shown(mode)}; it is not served"
        )
        return Refusal(_UNSUPPORTED, message, self.at.child("tls", "mode"))

    def _read_certificates(self, named: Sequence[ObjectReference]) -> None:
        at = self.at.child("tls", "certificateRefs")
        if not named:
            self.faults.append(Refusal(_INVALID, "it names no Secret with a certificate", at))
        for index, each in enumerate(named):
            self._read_certificate(each, at.child(index))

    def _read_certificate(self, named: ObjectReference, at: FieldPath) -> None:
        key = Key(namespace_of(named.namespace, self.owner.key), named.name)
        if (named.group, named.kind) != ("", Secret.kind):
            self.faults.append(Refusal(_INVALID, f"{shown(named.kind)} {key} is no Secret of the core group", at))
            return
        self.references.add(ObjectRef(Secret.kind, *key))
        if key.namespace != self.owner.key.namespace:
            self.references.add(grants(key.namespace))
        if not self.context.grants.permit(self.owner.ref, Secret.kind, key):
            message = f"no ReferenceGrant in namespace {key.namespace} permits {self.owner.ref} to name Secret {key}"
            self.faults.append(Refusal(NOT_PERMITTED, message, at))
            return
        secret = self.context.state.secret(key)
        if secret is None:
            self.context.certificates.forget(key)
            self.faults.append(Refusal(_INVALID, f"Secret {key} doesn't exist", at))
            return
        served = served_certificate(self.context.certificates, secret, self.now)
        self.dates += served.dates
        for reason, message in served.faults:
            if reason is Reason.SECRET_INVALID:
                self.faults.append(Refusal(_INVALID, message, at))
            else:
                self.problems.append(Problem(self.owner.ref, reason, message, reason.remedy, at))
        if served.certificate:
            self.certificates[key] = served.certificate
            self._check_name(key, at)

    def _check_name(self, key: Key, at: FieldPath) -> None:
        """Report a certificate without the listener's hostname, which is served: clients may not check the name."""
        hostname, verdict = self.listener.hostname, self.context.certificates.last_good(key)
        if not hostname or verdict is None or {hostname.lower(), wildcard_of(hostname.lower())} & verdict.names:
            return
        reason = Reason.CERTIFICATE_NAMES_OTHERS
        names = f"names {', '.join(map(shown, sorted(verdict.names)[:3]))}" if verdict.names else "has no DNS name"
        message = f"the certificate of Secret {key} {names}, and not {shown(hostname)}; it is still served"
        self.problems.append(Problem(self.owner.ref, reason, message, reason.remedy, at))

    def _clients(self) -> tuple[ClientCheck | None, Mapping[CredentialKey, Credential], Refusal | None]:
        """The certificates that clients are asked for, their authorities, and why the listener can't be served."""
        validation, at = frontend_validation(self.gateway, self.listener.port)
        if self.listener.protocol != _HTTPS or validation is None:
            return None, {}, None
        if validation.mode not in (_STRICT, _FALLBACK):
            message = f"{at} of {self.gateway.ref} has mode {shown(validation.mode)}; connections are closed"
            return None, {}, Refusal(_UNSUPPORTED, message, at.child("mode"))
        found = named_authorities(
            self.context,
            self.gateway.ref,
            validation.ca_certificate_refs,
            at.child("caCertificateRefs"),
            bad_kind="InvalidCACertificateKind",
        )
        self.faults += found.faults
        self.references |= found.references
        if found.key is None or found.credential is None:
            why = "; ".join(each.message for each in found.faults) or "it names no ConfigMap"
            message = f"clients can't be verified by {at} of {self.gateway.ref}: {why}; connections are closed"
            return None, {}, Refusal(_NO_AUTHORITY, message, at)
        if found.expire:
            self._check_authorities(found.key, found.expire, at)
        return ClientCheck(found.key, required=validation.mode == _STRICT), {found.key: found.credential}, None

    def _check_authorities(self, key: CredentialKey, expire: datetime, at: FieldPath) -> None:
        self.dates.append(expire)
        if expire <= self.now:
            message = (
                f"the authorities of {' and '.join(map(str, key.objects))} have expired, the last on "
                f"{expire:%Y-%m-%d %H:%M} UTC; no client's certificate is good"
            )
            remedy = "Put the certificates of current authorities into ca.crt."
            self.problems.append(Problem(self.gateway.ref, Reason.CERTIFICATE_EXPIRED, message, remedy, at))

    def _unresolved(self, *, is_served: bool) -> Refusal | None:
        if not self.faults:
            return None
        effect = "the others are in use" if is_served else "connections are closed"
        why = "; ".join(each.message for each in self.faults)
        message = f"listener {self.listener.name}: {why}; {effect}"
        return Refusal(self.faults[0].reason, message, self.faults[0].field)
