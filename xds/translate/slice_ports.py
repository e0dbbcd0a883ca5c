"""The port of EndpointSlices that a backend means, where no slice has a port of the Service port's name."""

from collections.abc import Container, Iterable, Mapping
from typing import Final

from xds.kube.objects import EndpointSlice
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend

ADDRESS_TYPES: Final = ("IPv4", "IPv6")
"""Of EndpointSlices that have addresses."""

_SHOWN_PORTS: Final = 5
_PORTS: Final = FieldPath.of("spec", "ports")


_TCP: Final = frozenset({None, "TCP"})
_UDP: Final = frozenset({"UDP"})


def protocols(backend: Backend) -> Container[str | None]:
    """The protocols of the EndpointSlices' ports that a backend can mean."""
    return _UDP if backend.key.is_udp else _TCP


def is_named(backend: Backend, slices: Iterable[EndpointSlice]) -> bool:
    """Whether a slice has a port of the Service port's name and protocol."""
    name, meant = backend.port_name, protocols(backend)
    return any((port.name or "") == name and port.protocol in meant for each in slices for port in each.ports or ())


def former_name(backend: Backend, slices: Iterable[EndpointSlice]) -> str | None:
    """The name that the Service's port had before it was renamed; None if the slices leave a doubt.

    The controller that writes the slices follows a moment later, and the endpoints are the same:
    https://github.com/kubernetes/ingress-nginx/issues/7390

    One name of the slices must be unknown to the Service, and only this port of the Service unknown to the slices. A
    port that took another's place has another `targetPort`. For a port without name, as for kube-proxy, other names are
    no match: such slices are a mistake more often than a rename.
    """
    numbers = _numbers_by_name(slices, protocols(backend))
    unknown = [name for name in numbers if name not in backend.other_names]
    if not backend.port_name or len(unknown) != 1 or not numbers.keys() >= set(backend.other_names):
        return None
    if backend.target_port is None:
        return None if backend.other_names else unknown[0]
    return unknown[0] if numbers[unknown[0]] == {backend.target_port} else None


def _numbers_by_name(slices: Iterable[EndpointSlice], meant: Container[str | None]) -> Mapping[str, set[int | None]]:
    found: dict[str, set[int | None]] = {}
    for each in slices:
        for port in each.ports or ():
            if port.protocol in meant:
                found.setdefault(port.name or "", set()).add(port.port)
    return found


def problem(backend: Backend, slices: Iterable[EndpointSlice], former: str | None) -> Problem | None:
    """The problem of a backend whose name no slice has; None while there are no endpoints anyway."""
    filled = [each for each in slices if each.endpoints and each.address_type in ADDRESS_TYPES]
    if not filled:
        return None
    named = f"port {backend.key.port} has {_called(backend.port_name)}"
    if former is not None:
        reason = Reason.ENDPOINT_PORT_RENAMED
        message = f"{named} and its EndpointSlices have {_called(former)}: their endpoints are served"
    else:
        reason = Reason.ENDPOINT_PORT_MISSING
        transport = "UDP" if backend.key.is_udp else "TCP"
        seen = f"{filled[0].ref} has {_listed(filled[0])}"
        message = f"{named}, and no EndpointSlice has a {transport} port like it: {seen}"
    return Problem(ObjectRef("Service", *backend.key.service_key), reason, message, reason.remedy, _PORTS)


def _called(name: str) -> str:
    return f"the name {shown(name)}" if name else "no name"


def _listed(each: EndpointSlice) -> str:
    names = (shown(port.name) if port.name else "one without name" for port in (each.ports or ())[:_SHOWN_PORTS])
    return ", ".join(names) or "no port"
