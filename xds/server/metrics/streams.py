"""Events of streams: responses and their answers, streams that were refused, and the time to converge."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from xds.server.metrics.families import counter
from xds.snapshot.resource import ResourceType

_CONVERGENCE_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RefusedReason(StrEnum):
    """Reasons for which a stream ended before its proxy got a response."""

    CERTIFICATE = "certificate"
    """The certificate doesn't name the node."""
    INVALID_REQUEST = "invalid_request"
    """The first request can't be read, or lacks the node."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """The proxy's Envoy is older than the oldest one that is served."""


class StreamMetrics:
    """The events that the ADS service counts, at the cost of an addition for each response."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.pushes = TypeTally("xds_ingress_pushes", "Responses sent to proxies.")
        self.push_bytes = TypeTally("xds_ingress_push_bytes", "Bytes of responses sent to proxies.")
        self.acks = TypeTally("xds_ingress_acks", "Responses accepted by proxies.")
        self.nacks = TypeTally("xds_ingress_nacks", "Responses rejected by proxies.")
        for tally in (self.pushes, self.push_bytes, self.acks, self.nacks):
            registry.register(tally)
        self.refused = Counter(
            "xds_ingress_proxies_refused",
            "Streams that ended before their proxy got a response.",
            labelnames=["reason"],
            registry=registry,
        )
        start_at_zero(self.refused, RefusedReason)
        self.ended_unread = Counter(
            "xds_ingress_streams_ended_unread",
            "Streams that ended while the proxy had read or answered nothing for 10 s.",
            registry=registry,
        )
        self.convergence = Histogram(
            "xds_ingress_convergence_seconds",
            "Time from reading a change to the last proxy's ACK or NACK.",
            buckets=_CONVERGENCE_BUCKETS_SECONDS,
            registry=registry,
        )


class TypeTally(Collector):
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
        by_type = {type_.short: count for type_, count in self.counts.items()}
        yield counter(self._name, self._documentation, "type", by_type)


def start_at_zero(figure: Counter, labels: Iterable[str]) -> None:
    """Make a series for each label: Prometheus sees no increase in a series that appears with 1."""
    for each in labels:
        figure.labels(each)
