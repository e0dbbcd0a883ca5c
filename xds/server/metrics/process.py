"""Figures of the process: the build, the garbage collector, the event loop and the log."""

import asyncio
import gc
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

LOOP_SAMPLE_SECONDS: Final = 0.1
"""Interval between two samples of the event loop. A block of this length or longer is always met, a shorter one as
often as its share of the interval. Ten samples a second take 0.02 % of a processor.
"""

_LOOP_DELAY_BUCKETS_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""uvloop's timers count whole milliseconds, so that less than the first bound is noise."""


class BuildInfo(Collector):
    """The versions of this program, of Python and of gRPC."""

    def __init__(self) -> None:
        self._labels = {
            "version": version("xds-ingress"),
            "python_version": platform.python_version(),
            "grpc_version": grpc.__version__,
        }

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("xds_ingress_build_info", "Versions in use.", labels=list(self._labels))
        family.add_metric(list(self._labels.values()), 1)
        yield family


class GarbageCollector(Collector):
    """Python's garbage collector: prometheus-client's collector, whose names take no prefix, with the prefix."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        families = {
            key: CounterMetricFamily(f"xds_ingress_gc_{name}", documentation, labels=["generation"])
            for key, name, documentation in (
                ("collections", "collections", "Runs of the garbage collector."),
                ("collected", "objects_collected", "Objects that the garbage collector freed."),
                ("uncollectable", "objects_uncollectable", "Objects that the garbage collector could not free."),
            )
        }
        for generation, stats in enumerate(gc.get_stats()):
            for key, family in families.items():
                family.add_metric([str(generation)], stats[key])
        yield from families.values()


class LoopDelay:
    """Samples how late the event loop runs a timer: the time for which other work kept it busy.

    Args:
        clock: Seconds, monotonic; finer than the event loop's own clock.
    """

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._histogram = Histogram(
            "xds_ingress_event_loop_delay_seconds",
            "Delay of a timer of the event loop, sampled every 0.1 s.",
            buckets=_LOOP_DELAY_BUCKETS_SECONDS,
            registry=registry,
        )

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            due = self._clock() + LOOP_SAMPLE_SECONDS
            await asyncio.sleep(LOOP_SAMPLE_SECONDS)
            self._histogram.observe(max(0.0, self._clock() - due))


class LogCollector(Collector):
    """Reads the number of lost log lines at each scrape."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped

    def collect(self) -> Iterator[CounterMetricFamily]:
        documentation = "Log lines that could not be written to standard error."
        yield CounterMetricFamily("xds_ingress_log_lines_dropped", documentation, self._dropped())
