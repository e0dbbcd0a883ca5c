"""A Service for each Gateway, from the ports of the Gateway to target ports: ports of the proxies, unique in the fleet.

`xds.reporting` writes the Services.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from xds.kube.gateway_objects import Gateway, GatewayClass
from xds.kube.objects import ConfigMap
from xds.kube.state import KubeState
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.text import shown
from xds.translate.gateway.listening.addresses import Assignment
from xds.translate.gateway.listening.service_record import GatewayPort, ServiceRecord, record, service_name
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.gateway.translated import Refusal

SERVICE_TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer")

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "type": SERVICE_TYPES,
    "externalTrafficPolicy": ("Cluster", "Local"),
    "loadBalancerClass": (),
}
"""The keys of the ConfigMap of `spec.infrastructure.parametersRef`, with their values; none: any."""

_KEYS: Final = ", ".join(f"{key} ({' or '.join(values)})" if values else key for key, values in PARAMETERS.items())


@dataclass(frozen=True, slots=True)
class GatewayService:
    """The Service that a Gateway should have, without target ports.

    Attributes:
        ports: Of accepted listeners. Empty: nothing is to be changed.
        labels: Of `spec.infrastructure`.
        annotations: Of `spec.infrastructure`.
        parameters: Fields of the Service's spec, out of PARAMETERS.
    """

    gateway: Key
    ports: frozenset[GatewayPort]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def assign_services(state: KubeState, options: GatewayOptions, gateways: Iterable[Gateway]) -> dict[Key, Assignment]:
    """The assignments of Gateways that have a Service each."""
    return {
        each.key: Assignment(refused=_refused_addresses(each), record=record(state, options, each.key))
        for each in gateways
    }


def _refused_addresses(gateway: Gateway) -> Refusal | None:
    """Why the Gateway can't have a Service; None: it can."""
    for index, each in enumerate(gateway.spec.addresses or ()):
        if each.value or each.type != "IPAddress":
            message = (
                f"addresses can't be chosen with --gateway-services, so Gateway {gateway.key} isn't served. Remove "
                "spec.addresses: status.addresses tells the address of the Gateway's Service."
            )
            return Refusal("UnsupportedAddress", message, FieldPath.of("spec", "addresses", index))
    return None


def unaddressed(options: GatewayOptions, gateway: Gateway, found: ServiceRecord) -> Refusal:
    """Why a Gateway has no address yet: its Service has none, or no port."""
    service = f"Service {options.fleet}/{service_name(gateway.key)}"
    if not found.targets:
        message = f"{service} of the Gateway isn't there yet, or has no port. If that lasts, see the log of the leader."
    else:
        message = f"{service} of the Gateway has no address yet. If that lasts, see the Events of the Service."
    return Refusal("AddressNotAssigned", message)


def parameter_references(gateway: Gateway) -> frozenset[ObjectRef]:
    """The ConfigMap of the parameters."""
    infrastructure = gateway.spec.infrastructure
    reference = infrastructure.parameters_ref if infrastructure else None
    if reference is None:
        return frozenset()
    return frozenset((ObjectRef(ConfigMap.kind, gateway.key.namespace, reference.name),))


def parameters(state: KubeState, gateway: Gateway) -> Mapping[str, str] | Refusal:
    """The parameters of `spec.infrastructure.parametersRef`, or why they can't be followed."""
    infrastructure = gateway.spec.infrastructure
    reference = infrastructure.parameters_ref if infrastructure else None
    if reference is None:
        return {}
    named = f"infrastructure.parametersRef names {shown(f'{reference.kind} {reference.name}')}"
    effect = f"so Gateway {gateway.key} isn't served"
    config = state.config_map(Key(gateway.key.namespace, reference.name))
    if (reference.group, reference.kind) != ("", "ConfigMap"):
        message = f"{named}, and parameters are a ConfigMap, {effect}. Name a ConfigMap, or remove parametersRef."
    elif config is None or config.data is None:
        message = (
            f"{named}, which is missing or can't be read, {effect}. Create the ConfigMap, or remove parametersRef."
        )
    else:
        wrong = sorted(key for key, value in config.data.items() if not _is_parameter(key, value))
        if not wrong:
            return config.data
        message = f"{named}, whose {shown(', '.join(wrong))} can't be followed, {effect}. Keys are {_KEYS}."
    return Refusal("InvalidParameters", message, FieldPath.of("spec", "infrastructure", "parametersRef"))


def _is_parameter(key: str, value: str) -> bool:
    known = PARAMETERS.get(key)
    return known is not None and bool(value) and (not known or value in known)


def is_given_up(state: KubeState, options: GatewayOptions, gateway: Key) -> bool:
    """Whether a Gateway is another controller's, or another installation's.

    A missing class may come back: the Service stays, with the address that clients know.
    """
    found = state.all_of(Gateway).get(gateway)
    name = found.spec.gateway_class_name if found else ""
    known = state.all_of(GatewayClass).get(Key("", name))
    if known is None:
        return False
    return known.spec.controller_name != CONTROLLER or options.gateway_class not in ("", name)
