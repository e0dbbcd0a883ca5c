"""Dates of certificates, the served ones and the control plane's own, and failed handshakes."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xds.problems.problem import Key
from xds.server.metrics.families import counter, gauge


class ServedCertificateCollector(Collector):
    """Reads the dates of served certificates at the first scrape after each change: there may be thousands.

    Args:
        certificates: The certificates in use: another object after each change.
        not_after: `notAfter` by Secret.
    """

    def __init__(self, certificates: Callable[[], object], not_after: Callable[[], Mapping[Key, datetime]]) -> None:
        self._certificates = certificates
        self._not_after = not_after
        self._of: object = None
        self._family = GaugeMetricFamily("none", "")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if self._of is not (certificates := self._certificates()):
            self._of, self._family = certificates, self._read()
        yield self._family

    def _read(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "xds_ingress_certificate_not_after_timestamp_seconds",
            "End (notAfter) of the certificate served from a Secret, as a Unix time.",
            labels=["secret_namespace", "secret"],
        )
        for key, date in self._not_after().items():
            family.add_metric([key.namespace, key.name], date.timestamp())
        return family


class TlsCollector(Collector):
    """Reads the state of mutual TLS at each scrape.

    Args:
        failed: Number of failed handshakes by cause.
        not_after: Unix time of the first end of a certificate by its use.
    """

    def __init__(self, failed: Mapping[str, int], not_after: Callable[[], Mapping[str, float]]) -> None:
        self._failed = failed
        self._not_after = not_after

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield counter("xds_ingress_tls_handshakes_failed", "Failed handshakes of --listen.", "cause", self._failed)
        yield gauge(
            "xds_ingress_tls_certificate_not_after_timestamp_seconds",
            "First end (notAfter) of a certificate of --listen, as a Unix time.",
            "use",
            self._not_after(),
        )
