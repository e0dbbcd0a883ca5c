"""The filter that passes the bytes of a TCP connection on, for ports of TCP and for TLS that is not terminated."""

from collections.abc import Sequence
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLog,
    Filter,
    HashPolicy,
    HashPolicySourceIp,
    TcpProxy,
    TcpProxyWeightedCluster,
    TcpProxyWeightedClusterClusterWeight,
)
from xds.resources import names
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import Layer4Policy, Share

NO_CLUSTER: Final = "none"
"""A name that no cluster has: Envoy closes connections for which the name is chosen, and drops datagrams."""


def tcp_proxy(stat_prefix: str, shares: Sequence[Share], policy: Layer4Policy, access_log: list[AccessLog]) -> Filter:
    """The filter. Envoy drains the connections of a filter chain whose filter changes.

    Args:
        stat_prefix: In the names of statistics, after `tcp.`
        shares: At least one.
        policy: The treatment of connections.
        access_log: The loggers of connections.
    """
    weighted = [
        TcpProxyWeightedClusterClusterWeight(name=cluster_name(share.backend), weight=share.weight) for share in shares
    ]
    proxy = TcpProxy(
        stat_prefix=stat_prefix,
        cluster=weighted[0].name if len(weighted) == 1 else None,
        weighted_clusters=TcpProxyWeightedCluster(clusters=weighted) if len(weighted) > 1 else None,
        idle_timeout=policy.idle_timeout,
        max_connect_attempts=policy.connect_attempts,
        hash_policy=[HashPolicy(source_ip=HashPolicySourceIp())] if policy.keeps_client else [],
        access_log=access_log,
    )
    return Filter(name="envoy.filters.network.tcp_proxy", typed_config=codec.pack(proxy))


def cluster_name(backend: BackendKey | None) -> str:
    """The cluster of a share; NO_CLUSTER for a share without a backend."""
    return names.cluster(backend) if backend else NO_CLUSTER
