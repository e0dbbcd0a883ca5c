"""Envoy's statistics: the ones that dashboards and alerts use, and the buckets of histograms."""

from datetime import timedelta
from typing import Final

from xds.envoyapi.messages import (
    HistogramBucketSettings,
    ListStringMatcher,
    RegexMatcher,
    StatsConfig,
    StatsMatcher,
    StringMatcher,
)
from xds.resources import traffic_metrics

EVICTION_INTERVAL: Final = timedelta(minutes=30)
"""An Ingress without requests for so long loses its figures, at the latest after twice the time."""

DURATION_BUCKETS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000)
"""Milliseconds. Envoy's own 19 buckets reach from half a millisecond to an hour."""

_FAMILIES: Final = (
    "cluster_manager.",
    "control_plane.",
    "envoy.overload_actions.",
    "filesystem.",
    "listener_manager.",
    "overload.",
    "runtime.",
    "server.",
    "tracing.",
    "extension_config_discovery.",
    "proxy_proto.",
    f"{traffic_metrics.PREFIX}.",
)
"""Beginnings of the names of metrics."""

_OF_CLUSTERS: Final = (
    "upstream_rq_(total|active|pending_active|pending_overflow|timeout|per_try_timeout|rx_reset|time|[1-5]xx)",
    "upstream_rq_retry(_success|_limit_exceeded)?",
    "upstream_cx_(total|active|connect_fail|connect_timeout|connect_attempts_exceeded|overflow|none_healthy)",
    "membership_(total|healthy)",
    r"ssl\.(connection_error|handshake|fail_.*)",
    r"udp\.sess_(rx_datagrams(_dropped)?|rx_errors|tx_datagrams|tx_errors)",
)
"""Names of a cluster's metrics, as expressions, without the prefix `cluster.NAME.`"""

_OF_LISTENERS: Final = (
    "downstream_rq_(total|active|timeout|rx_reset|tx_reset|overload_close|too_many_premature_resets|time|[1-5]xx)",
    "downstream_cx_(total|active|rx_bytes_total|tx_bytes_total|protocol_error|overload_disable_keepalive)",
    "rq_(direct_response|redirect|overload_local_reply)",
    "no_route",
    r"(ext_authz|tracing)\..*",
    r"lua\.errors",
    r"rds\..*\.update_(rejected|success)",
)
"""Names of metrics of a listener's HTTP, as expressions, without the prefix `http.NAME.`"""

_OF_ADDRESSES: Final = (
    "downstream_cx_(total|active|overflow|overload_reject|transport_socket_connect_timeout)",
    "downstream_global_cx_overflow",
    "no_filter_chain_match",
    r"ssl\.(connection_error|handshake|fail_.*)",
    r"udp\.downstream_rx_datagram_dropped",
)
"""Names of metrics of a listener's address, as expressions, without the prefix `listener.ADDRESS.`; a port of layer 4
has `tcp_9000` or `udp_5353` in place of the address."""

_OF_CONNECTIONS: Final = ("downstream_cx_(total|no_route|rx_bytes_total|tx_bytes_total)", "idle_timeout")
"""Names of metrics of a TCP port or of TLS passthrough, as expressions, without the prefix `tcp.tcp_9000.`"""

_OF_SESSIONS: Final = (
    "downstream_sess_(total|active|no_route|rx_bytes|rx_datagrams|rx_errors|tx_bytes|tx_datagrams|tx_errors)",
    "idle_timeout",
)
"""Names of metrics of a UDP port, as expressions, without the prefix `udp.udp_5353.`"""


def stats_config(*, keeps_all: bool) -> StatsConfig:
    """The configuration of statistics.

    Args:
        keeps_all: Whether all statistics exist: some 250 for each cluster with traffic.
    """
    names = (
        rf"cluster\.[^.]+\.({'|'.join(_OF_CLUSTERS)})",
        r"cluster\.xds\.upstream_cx_destroy_remote",
        rf"http\.https?\.({'|'.join(_OF_LISTENERS)})",
        rf"listener\.([0-9a-f._\[\]]+|(tcp|udp)_\d+)\.({'|'.join(_OF_ADDRESSES)})",
        rf"tcp\.[^.]+\.({'|'.join(_OF_CONNECTIONS)})",
        rf"udp\.[^.]+\.({'|'.join(_OF_SESSIONS)})",
        r"rate_limits\.http_local_rate_limit\.\w+",
        r"sds\..*\.update_rejected",
    )
    kept = [StringMatcher(prefix=family) for family in _FAMILIES] + [_regex(name) for name in names]
    matcher = StatsMatcher(inclusion_list=ListStringMatcher(patterns=kept))
    return StatsConfig(
        stats_matcher=None if keeps_all else matcher,
        histogram_bucket_settings=[
            HistogramBucketSettings(match=_regex(name), buckets=[*DURATION_BUCKETS])
            for name in (
                rf"{traffic_metrics.PREFIX}\.{traffic_metrics.DURATION}.*",
                r"cluster\.[^.]+\.upstream_rq_time",
                r"http\.https?\.downstream_rq_time",
            )
        ],
    )


def _regex(text: str) -> StringMatcher:
    return StringMatcher(safe_regex=RegexMatcher(regex=text))
