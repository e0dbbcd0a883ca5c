"""Metrics of the traffic of each Ingress and each route of the Gateway API.

Envoy counts a request at its end, by a logger beside the access log. Envoy's own answers count too. The metrics are
among Envoy's others, as `envoy_ingress_…`.
"""

import json
from collections.abc import Mapping
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLog,
    AccessLogFilter,
    HeaderFilter,
    HeaderMatcher,
    Scope,
    StatsAccessLog,
    StatsAccessLogCounter,
    StatsAccessLogHistogram,
    StatsAccessLogHistogramUnit,
    StatsAccessLogStat,
    StatsAccessLogTag,
)
from xds.resources.filters.error_pages import MARKER
from xds.resources.options import ProxyOptions
from xds.resources.origin import origin_operators

PREFIX: Final = "ingress"
"""The beginning of the names of the statistics, and the name of the scope that all listeners share."""

DURATION: Final = "request_duration_milliseconds"

MAX_COUNTERS: Final = 200_000
MAX_HISTOGRAMS: Final = 25_000
"""The most series of an Envoy: enough for 25,000 pairs of an Ingress and a Service. Envoy drops further series."""

_CODE_CLASS: Final = json.dumps(
    {"operators": [{"command": "RESP", "param": ":STATUS", "max_length": 1}, "RESPONSE_CODE"]}, separators=(",", ":")
)
"""The first digit of the status; 0 for requests that ended without an answer."""


def traffic_metrics(options: ProxyOptions, routes: str) -> list[AccessLog]:
    """The logger of a listener with the named route configuration: at most one."""
    if not options.traffic_metrics:
        return []
    origin = origin_operators(routes)
    by_class = origin | {"code_class": f"%COALESCE({_CODE_CLASS})%xx"}
    config = StatsAccessLog(
        stats_scope=scope(),
        counters=[
            StatsAccessLogCounter(stat=_stat("requests", by_class), value_fixed=1),
            StatsAccessLogCounter(stat=_stat("request_bytes", origin), value_format="%BYTES_RECEIVED%"),
            StatsAccessLogCounter(stat=_stat("response_bytes", origin), value_format="%BYTES_SENT%"),
        ],
        histograms=[
            StatsAccessLogHistogram(
                stat=_stat(DURATION, origin), unit=StatsAccessLogHistogramUnit.Milliseconds, value_format="%DURATION%"
            )
        ],
    )
    return [AccessLog(name="envoy.access_loggers.stats", typed_config=codec.pack(config), filter=_answered())]


def scope() -> Scope:
    """The scope of all metrics of traffic, which all listeners share."""
    return Scope(
        prefix=PREFIX,
        sharing_name=PREFIX,
        enable_eviction=True,
        max_counters=MAX_COUNTERS,
        max_histograms=MAX_HISTOGRAMS,
    )


def _answered() -> AccessLogFilter:
    """Leaves out the first of two turns of a request that an error page answers: the second turn counts."""
    return AccessLogFilter(
        header_filter=HeaderFilter(header=HeaderMatcher(name=MARKER, present_match=True, invert_match=True))
    )


def _stat(name: str, labels: Mapping[str, str]) -> StatsAccessLogStat:
    tags = [StatsAccessLogTag(name=label, value_format=operator) for label, operator in labels.items()]
    return StatsAccessLogStat(name=name, tags=tags)
