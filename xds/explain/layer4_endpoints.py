"""The endpoints of a layer-4 backend in words, by zone."""

from collections.abc import Iterable
from dataclasses import dataclass

from xds.explain.explanation import ExplainStep
from xds.kube.objects import EndpointSlice
from xds.problems.problem import ObjectRef
from xds.traffic.backends import Backend
from xds.traffic.endpoints import Health, Locality
from xds.translate.endpoints import canonical_address, localities


@dataclass(frozen=True, slots=True)
class UsedBackend:
    """A backend in use, with the EndpointSlices of its Service."""

    backend: Backend
    slices: tuple[EndpointSlice, ...]


@dataclass(frozen=True, slots=True)
class EndpointCounts:
    """The endpoints of a backend.

    Attributes:
        healthy: Number of endpoints that get new connections.
        draining: Number of endpoints that keep the connections they have.
        is_dns: Whether the endpoints are the addresses of a name in DNS, which nobody counts here.
    """

    healthy: int = 0
    draining: int = 0
    is_dns: bool = False

    @property
    def any_healthy(self) -> bool:
        return self.is_dns or self.healthy > 0


def counted(used: UsedBackend) -> EndpointCounts:
    """The endpoints of a backend. Goes through all of them, and may run in any thread."""
    if used.backend.external_name:
        return EndpointCounts(is_dns=True)
    healthy, draining = _counts(localities(used.backend, used.slices))
    return EndpointCounts(healthy, draining)


def endpoints_step(used: UsedBackend) -> ExplainStep:
    """The step `endpoints`. Goes through all endpoints, and may run in any thread."""
    if used.backend.external_name:
        text = f"the addresses of {used.backend.external_name} in DNS"
        return ExplainStep("endpoints", text, (ObjectRef("Service", *used.backend.key.service_key),))
    zones = localities(used.backend, used.slices)
    healthy, draining = _counts(zones)
    parts = [f"{healthy} healthy", f"{draining} draining"]
    if left_out := _left_out(used, zones):
        parts.append(left_out)
    text = ", ".join(parts) + _by_zone(zones)
    if not used.slices:
        text = "none: the Service has no EndpointSlice; check that its selector matches existing Pods"
    return ExplainStep("endpoints", text, tuple(each.ref for each in used.slices))


def _counts(zones: Iterable[Locality]) -> tuple[int, int]:
    found = [endpoint.health for zone in zones for endpoint in zone.endpoints]
    healthy = sum(health is Health.HEALTHY for health in found)
    return healthy, len(found) - healthy


def _by_zone(zones: tuple[Locality, ...]) -> str:
    """The counts of each zone; empty if the EndpointSlices name none."""
    if not any(zone.zone for zone in zones):
        return ""
    texts = []
    for zone in zones:
        healthy, draining = _counts([zone])
        drains = f" and {draining} draining" if draining else ""
        texts.append(f"{zone.zone or 'no zone'} has {healthy} healthy{drains}")
    return "; " + ", ".join(texts)


def _left_out(used: UsedBackend, zones: tuple[Locality, ...]) -> str:
    """The endpoints that no proxy gets, and why; empty if there is none."""
    served = {endpoint.address for zone in zones for endpoint in zone.endpoints}
    listed = {
        canonical_address(each.addresses[0]): bool(each.conditions and each.conditions.ready is False)
        for slice_ in used.slices
        for each in slice_.endpoints or ()
        if each.addresses
    }
    unready = sum(waits for address, waits in listed.items() if address not in served)
    portless = sum(not waits for address, waits in listed.items() if address not in served)
    texts = [f"{unready} left out as not ready"] if unready else []
    texts += [f"{portless} left out without the Service's port"] if portless else []
    return ", ".join(texts)
