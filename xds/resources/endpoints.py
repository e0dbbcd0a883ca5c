"""EDS: a backend's endpoints as a ClusterLoadAssignment."""

from collections.abc import Iterable
from typing import Any, Final

from xds.envoyapi.messages import ClusterLoadAssignment
from xds.resources import names
from xds.traffic.model import BackendKey, Endpoint, Health, Locality

_HEALTH: Final = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING"}


def cluster_load_assignment(key: BackendKey, zones: Iterable[Locality]) -> ClusterLoadAssignment:
    """Empty where there are no endpoints: a cluster without an assignment would warm for ever.

    From dicts, of which upb makes messages itself: that takes a fifth of the time of a constructor for each.
    """
    endpoints: Any = [
        {"locality": {"zone": zone.zone}, "lb_endpoints": [_endpoint(endpoint) for endpoint in zone.endpoints]}
        for zone in zones
    ]
    return ClusterLoadAssignment(cluster_name=names.cluster(key), endpoints=endpoints)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """A LbEndpoint."""
    address = {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}
    return {"endpoint": {"address": address}, "health_status": _HEALTH[endpoint.health]}
