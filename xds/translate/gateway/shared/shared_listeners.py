"""Listeners with TLS of Gateways that share the port of Ingress."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as uncompared

from xds.kube.gateway_objects import Gateway, ListenerSet
from xds.kube.objects import KubeObject
from xds.kube.state import KubeState, seniority
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.traffic.hosts import NO_HOST
from xds.traffic.tls import Certificate
from xds.translate.gateway.attached.hostnames import ANY
from xds.translate.gateway.listening.plans import GatewayPlan
from xds.translate.gateway.listening.slots import Slot


@dataclass(frozen=True, slots=True)
class SharedListener:
    """A listener that has a TLS host of Ingress' port.

    Attributes:
        host: A name, or a wildcard; NO_HOST for names that no TLS host covers.
        certificates: Of each kind of key; empty: connections for the host are closed.
        ref: Names the Gateway or ListenerSet.
        field: The listener.
        claimant: The Gateway or ListenerSet. Not compared, because a status changes nothing.
    """

    host: str
    certificates: tuple[Certificate, ...]
    ref: ObjectRef
    field: FieldPath
    claimant: KubeObject = uncompared(compare=False)


def shared_listeners(
    state: KubeState, slots: Sequence[Slot], plans: Mapping[Key, GatewayPlan]
) -> tuple[SharedListener, ...]:
    """The listeners of the socket that Ingress has too, the senior first."""
    return tuple(sorted(_listeners(state, slots, plans), key=lambda each: seniority(each.claimant)))


def _listeners(state: KubeState, slots: Sequence[Slot], plans: Mapping[Key, GatewayPlan]) -> Iterator[SharedListener]:
    for slot in slots:
        owner, plan = slot.key.owner, plans[slot.gateway]
        kinds = (Gateway, ListenerSet)
        claimant = next(state.all_of(kind).get(owner.key) for kind in kinds if kind.kind == owner.kind)
        found = plan.tls.get(slot.key)
        secrets = slot.tls.secrets if slot.tls and slot.is_served else ()
        certificates = tuple(found.certificates[key] for key in secrets) if found else ()
        if claimant and (certificates or slot.domain != ANY):
            host = NO_HOST if slot.domain == ANY else slot.domain
            yield SharedListener(host, certificates, claimant.ref, slot.field, claimant)
