"""Metrics of the connections and sessions of each Service, `envoy_ingress_layer4_…`.

Envoy counts at the end of a connection or session. Open connections are in the metrics of clusters and listeners.
"""

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLog,
    StatsAccessLog,
    StatsAccessLogCounter,
    StatsAccessLogStat,
    StatsAccessLogTag,
)
from xds.problems.problem import Key
from xds.resources.layer4.access_log import Fields
from xds.resources.options import ProxyOptions
from xds.resources.traffic_metrics import scope


def layer4_metrics(listener: str, service: Key, fields: Fields, options: ProxyOptions) -> list[AccessLog]:
    """The logger of a listener's connections or sessions: at most one.

    Args:
        listener: The name of the listener.
        service: The Service that gets the connections or sessions.
        fields: Of a line of the access log.
        options: Settings of the proxy.
    """
    if not options.traffic_metrics:
        return []
    labels = {"listener": listener, "service": str(service), "flags": "%RESPONSE_FLAGS%"}
    tags = [StatsAccessLogTag(name=label, value_format=value) for label, value in labels.items()]

    def stat(name: str) -> StatsAccessLogStat:
        return StatsAccessLogStat(name=f"layer4_{name}", tags=tags)

    config = StatsAccessLog(
        stats_scope=scope(),
        counters=[
            StatsAccessLogCounter(stat=stat("connections"), value_fixed=1),
            StatsAccessLogCounter(stat=stat("received_bytes"), value_format=str(fields["bytes_received"])),
            StatsAccessLogCounter(stat=stat("sent_bytes"), value_format=str(fields["bytes_sent"])),
        ],
    )
    return [AccessLog(name="envoy.access_loggers.stats", typed_config=codec.pack(config))]
