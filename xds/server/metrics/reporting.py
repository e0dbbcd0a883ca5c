"""Figures of the Lease, and of the statuses and Events that its holder writes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.server.metrics.families import counter, gauge


class ReportingFigures(Protocol):
    """The figures of Lease, Events and statuses; see `xds.reporting.reporter`."""

    @property
    def holder(self) -> str: ...
    @property
    def leads(self) -> bool: ...
    @property
    def writes(self) -> Mapping[str, Mapping[str, int]]: ...
    @property
    def failing(self) -> Mapping[str, int]: ...


_WRITES: Final = {
    "status": ("xds_ingress_status_writes", "Writes of an Ingress' status."),
    "gateway_status": ("xds_ingress_gateway_status_writes", "Writes of a status of the Gateway API."),
    "gateway_service": ("xds_ingress_gateway_service_writes", "Writes of the Service of a Gateway."),
    "event": ("xds_ingress_events", "Writes of Events."),
    "lease": ("xds_ingress_lease_writes", "Writes of the Lease."),
}


class ReportingCollector(Collector):
    """Reads the figures of reporting at each scrape.

    Args:
        figures: None while the reporter starts.
    """

    def __init__(self, figures: Callable[[], ReportingFigures | None]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        figures = self._figures()
        if figures is None:
            return
        yield GaugeMetricFamily(
            "xds_ingress_leader", "Whether this replica holds the Lease, and so writes.", figures.leads
        )
        holder = {figures.holder: 1} if figures.holder else {}
        yield gauge("xds_ingress_leader_info", "The holder of the Lease.", "holder", holder)
        for target, (name, documentation) in _WRITES.items():
            yield counter(name, documentation, "outcome", figures.writes[target])
        documentation = "Objects whose last write failed, tried again later."
        yield gauge("xds_ingress_writes_failing", documentation, "target", figures.failing)
