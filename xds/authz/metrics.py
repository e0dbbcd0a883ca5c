"""Metrics of `xds authz`. None has a label of a user, an Ingress or a host."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.authz.hashes import SLOW

_PREFIX: Final = "xds_ingress_authz"

_HASH_BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Figures(Collector):
    """Figures of the checks, read at each scrape.

    Attributes:
        results: Number of checks by result; incremented by the service.
        cached: Number of checks answered from the cache.
        slots: Most hashes at once.
        waiting: Number of waiting checks.
        running: Number of hashes in computation.
        answers: Number of answers in the cache.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace=_PREFIX, registry=self.registry)
        self.results: dict[str, int] = {}
        self.cached = 0
        self.slots = 0
        self.waiting: Callable[[], int] = int
        self.running: Callable[[], int] = int
        self.answers: Callable[[], int] = int
        self._hashes = Histogram(
            f"{_PREFIX}_hash_seconds",
            "Time to compute a hash, without waiting.",
            labelnames=["kind"],
            buckets=_HASH_BUCKETS_SECONDS,
            registry=self.registry,
        )
        for kind in sorted(set(SLOW.values())):
            self._hashes.labels(kind)
        self.registry.register(self)

    def note_hash(self, kind: str, seconds: float) -> None:
        self._hashes.labels(kind).observe(seconds)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        checks = CounterMetricFamily(f"{_PREFIX}_checks", "Checks by result.", labels=["result"])
        for result, count in self.results.items():
            checks.add_metric([result], count)
        yield checks
        yield CounterMetricFamily(f"{_PREFIX}_cached", "Checks answered from the cache.", self.cached)
        for name, documentation, value in (
            ("cache_answers", "Answers in the cache.", self.answers()),
            ("waiting", "Checks that wait for a hash.", self.waiting()),
            ("hashes_running", "Hashes in computation.", self.running()),
            ("max_hashes", "Most hashes at once.", self.slots),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value)
