"""What Prometheus sees: counted where it happens, or asked for when it scrapes."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.protocol.stuck import StuckReason
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Store

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pushes = self._tally("xds_pushes", "Responses sent to proxies.")
        self.acks = self._tally("xds_acks", "Responses that proxies accepted.")
        self.nacks = self._tally("xds_nacks", "Responses that proxies rejected.")
        self.stuck = Counter(
            "xds_stuck_proxies",
            "Streams that ended when the proxy had not answered for 10 s, as one that does not read.",
            registry=self.registry,
        )
        self.propagation = Histogram(
            "xds_propagation_seconds",
            "From reading a change to the last proxy's ACK of it.",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def _tally(self, name: str, documentation: str) -> "Tally":
        tally = Tally(name, documentation)
        self.registry.register(tally)
        return tally


class Tally(Collector):
    """Counts by resource type, in `counts`, what happens for each stream and change: prometheus-client's own Counter
    takes a lock each time.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self.counts = dict.fromkeys(ResourceType, 0)
        self._name = name
        self._documentation = documentation

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._documentation, labels=["type"])
        for type_, count in self.counts.items():
            family.add_metric([type_.short], count)
        yield family


class StateCollector(Collector):
    """Reads the gauges off the state at each scrape. `problems` counts them by reason, and so does `stuck` proxies."""

    def __init__(
        self,
        store: Store,
        problems: Callable[[], Mapping[str, int]],
        connected: Callable[[], int],
        stuck: Callable[[], Mapping[StuckReason, int]],
    ) -> None:
        self._store = store
        self._problems = problems
        self._connected = connected
        self._stuck = stuck

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("xds_connected_proxies", "Proxies with an open ADS stream.", self._connected())
        stuck = GaugeMetricFamily("xds_proxies_stuck", "Proxies that get nowhere.", labels=["reason"])
        for why, count in self._stuck().items():
            stuck.add_metric([why.name.lower()], count)
        yield stuck
        yield GaugeMetricFamily("xds_snapshot_revision", "Number of the newest revision.", self._store.revision)
        resources = GaugeMetricFamily("xds_resources", "Resources in the snapshot.", labels=["type"])
        for type_ in ResourceType:
            resources.add_metric([type_.short], len(self._store.resources(type_)))
        yield resources
        problems = GaugeMetricFamily("xds_problems", "What could not be honoured.", labels=["reason"])
        for reason, count in sorted(self._problems().items()):
            problems.add_metric([reason], count)
        yield problems
