"""EDS: a backend's endpoints as a ClusterLoadAssignment."""

from collections.abc import Iterable
from typing import Final

from xds.resources import names
from xds.resources.envoy import (
    Address,
    ClusterLoadAssignment,
    Endpoint,
    HealthStatus,
    LbEndpoint,
    Locality,
    LocalityLbEndpoints,
    SocketAddress,
)
from xds.translate.model import BackendKey, Health
from xds.translate.model import Endpoint as BackendEndpoint
from xds.translate.model import Locality as Zone

# Named as strings, the members would be looked up at import.
_HEALTH: Final = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING"}


def cluster_load_assignment(key: BackendKey, zones: Iterable[Zone]) -> ClusterLoadAssignment:
    """Empty where there are no endpoints: a cluster without an assignment would warm for ever."""
    return ClusterLoadAssignment(
        cluster_name=names.cluster(key),
        endpoints=[
            LocalityLbEndpoints(
                locality=Locality(zone=zone.zone),
                lb_endpoints=[_endpoint(endpoint) for endpoint in zone.endpoints],
            )
            for zone in zones
        ],
    )


def _endpoint(endpoint: BackendEndpoint) -> LbEndpoint:
    address = Address(socket_address=SocketAddress(address=endpoint.address, port_value=endpoint.port))
    return LbEndpoint(endpoint=Endpoint(address=address), health_status=HealthStatus[_HEALTH[endpoint.health]])
