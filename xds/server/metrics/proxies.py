"""Gauges of the connected proxies."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.protocol.stuck import StuckReason
from xds.server.metrics.families import gauge
from xds.snapshot.resource import ResourceType


class Proxies(Protocol):
    """The figures of the ADS service; see `xds.server.ads`."""

    @property
    def connected(self) -> int: ...
    def behind_counts(self) -> Mapping[ResourceType, int]: ...
    def rejecting_counts(self) -> Mapping[ResourceType, int]: ...
    def stuck_counts(self) -> Mapping[StuckReason, int]: ...


class ProxyCollector(Collector):
    """Reads the state of the proxies at each scrape."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "xds_ingress_proxies_connected", "Proxies with an open ADS stream.", self._proxies.connected
        )
        for name, documentation, counts in (
            (
                "xds_ingress_proxies_behind",
                "Proxies with a response unanswered for 5 s.",
                self._proxies.behind_counts(),
            ),
            (
                "xds_ingress_proxies_rejecting",
                "Proxies that reject a resource and keep an older one.",
                self._proxies.rejecting_counts(),
            ),
        ):
            by_type = {type_.short: counts.get(type_, 0) for type_ in ResourceType}
            yield gauge(name, documentation, "type", by_type)
        stuck = {reason.replace(" ", "_"): count for reason, count in self._proxies.stuck_counts().items()}
        yield gauge("xds_ingress_proxies_stuck", "Proxies without progress.", "reason", stuck)
