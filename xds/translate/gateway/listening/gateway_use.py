"""The facts of a Gateway that count for its routes: the certificate that it shows to backends."""

from dataclasses import dataclass
from typing import Final

from xds.kube.gateway_objects import Gateway, namespace_of
from xds.kube.objects import Secret
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.text import shown
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.tls_policy.authorities import NOT_PERMITTED
from xds.translate.gateway.translated import Refusal, grants

_INVALID: Final = "InvalidClientCertificateRef"
_AT: Final = FieldPath.of("spec", "tls", "backend", "clientCertificateRef")
_EFFECT: Final = "backends with TLS are shown no certificate"


@dataclass(frozen=True, slots=True)
class GatewayUse:
    """The facts of a Gateway that count for its routes.

    Attributes:
        unresolved: Why the Gateway's own references can't be followed (condition `ResolvedRefs`); None: all can.
        references: Each object that was looked at, existing or not.
    """

    parent: ParentUse = NO_USE
    unresolved: Refusal | None = None
    references: frozenset[ObjectRef] = frozenset()


def parent_use(context: GatewayContext, gateway: Gateway) -> GatewayUse:
    """The facts of a Gateway. Without its certificate, no backend takes the proxy for the Gateway."""
    backend = gateway.spec.tls.backend if gateway.spec.tls else None
    named = backend.client_certificate_ref if backend else None
    if named is None:
        return GatewayUse()
    key = Key(namespace_of(named.namespace, gateway.key), named.name)
    if (named.group, named.kind) != ("", Secret.kind):
        message = f"{shown(named.kind)} {key} is no Secret of the core group; {_EFFECT}"
        return GatewayUse(unresolved=Refusal(_INVALID, message, _AT))
    references = {ObjectRef(Secret.kind, *key)}
    if key.namespace != gateway.key.namespace:
        references.add(grants(key.namespace))
    refusal = _refusal(context, gateway, key)
    return GatewayUse(NO_USE if refusal else ParentUse(key), refusal, frozenset(references))


def _refusal(context: GatewayContext, gateway: Gateway, key: Key) -> Refusal | None:
    if not context.grants.permit(gateway.ref, Secret.kind, key):
        message = (
            f"no ReferenceGrant in namespace {key.namespace} permits {gateway.ref} to name Secret {key}; {_EFFECT}"
        )
        return Refusal(NOT_PERMITTED, message, _AT)
    secret = context.state.secret(key)
    if secret is None:
        return Refusal(_INVALID, f"Secret {key} doesn't exist; {_EFFECT}", _AT)
    judged = context.credentials.judge(secret)
    if judged.client_certificate is None:
        why = judged.why_not or "it has no tls.crt with tls.key"
        return Refusal(_INVALID, f"Secret {key} can't be used: {why}; {_EFFECT}", _AT)
    return None
