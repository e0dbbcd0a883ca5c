"""EDS: a backend's endpoints as a ClusterLoadAssignment.

Each endpoint change passes here on its way to the fleet. So the message has two forms: `cluster_load_assignment` is the
definition, in typed messages. `encoded` makes the same bytes in a fourth of the time, as a test holds.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from xds.envoyapi.messages import ClusterLoadAssignment
from xds.resources import names
from xds.traffic.backends import BackendKey
from xds.traffic.endpoints import Endpoint, Health, Locality

_HEALTH_STATUS: Final = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING"}
_HEALTH_NUMBER: Final = {Health.HEALTHY: 1, Health.DRAINING: 3}

_ALL_TO_THE_FIRST: Final = 1_000_000
"""Percent. One healthy endpoint among thousands gets all requests, before the endpoints of the next priority get one.

Source: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
"""

_LB_ENDPOINT: Final = b"\x12%c\x0a%c\x0a%c\x0a%c\x12%c%b\x18%b\x10%c"
"""LocalityLbEndpoints.lb_endpoints = 2 {endpoint = 1 {address = 1 {socket_address = 1 {address = 2, port_value = 3}}},
health_status = 2}, each message after its length.

Source: https://github.com/envoyproxy/envoy/blob/v1.40.0/api/envoy/config/endpoint/v3/endpoint_components.proto
"""


def cluster_load_assignment(key: BackendKey, zones: Iterable[Locality]) -> ClusterLoadAssignment:
    """The endpoints of a backend, empty if it has none: a cluster without a ClusterLoadAssignment warms for ever."""
    endpoints: Any = [
        {
            "locality": {"zone": zone.zone},
            "lb_endpoints": [_endpoint(endpoint) for endpoint in zone.endpoints],
            "priority": zone.priority,
        }
        for zone in zones
    ]
    policy: Any = {"overprovisioning_factor": {"value": _ALL_TO_THE_FIRST}} if key.is_joined else None
    return ClusterLoadAssignment(cluster_name=names.cluster(key), endpoints=endpoints, policy=policy)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """The fields of an LbEndpoint."""
    address = {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}
    return {"endpoint": {"address": address}, "health_status": _HEALTH_STATUS[endpoint.health]}


def encoded(key: BackendKey, zones: Iterable[Locality]) -> bytes:
    """The bytes of the `cluster_load_assignment`."""
    body = _field(1, names.cluster(key).encode()) + b"".join([_field(2, _locality(zone)) for zone in zones])
    return body + _field(4, _POLICY) if key.is_joined else body


def _locality(zone: Locality) -> bytes:
    """The fields of a LocalityLbEndpoints."""
    locality = _field(1, _field(2, zone.zone.encode()) if zone.zone else b"")
    endpoints = locality + b"".join([_lb_endpoint(*endpoint) for endpoint in zone.endpoints])
    return endpoints + b"\x28%c" % zone.priority if zone.priority else endpoints


def _lb_endpoint(address: str, port: int, health: Health) -> bytes:
    """An LbEndpoint as field. An IP address has at most 45 characters, so that each length is a byte."""
    text, number = address.encode(), _varint(port)
    size = len(text) + len(number) + 3
    fields = (size + 8, size + 4, size + 2, size, len(text), text, number, _HEALTH_NUMBER[health])
    return _LB_ENDPOINT % fields


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field: https://protobuf.dev/programming-guides/encoding/#structure."""
    return bytes((number << 3 | 2,)) + _varint(len(value)) + value


@lru_cache(maxsize=1024)
def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


_POLICY: Final = _field(3, b"\x08" + _varint(_ALL_TO_THE_FIRST))
"""ClusterLoadAssignment.Policy {overprovisioning_factor = 3 {value = 1}}."""
