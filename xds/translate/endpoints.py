"""From all EndpointSlices of a Service to the endpoints of one of its ports."""

import re
from collections.abc import Container, Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from xds.kube.objects import Endpoint as SliceEndpoint
from xds.kube.objects import EndpointSlice
from xds.problems.field_path import FieldPath
from xds.problems.problem import Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend
from xds.traffic.endpoints import Endpoint, Health, Locality
from xds.translate.slice_ports import ADDRESS_TYPES, former_name, is_named, protocols
from xds.translate.slice_ports import problem as port_problem

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_ZONE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""A label's value: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""


def localities(
    backend: Backend, slices: Iterable[EndpointSlice], problems: list[Problem] | None = None
) -> tuple[Locality, ...]:
    """The endpoints of a backend by zone, each address and port once.

    Ready endpoints are healthy; terminating endpoints that still serve are draining. If no endpoint is ready, the
    serving ones count as healthy. The rule is kube-proxy's:
    https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions

    The address of a Service that stands for its endpoints is healthy whether or not a slice has any.
    """
    if backend.cluster_ip:
        return (Locality("", (Endpoint(backend.cluster_ip, backend.key.port, Health.HEALTHY),)),)
    slices, port_name, meant = tuple(slices), backend.port_name, protocols(backend)
    if not is_named(backend, slices):
        former = former_name(backend, slices)
        if problems is not None and (problem := port_problem(backend, slices, former)):
            problems.append(problem)
        port_name = port_name if former is None else former
    found: dict[tuple[str, int], tuple[str, SliceEndpoint]] = {}
    for each in slices:
        for port in _ports(port_name, meant, each, problems):
            for address, endpoint in _addresses(each, problems):
                known = found.get((address, port))
                if known is None or _rank(endpoint) > _rank(known[1]):
                    found[address, port] = (_zone(endpoint), endpoint)
    return _by_zone(found)


def _by_zone(found: dict[tuple[str, int], tuple[str, SliceEndpoint]]) -> tuple[Locality, ...]:
    any_ready = any(_is_ready(endpoint) for _, endpoint in found.values())
    zones: dict[str, list[Endpoint]] = {}
    for (address, port), (zone, endpoint) in found.items():
        health = _health(endpoint, any_ready=any_ready)
        if health is not None:
            zones.setdefault(zone, []).append(Endpoint(address, port, health))
    return tuple(Locality(zone, tuple(sorted(zones[zone]))) for zone in sorted(zones))


def _health(endpoint: SliceEndpoint, *, any_ready: bool) -> Health | None:
    if _is_ready(endpoint) or (not any_ready and _serves(endpoint)):
        return Health.HEALTHY
    return Health.DRAINING if _serves(endpoint) and _terminates(endpoint) else None


def _is_ready(endpoint: SliceEndpoint) -> bool:
    """Whether the endpoint is ready. The API says that an unset condition means ready."""
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _serves(endpoint: SliceEndpoint) -> bool:
    conditions = endpoint.conditions
    return conditions.serving if conditions and conditions.serving is not None else _is_ready(endpoint)


def _terminates(endpoint: SliceEndpoint) -> bool:
    return bool(endpoint.conditions and endpoint.conditions.terminating)


def _rank(endpoint: SliceEndpoint) -> tuple[bool, bool]:
    return (_is_ready(endpoint), _serves(endpoint))


def _zone(endpoint: SliceEndpoint) -> str:
    return endpoint.zone if endpoint.zone and _ZONE.fullmatch(endpoint.zone) else ""


def _ports(
    port_name: str, meant: Container[str | None], each: EndpointSlice, problems: list[Problem] | None
) -> Iterator[int]:
    if each.address_type not in ADDRESS_TYPES:
        _report(
            problems,
            each,
            Reason.ADDRESS_TYPE_UNSUPPORTED,
            f"addressType {shown(each.address_type)} is not IPv4 or IPv6",
            FieldPath.of("addressType"),
        )
        return
    for port in each.ports or ():
        if (port.name or "") != port_name or port.protocol not in meant:
            continue
        if port.port is None:
            _report(
                problems,
                each,
                Reason.INVALID_PORT,
                "a port without a number means all ports, and none to send traffic to",
                FieldPath.of("ports"),
            )
        elif 0 < port.port <= 65535:
            yield port.port
        else:
            _report(problems, each, Reason.INVALID_PORT, f"port {port.port} is out of range", FieldPath.of("ports"))


def _addresses(each: EndpointSlice, problems: list[Problem] | None) -> Iterator[tuple[str, SliceEndpoint]]:
    """Each endpoint with its first address: the addresses of an endpoint are interchangeable.

    Source: https://github.com/kubernetes/kubernetes/issues/106267
    """
    for index, endpoint in enumerate(each.endpoints or ()):
        text = (endpoint.addresses or ("",))[0]
        address = canonical_address(text)
        if address:
            yield address, endpoint
        else:
            at = FieldPath.of("endpoints", index, "addresses", 0)
            message = f"{shown(text)} is not an IP address; the endpoint is left out"
            _report(problems, each, Reason.INVALID_ADDRESS, message, at)


def canonical_address(text: str) -> str:
    """The address in canonical form, since IPv6 addresses can be written in several; empty if invalid."""
    if _IPV4.fullmatch(text):  # nearly all addresses; `ip_address` takes twenty times as long
        return text
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if "%" in text:
        return ""
    return str(address) if address.version == 6 else text


def _report(problems: list[Problem] | None, each: EndpointSlice, reason: Reason, message: str, at: FieldPath) -> None:
    if problems is not None:
        problems.append(Problem(each.ref, reason, message, reason.remedy, at))
