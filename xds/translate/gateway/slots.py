"""Listeners of Gateways and ListenerSets, each with the outcome of its own fields."""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from xds.kube.gateway_objects import (
    GROUP,
    Gateway,
    GRPCRoute,
    HTTPRoute,
    Listener,
    ListenerSet,
    Route,
    RouteGroupKind,
    TCPRoute,
    TLSRoute,
    UDPRoute,
)
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.traffic.bound import ListenerKey
from xds.traffic.layer4 import Transport
from xds.translate.gateway.translated import Refusal

Owner: TypeAlias = Gateway | ListenerSet

KINDS_BY_PROTOCOL: Final[dict[str, tuple[type[Route], ...]]] = {
    "HTTP": (HTTPRoute, GRPCRoute),
    "HTTPS": (HTTPRoute, GRPCRoute),
    "TLS": (TLSRoute,),
    "TCP": (TCPRoute,),
    "UDP": (UDPRoute,),
}
"""The kinds of routes that a listener takes, by its protocol."""


class SlotKey(NamedTuple):
    """Names a listener: names are unique in one object."""

    owner: ObjectRef
    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A listener of a Gateway, or of a ListenerSet that is attached to the Gateway.

    Attributes:
        gateway: The Gateway that the listener belongs to.
        index: Of the listener in its object.
        kinds: Of the routes that may attach, as the status tells.
        conflict: Why another listener rules this one out; None: none does.
        refused: Why the listener isn't accepted; None: it is.
        unresolved: Why a reference can't be followed; None: all can.
        sockets: The sockets that serve the listener; empty: none does.
    """

    owner: Owner
    gateway: Key
    index: int
    listener: Listener
    kinds: tuple[RouteGroupKind, ...] = ()
    conflict: Refusal | None = None
    refused: Refusal | None = None
    unresolved: Refusal | None = None
    sockets: tuple[ListenerKey, ...] = ()

    @property
    def key(self) -> SlotKey:
        return SlotKey(self.owner.ref, self.listener.name)

    @property
    def field(self) -> FieldPath:
        return FieldPath.of("spec", "listeners", self.index)

    @property
    def hostname(self) -> str:
        """In lower case; empty for all names."""
        return (self.listener.hostname or "").lower() if self.listener.protocol in ("HTTP", "HTTPS", "TLS") else ""

    @property
    def transport(self) -> Transport:
        return Transport.UDP if self.listener.protocol == "UDP" else Transport.TCP

    @property
    def ends_tls(self) -> bool:
        return self.listener.protocol == "HTTPS" or (
            self.listener.protocol == "TLS" and (self.listener.tls is None or self.listener.tls.mode == "Terminate")
        )

    @property
    def is_accepted(self) -> bool:
        return self.conflict is None and self.refused is None


def supported_kinds(listener: Listener) -> tuple[tuple[RouteGroupKind, ...], Refusal | None]:
    """The kinds of routes that may attach to a listener, and why some of its `allowedRoutes.kinds` may not."""
    known = tuple(RouteGroupKind(kind.kind) for kind in KINDS_BY_PROTOCOL.get(listener.protocol, ()))
    asked = listener.allowed_routes.kinds
    if not asked:
        return known, None
    wrong = [each for each in asked if (each.group or GROUP, each.kind) not in {(k.group, k.kind) for k in known}]
    kinds = tuple(each for each in known if each.kind in {other.kind for other in asked if other not in wrong})
    if not wrong:
        return kinds, None
    names = ", ".join(f"{each.group}/{each.kind}" if each.group != GROUP else each.kind for each in wrong)
    message = f"listener {listener.name} of protocol {listener.protocol} takes no route of kind {names}"
    return kinds, Refusal("InvalidRouteKinds", message, FieldPath.of("allowedRoutes", "kinds"))
