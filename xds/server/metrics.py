"""Metrics for Prometheus: counters and histograms updated by the server, and gauges read at each scrape."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xds.problems.problem import Key
from xds.protocol.stuck import StuckReason
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Store

_CONVERGENCE_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics of one server, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="xds_ingress", registry=self.registry)  # open and most descriptors, memory, CPU
        self.pushes = self._tally("xds_ingress_pushes", "Responses sent to proxies.")
        self.acks = self._tally("xds_ingress_acks", "Responses accepted by proxies.")
        self.nacks = self._tally("xds_ingress_nacks", "Responses rejected by proxies.")
        self.streams_ended_unread = Counter(
            "xds_ingress_streams_ended_unread",
            "Streams that ended while the proxy had read or answered nothing for 10 s.",
            registry=self.registry,
        )
        self.convergence = Histogram(
            "xds_ingress_convergence_seconds",
            "Time from reading a change to the last proxy's ACK or NACK.",
            buckets=_CONVERGENCE_BUCKETS_SECONDS,
            registry=self.registry,
        )

    def _tally(self, name: str, documentation: str) -> "Tally":
        tally = Tally(name, documentation)
        self.registry.register(tally)
        return tally


class Tally(Collector):
    """A counter by resource type, for events of each stream and change.

    prometheus-client's Counter would take a lock for each increment.

    Attributes:
        counts: Incremented by the server.
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


class TlsCollector(Collector):
    """Reads the state of mutual TLS at each scrape.

    Args:
        failed: Number of failed handshakes by cause.
        expiries: First end of a certificate, in seconds since 1970, by kind of file.
    """

    def __init__(self, failed: Mapping[str, int], expiries: Callable[[], Mapping[str, float]]) -> None:
        self._failed = failed
        self._expiries = expiries

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        failed = CounterMetricFamily(
            "xds_ingress_tls_handshakes_failed", "Failed handshakes of --listen.", labels=["cause"]
        )
        for cause, count in sorted(self._failed.items()):
            failed.add_metric([cause], count)
        yield failed
        expiry = GaugeMetricFamily(
            "xds_ingress_tls_expiry_timestamp_seconds", "First end of a certificate of --listen.", labels=["file"]
        )
        for file, timestamp in self._expiries().items():
            expiry.add_metric([file], timestamp)
        yield expiry


class ReportingFigures(Protocol):
    """The figures of Lease, Events and statuses; see `xds.reporting.reporter`."""

    @property
    def holder(self) -> str: ...
    @property
    def leads(self) -> bool: ...
    @property
    def failed(self) -> Mapping[str, int]: ...
    @property
    def failing(self) -> Mapping[str, int]: ...


class ReportingCollector(Collector):
    """Reads the figures of reporting at each scrape."""

    def __init__(self, figures: Callable[[], ReportingFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        figures = self._figures()
        yield GaugeMetricFamily(
            "xds_ingress_lease_held", "Whether this replica holds the Lease, and so writes.", figures.leads
        )
        holder = GaugeMetricFamily("xds_ingress_lease_holder", "The holder of the Lease.", labels=["holder"])
        if figures.holder:
            holder.add_metric([figures.holder], 1)
        yield holder
        failed = CounterMetricFamily("xds_ingress_failed_writes", "Writes that failed.", labels=["target"])
        failing = GaugeMetricFamily(
            "xds_ingress_failing_writes", "Objects whose last write failed, tried again later.", labels=["target"]
        )
        for target, count in figures.failed.items():
            failed.add_metric([target], count)
            failing.add_metric([target], figures.failing[target])
        yield failed
        yield failing


class WatchCollector(Collector):
    """Reads the state of the watches of an API server at each scrape.

    Args:
        behind_since: By kind, the Unix time since which a watch of the kind is behind; 0 if none is.
    """

    def __init__(self, behind_since: Callable[[], Mapping[str, float]]) -> None:
        self._behind_since = behind_since

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(
            "xds_ingress_watch_behind_since_timestamp_seconds",
            "Unix time since which changes of a kind don't arrive; 0 if they do.",
            labels=["kind"],
        )
        for kind, since in self._behind_since().items():
            gauge.add_metric([kind], since)
        yield gauge


class StateCollector(Collector):
    """Reads gauges from the server's state at each scrape.

    Args:
        problems: Number of problems by reason.
        connected: Number of open streams.
        stuck: Number of stuck proxies by reason.
        log_lines_dropped: Number of log lines dropped so far.
    """

    def __init__(
        self,
        store: Store,
        problems: Callable[[], Mapping[str, int]],
        connected: Callable[[], int],
        stuck: Callable[[], Mapping[StuckReason, int]],
        log_lines_dropped: Callable[[], int],
    ) -> None:
        self._store = store
        self._problems = problems
        self._connected = connected
        self._stuck = stuck
        self._log_lines_dropped = log_lines_dropped

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("xds_ingress_connected_proxies", "Proxies with an open ADS stream.", self._connected())
        stuck = GaugeMetricFamily("xds_ingress_proxies_stuck", "Proxies without progress.", labels=["reason"])
        for stuck_reason, count in self._stuck().items():
            stuck.add_metric([stuck_reason.replace(" ", "_")], count)
        yield stuck
        yield GaugeMetricFamily("xds_ingress_snapshot_revision", "Number of the newest revision.", self._store.revision)
        resources = GaugeMetricFamily("xds_ingress_resources", "Resources in the wanted snapshot.", labels=["type"])
        for type_ in ResourceType:
            resources.add_metric([type_.short], len(self._store.resources(type_)))
        yield resources
        problems = GaugeMetricFamily("xds_ingress_problems", "Open problems of Kubernetes objects.", labels=["reason"])
        for reason, count in sorted(self._problems().items()):
            problems.add_metric([reason], count)
        yield problems
        dropped = "Log lines that could not be written to standard error."
        yield CounterMetricFamily("xds_ingress_log_lines_dropped", dropped, self._log_lines_dropped())


class CertificateCollector(Collector):
    """Reads the dates of served certificates at each scrape.

    Args:
        expiry: `notAfter` by Secret.
    """

    def __init__(self, expiry: Callable[[], Mapping[Key, datetime]]) -> None:
        self._expiry = expiry

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "xds_ingress_certificate_expiry_timestamp_seconds",
            "Expiry (notAfter) of the certificate served from a Secret.",
            labels=["namespace", "secret"],
        )
        for key, date in sorted(self._expiry().items()):
            family.add_metric([key.namespace, key.name], date.timestamp())
        yield family
