"""Gauges of the wanted snapshot."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Store


class SnapshotCollector(Collector):
    """Reads the store at each scrape.

    Args:
        committed_at: Unix time of the newest revision; 0 before the first one.
    """

    def __init__(self, store: Store, committed_at: Callable[[], float]) -> None:
        self._store = store
        self._committed_at = committed_at

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("xds_ingress_snapshot_revision", "Number of the newest revision.", self._store.revision)
        yield GaugeMetricFamily(
            "xds_ingress_snapshot_committed_timestamp_seconds",
            "Unix time of the newest revision; 0 before the first one.",
            self._committed_at(),
        )
        versions = GaugeMetricFamily(
            "xds_ingress_snapshot_info",
            "Version of all resources of a type: equal on replicas with the same resources.",
            labels=["type", "version"],
        )
        resources = GaugeMetricFamily("xds_ingress_resources", "Resources in the wanted snapshot.", labels=["type"])
        for type_ in ResourceType:
            versions.add_metric([type_.short, self._store.version(type_)], 1)
            resources.add_metric([type_.short], len(self._store.resources(type_)))
        yield versions
        yield resources
