"""Certificates of authorities in ConfigMaps, named by Gateways for their clients and by policies for backends."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xds.kube.gateway_objects import ObjectReference, namespace_of
from xds.kube.objects import ConfigMap
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.text import shown
from xds.traffic.backend_tls import Authorities, CredentialKey, CredentialPart
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.translated import Refusal, grants

INVALID_REFERENCE: Final = "InvalidCACertificateRef"
NOT_PERMITTED: Final = "RefNotPermitted"


@dataclass(frozen=True, slots=True)
class NamedAuthorities:
    """The authorities of several references together.

    Attributes:
        key: None: no reference is valid.
        credential: None: no reference is valid.
        faults: Of invalid references, in order.
        expire: When the last of the authorities expires; None: no reference is valid.
    """

    key: CredentialKey | None
    credential: Authorities | None
    faults: tuple[Refusal, ...]
    references: frozenset[ObjectRef]
    expire: datetime | None


def named_authorities(
    context: GatewayContext, referrer: ObjectRef, named: Iterable[ObjectReference], at: FieldPath, *, bad_kind: str
) -> NamedAuthorities:
    """The authorities of all valid references.

    Args:
        context: The surroundings.
        referrer: The object that has the references.
        named: The references.
        at: The list of references.
        bad_kind: The reason of the condition for references to other kinds than ConfigMap.
    """
    found: dict[Key, bytes] = {}
    expire: list[datetime] = []
    faults: list[Refusal] = []
    references: set[ObjectRef] = set()
    for index, each in enumerate(named):
        key = Key(namespace_of(each.namespace, referrer.key), each.name)
        if (each.group, each.kind) != ("", ConfigMap.kind):
            message = f"{shown(each.kind)} {key} can't hold authorities: name a ConfigMap with ca.crt"
            faults.append(Refusal(bad_kind, message, at.child(index)))
            continue
        references.add(ObjectRef(ConfigMap.kind, *key))
        if key.namespace != referrer.namespace:
            references.add(grants(key.namespace))
        match _judged(context, referrer, key, at.child(index)):
            case Refusal() as refusal:
                faults.append(refusal)
            case certificates, expiry:
                found[key] = certificates
                expire.append(expiry)
    if not found:
        return NamedAuthorities(None, None, tuple(faults), frozenset(references), None)
    first, *others = found
    return NamedAuthorities(
        CredentialKey(first, CredentialPart.CONFIG_MAPS, tuple(others)),
        Authorities(b"".join(found.values())),
        tuple(faults),
        frozenset(references),
        max(expire),
    )


def _judged(
    context: GatewayContext, referrer: ObjectRef, config_map: Key, at: FieldPath
) -> tuple[bytes, datetime] | Refusal:
    """The certificates of a ConfigMap, and the time when the last one expires."""
    if not context.grants.permit(referrer, ConfigMap.kind, config_map):
        message = (
            f"no ReferenceGrant in namespace {config_map.namespace} permits {referrer} to name ConfigMap {config_map}"
        )
        return Refusal(NOT_PERMITTED, message, at)
    found = context.state.config_map(config_map)
    if found is None:
        return Refusal(INVALID_REFERENCE, f"ConfigMap {config_map} doesn't exist", at)
    judged = context.credentials.judge_config_map(found)
    if judged.authorities is None or judged.expire is None:
        return Refusal(INVALID_REFERENCE, f"ConfigMap {config_map} can't be used: {judged.why_not}", at)
    return judged.authorities.certificates, judged.expire
