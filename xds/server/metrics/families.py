"""Families of metrics with one label, from figures that are read at a scrape."""

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


def gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A gauge with a series for each value of the label."""
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def counter(name: str, documentation: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    """A counter with a series for each value of the label."""
    family = CounterMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
