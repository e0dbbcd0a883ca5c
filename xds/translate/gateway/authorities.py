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
        here = at.child(index)
        if (each.group, each.kind) != ("", ConfigMap.kind):
            message = f"{shown(each.kind)} {key} can't hold authorities: name a ConfigMap with ca.crt"
            faults.append(Refusal(bad_kind, message, here))
            continue
        references.add(ObjectRef(ConfigMap.kind, *key))
        if key.namespace != referrer.namespace:
            references.add(grants(key.namespace))
        if not context.grants.permit(referrer, ConfigMap.kind, key):
            message = f"no ReferenceGrant in namespace {key.namespace} permits {referrer} to name ConfigMap {key}"
            faults.append(Refusal(NOT_PERMITTED, message, here))
            continue
        config_map = context.state.config_map(key)
        if config_map is None:
            faults.append(Refusal(INVALID_REFERENCE, f"ConfigMap {key} doesn't exist", here))
            continue
        judged = context.credentials.judge_config_map(config_map)
        if judged.authorities is None or judged.expire is None:
            faults.append(Refusal(INVALID_REFERENCE, f"ConfigMap {key} can't be used: {judged.why_not}", here))
            continue
        found[key] = judged.authorities.certificates
        expire.append(judged.expire)
    if not found:
        return NamedAuthorities(None, None, tuple(faults), frozenset(references), None)
    first, *others = found
    credential = Authorities(b"".join(found.values()))
    return NamedAuthorities(
        CredentialKey(first, CredentialPart.CONFIG_MAPS, tuple(others)),
        credential,
        tuple(faults),
        frozenset(references),
        max(expire),
    )
