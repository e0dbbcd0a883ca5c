"""EDS: a backend's endpoints as a ClusterLoadAssignment."""

from collections.abc import Iterable
from typing import Any, Final

from xds.envoyapi.messages import ClusterLoadAssignment
from xds.resources import names
from xds.traffic.backends import BackendKey
from xds.traffic.endpoints import Endpoint, Health, Locality

_HEALTH_STATUS: Final = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING"}


def cluster_load_assignment(key: BackendKey, zones: Iterable[Locality]) -> ClusterLoadAssignment:
    """The endpoints of a backend, empty if it has none: a cluster without a ClusterLoadAssignment warms for ever.

    upb builds the endpoints from dicts in a fifth of the time that constructors take.
    """
    endpoints: Any = [
        {"locality": {"zone": zone.zone}, "lb_endpoints": [_endpoint(endpoint) for endpoint in zone.endpoints]}
        for zone in zones
    ]
    return ClusterLoadAssignment(cluster_name=names.cluster(key), endpoints=endpoints)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """The fields of an LbEndpoint."""
    address = {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}
    return {"endpoint": {"address": address}, "health_status": _HEALTH_STATUS[endpoint.health]}
