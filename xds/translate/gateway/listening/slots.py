"""Listeners of Gateways and ListenerSets, each with the outcome of its own fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
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
from xds.problems.text import shown
from xds.traffic.bound import ChainTls, ListenerKey, TableKey
from xds.traffic.layer4 import Transport
from xds.translate.gateway.attached.hostnames import ANY
from xds.translate.gateway.translated import Refusal

Owner: TypeAlias = Gateway | ListenerSet

KINDS_BY_PROTOCOL: Final[Mapping[str, tuple[type[Route], ...]]] = {
    "HTTP": (HTTPRoute, GRPCRoute),
    "HTTPS": (HTTPRoute, GRPCRoute),
    "TLS": (TLSRoute,),
    "TCP": (TCPRoute,),
    "UDP": (UDPRoute,),
}
"""The kinds of routes that a listener takes, by its protocol."""


class Family(Enum):
    """Protocols that share a port."""

    HTTP = "HTTP"
    TLS = "HTTPS and TLS"
    TCP = "TCP"
    UDP = "UDP"


_FAMILIES: Final = {
    "HTTP": Family.HTTP,
    "HTTPS": Family.TLS,
    "TLS": Family.TLS,
    "TCP": Family.TCP,
    "UDP": Family.UDP,
}


class SlotKey(NamedTuple):
    """The name of a listener, unique in its object."""

    owner: ObjectRef
    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A listener of a Gateway, or of a ListenerSet that is attached to the Gateway.

    Attributes:
        gateway: The Gateway that the listener belongs to.
        index: Of the listener in its object.
        kinds: Of the routes that may attach, as the status tells.
        conflict: Why another listener has the socket; None: there is no conflict.
        refused: Why the listener isn't accepted; None: it is.
        unresolved: Why a reference can't be followed; None: all can.
        tls: TLS termination; None: TLS isn't terminated, or can't be.
        overlaps: Whether another listener of the same port with TLS has names of this one, too.
        sockets: The sockets that hold the listener: connections of a listener that isn't accepted are closed there.
    """

    key: SlotKey
    gateway: Key
    index: int
    listener: Listener
    kinds: tuple[RouteGroupKind, ...] = ()
    conflict: Refusal | None = None
    refused: Refusal | None = None
    unresolved: Refusal | None = None
    tls: ChainTls | None = None
    overlaps: bool = False
    sockets: tuple[ListenerKey, ...] = ()

    @property
    def field(self) -> FieldPath:
        return FieldPath.of("spec", "listeners", self.index)

    @property
    def domain(self) -> str:
        """The hostname in lower case; `*` for all names."""
        named = self.listener.hostname if self.family in (Family.HTTP, Family.TLS) else None
        return named.lower() if named else ANY

    @property
    def family(self) -> Family | None:
        """None: the protocol isn't known."""
        return _FAMILIES.get(self.listener.protocol)

    @property
    def transport(self) -> Transport:
        return Transport.UDP if self.family is Family.UDP else Transport.TCP

    @property
    def terminates_tls(self) -> bool:
        tls = self.listener.tls
        return self.family is Family.TLS and (self.listener.protocol == "HTTPS" or not tls or tls.mode == "Terminate")

    @property
    def is_accepted(self) -> bool:
        return self.conflict is None and self.refused is None

    @property
    def is_usable(self) -> bool:
        """Whether the listener can be served: nothing but an address may be lacking."""
        return self.is_accepted and (self.tls is not None or not self.terminates_tls)

    @property
    def is_served(self) -> bool:
        return self.is_usable and bool(self.sockets)

    @property
    def speaks_http(self) -> bool:
        return self.listener.protocol in ("HTTP", "HTTPS")

    def table(self, socket: ListenerKey) -> TableKey:
        """The route table of requests at one of the sockets."""
        if self.family is Family.HTTP:
            return TableKey(socket)
        return TableKey(socket, "" if self.domain == ANY else self.domain, tls=True)


def supported_kinds(slot: Slot) -> tuple[tuple[RouteGroupKind, ...], Refusal | None]:
    """The kinds of routes that may attach to a listener, and why some of its `allowedRoutes.kinds` may not."""
    listener = slot.listener
    known = tuple(RouteGroupKind(kind.kind) for kind in KINDS_BY_PROTOCOL.get(listener.protocol, ()))
    asked = [RouteGroupKind(each.kind, each.group or GROUP) for each in listener.allowed_routes.kinds or ()]
    wrong = [each for each in asked if each not in known]
    if not wrong:
        return tuple(each for each in known if each in asked) if asked else known, None
    names = shown(", ".join(each.kind if each.group == GROUP else f"{each.group}/{each.kind}" for each in wrong))
    message = (
        f"listener {listener.name} of protocol {listener.protocol} takes no route of kind {names}, so none attaches; "
        f"allow {' or '.join(each.kind for each in known)}"
    )
    at = slot.field.child("allowedRoutes", "kinds")
    return tuple(each for each in known if each in asked), Refusal("InvalidRouteKinds", message, at)


def by_owner(slots: Iterable[Slot]) -> Mapping[ObjectRef, tuple[Slot, ...]]:
    """The listeners of each object, in order."""
    found: dict[ObjectRef, list[Slot]] = {}
    for each in slots:
        found.setdefault(each.key.owner, []).append(each)
    return {owner: tuple(each) for owner, each in found.items()}
