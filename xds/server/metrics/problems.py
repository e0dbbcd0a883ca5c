"""Gauges of open problems."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.problems.reasons import Reason


class ProblemCollector(Collector):
    """Reads the number of problems at each scrape.

    Args:
        by_reason: Number of open problems; a reason without one may be missing.
        held: Number of Ingresses that stay served although their class turned away.
    """

    def __init__(self, by_reason: Callable[[], Mapping[str, int]], held: Callable[[], int]) -> None:
        self._by_reason = by_reason
        self._held = held

    def collect(self) -> Iterator[GaugeMetricFamily]:
        problems = GaugeMetricFamily(
            "xds_ingress_problems", "Open problems of Kubernetes objects.", labels=["reason", "level"]
        )
        counts = self._by_reason()
        for reason in Reason:
            problems.add_metric([reason.value, reason.level.value], counts.get(reason, 0))
        yield problems
        yield GaugeMetricFamily(
            "xds_ingress_withdrawals_held",
            "Ingresses that stay served although their IngressClass turned away.",
            self._held(),
        )
