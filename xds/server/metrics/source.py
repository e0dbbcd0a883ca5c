"""Figures of the source: a folder, or the watches of an API server."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.server.metrics.families import counter, gauge


class SourceCollector(Collector):
    """Reads the state of the source at each scrape.

    Args:
        is_current: Whether the known objects are as in the source.
        objects: Number of known objects by kind.
    """

    def __init__(self, is_current: Callable[[], bool], objects: Callable[[], Mapping[str, int]]) -> None:
        self._is_current = is_current
        self._objects = objects

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "xds_ingress_source_up", "Whether the known objects are as in the source.", self._is_current()
        )
        yield gauge("xds_ingress_objects", "Known Kubernetes objects.", "kind", self._objects())


class Watches(Protocol):
    """The figures of an API server's watches, each by kind; see `xds.sources.apiserver.source`."""

    def up(self) -> Mapping[str, bool]: ...
    def relists(self) -> Mapping[str, int]: ...
    def behind_since(self) -> Mapping[str, float]: ...


class WatchCollector(Collector):
    """Reads the state of the watches at each scrape."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        watches = self._watches
        yield gauge("xds_ingress_watch_up", "Whether a kind was listed, and its changes arrive.", "kind", watches.up())
        yield counter(
            "xds_ingress_watch_relists", "Complete lists of a kind after the first one.", "kind", watches.relists()
        )
        yield gauge(
            "xds_ingress_watch_behind_since_timestamp_seconds",
            "Unix time since which changes of a kind don't arrive; 0 if they do.",
            "kind",
            watches.behind_since(),
        )
