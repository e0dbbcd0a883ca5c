"""The registry of one server, with the metrics that count events. Collectors read the other figures at each scrape."""

from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector

from xds.server.metrics.process import BuildInfo, GarbageCollector, LoopDelay
from xds.server.metrics.streams import StreamMetrics

_ROUTING_BUCKETS_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one server, in a registry without those of other servers.

    Attributes:
        streams: Counted by the ADS service.
        routing: Observes each routing job.
        loop_delay: Samples the event loop, while its `run` runs.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        registry.register(BuildInfo())
        ProcessCollector(namespace="xds_ingress", registry=registry)
        registry.register(GarbageCollector())
        self.streams = StreamMetrics(registry)
        self.loop_delay = LoopDelay(registry)
        self.routing = Histogram(
            "xds_ingress_routing_seconds",
            "Time from the start of a routing job until its resources are built, with pauses for endpoint changes.",
            buckets=_ROUTING_BUCKETS_SECONDS,
            registry=registry,
        )
