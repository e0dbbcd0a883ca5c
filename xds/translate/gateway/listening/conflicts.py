"""Conflicts of listeners that share a socket.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#gatewayspec, "Distinct Listeners" and "Handling indistinct
Listeners", and https://gateway-api.sigs.k8s.io/reference/spec/#listenersetspec for the precedence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xds.steps import Steps
from xds.traffic.bound import ListenerKey
from xds.translate.gateway.attached.hostnames import ANY, covering
from xds.translate.gateway.listening.slots import Family, Slot
from xds.translate.gateway.translated import Refusal


@dataclass(slots=True)
class _Socket:
    """The listeners that hold a socket, by domain. All are of one family."""

    family: Family
    holders: dict[str, Slot] = field(default_factory=dict)


def without_conflicts(layers: Iterable[Sequence[Slot]]) -> Steps[list[Slot]]:
    """The listeners of all layers. One that conflicts with another has a `conflict`, and no sockets.

    Args:
        layers: The listeners of an object each, in order of precedence: of two listeners that can't share a socket, the
            one of the earlier layer holds the socket. Of two such listeners of one object, neither does.
    """
    sockets: dict[ListenerKey, _Socket] = {}
    found: list[Slot] = []
    for layer in layers:
        beside = [_without(each, _conflict(each, sockets)) for each in layer]
        judged = [each if each.conflict else _without(each, _conflict(each, _sockets(beside, each))) for each in beside]
        _hold(judged, sockets)
        found.extend(judged)
        yield
    overlapping = {socket: _overlapping(each.holders) for socket, each in sockets.items()}
    return [
        replace(each, overlaps=True)
        if each.terminates_tls and any(each.domain in overlapping[socket] for socket in each.sockets)
        else each
        for each in found
    ]


def _sockets(slots: Iterable[Slot], but: Slot) -> Mapping[ListenerKey, _Socket]:
    found: dict[ListenerKey, _Socket] = {}
    _hold((each for each in slots if each.key != but.key), found)
    return found


def _hold(slots: Iterable[Slot], sockets: dict[ListenerKey, _Socket]) -> None:
    for slot in slots:
        if slot.family is None:
            continue
        for socket in slot.sockets:
            sockets.setdefault(socket, _Socket(slot.family)).holders[slot.domain] = slot


def _without(slot: Slot, conflict: Refusal | None) -> Slot:
    return replace(slot, conflict=conflict, sockets=()) if conflict else slot


def _conflict(slot: Slot, sockets: Mapping[ListenerKey, _Socket]) -> Refusal | None:
    for known in filter(None, map(sockets.get, slot.sockets)):
        if known.family is not slot.family or slot.family in (Family.TCP, Family.UDP):
            return _protocol_conflict(slot)
        if slot.domain in known.holders:
            return _hostname_conflict(slot)
    return None


def _overlapping(holders: Mapping[str, Slot]) -> set[str]:
    """The domains of listeners with TLS that share names with another such listener."""
    ending = {domain for domain, slot in holders.items() if slot.terminates_tls}
    pairs = ((domain, other) for domain in ending for other in covering(domain) if other != domain and other in ending)
    return {each for pair in pairs for each in pair}


def _protocol_conflict(slot: Slot) -> Refusal:
    message = (
        f"port {slot.listener.port} of listener {slot.listener.name} has another listener whose protocol can't share "
        f"the port with {slot.listener.protocol}, so the listener isn't served. Choose another port."
    )
    return Refusal("ProtocolConflict", message, slot.field.child("port"))


def _hostname_conflict(slot: Slot) -> Refusal:
    names = "no hostname, either" if slot.domain == ANY else f"hostname {slot.domain}"
    message = (
        f"port {slot.listener.port} of listener {slot.listener.name} has another listener with {names}, so the "
        "listener isn't served. Choose another hostname or port."
    )
    return Refusal("HostnameConflict", message, slot.field.child("hostname"))
