"""Gauges of Ingresses by state, and of open problems."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.explain.ingress import Acceptance
from xds.explain.overview import OURS
from xds.problems.reasons import Reason
from xds.server.metrics.families import gauge


class IngressCollector(Collector):
    """Reads the states of Ingresses at each scrape.

    Args:
        by_acceptance: Number of Ingresses, as of the last sweep of the overview.
    """

    def __init__(self, by_acceptance: Callable[[], Mapping[Acceptance, int]]) -> None:
        self._by_acceptance = by_acceptance

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counts = self._by_acceptance()
        by_state = {each.replace(" ", "_"): counts.get(each, 0) for each in OURS}
        yield gauge("xds_ingress_ingresses", "Ingresses of our classes by state.", "state", by_state)


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
