"""The cluster of `xds authz`, which each proxy asks beside itself."""

from datetime import timedelta
from typing import Final

from xds.address import HostPort, UnixPath, is_ip
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
    ClusterHttpProtocolOptions,
    ClusterLoadAssignment,
    Endpoint,
    Http2ProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    LbEndpoint,
    LocalityLbEndpoints,
)
from xds.resources import names
from xds.resources.addresses import process_address

AUTHZ_CONNECT_TIMEOUT: Final = timedelta(seconds=1)
"""Of a process on the same machine."""


MAX_CHECKS: Final = 8_192
"""Most open checks of a proxy, as many as `xds authz` takes; beyond, a request is 503. Envoy's 1,024 are a second's."""


def authz_cluster(address: HostPort | UnixPath) -> Cluster:
    """The cluster, which a proxy's start doesn't wait for: a request that needs `xds authz` answers 503 meanwhile."""
    by_dns = isinstance(address, HostPort) and not is_ip(address.host)
    endpoint = LbEndpoint(endpoint=Endpoint(address=process_address(address)))
    http2 = HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    return Cluster(
        name=names.AUTHZ,
        type=ClusterDiscoveryType.STRICT_DNS if by_dns else ClusterDiscoveryType.STATIC,
        load_assignment=ClusterLoadAssignment(
            cluster_name=names.AUTHZ, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        wait_for_warm_on_init=False,
        connect_timeout=AUTHZ_CONNECT_TIMEOUT,
        circuit_breakers=CircuitBreakers(
            thresholds=[CircuitBreakersThresholds(max_pending_requests=MAX_CHECKS, max_requests=MAX_CHECKS)]
        ),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": codec.pack(
                ClusterHttpProtocolOptions(explicit_http_config=http2)
            )
        },
    )
