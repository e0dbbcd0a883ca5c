"""Health of endpoints as proxies find it, and limits of requests and connections, from the settings of a Service."""

from datetime import timedelta
from functools import cache
from typing import Final

from xds.envoyapi.messages import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    CodecClientType,
    HealthCheck,
    HealthCheckHttpHealthCheck,
    HealthCheckTlsOptions,
    OutlierDetection,
)
from xds.traffic.backends import Backend
from xds.traffic.service_settings import ServiceSettings
from xds.traffic.upstream import BackendProtocol

CIRCUIT_BREAKER_LIMIT: Final = 1_000_000
"""In effect no limit. Envoy's default of 1,024 connections, pending and active requests a cluster leads to 503 under a
load that the backends would bear: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking
"""

_JITTER_PERCENT: Final = 10
"""Of the interval: keeps the checks of a fleet that started at once apart."""

_MAX_EJECTED_PERCENT: Final = 50
"""Of the endpoints; the only one of a Service is never ejected. Envoy's 10 would eject none of nine."""

_EJECTION: Final = timedelta(seconds=30)


@cache
def circuit_breakers(settings: ServiceSettings) -> CircuitBreakers:
    limit = CIRCUIT_BREAKER_LIMIT
    thresholds = CircuitBreakersThresholds(
        max_connections=settings.max_connections or limit,
        max_pending_requests=settings.max_requests or limit,
        max_requests=settings.max_requests or limit,
        max_retries=limit,
    )
    return CircuitBreakers(thresholds=[thresholds])


def health_checks(backend: Backend) -> list[HealthCheck]:
    """The active check of a backend's endpoints; an answer with 200 is a pass."""
    check = backend.settings.health_check
    if check is None:
        return []
    is_http2 = backend.protocol in (BackendProtocol.H2C, BackendProtocol.GRPCS)
    request = HealthCheckHttpHealthCheck(
        # Envoy would send the name of the cluster, which is no host.
        host=backend.host or f"{backend.key.service}.{backend.key.namespace}.svc",
        path=check.path,
        codec_client_type=CodecClientType.HTTP2 if is_http2 else CodecClientType.HTTP1,
    )
    return [
        HealthCheck(
            timeout=check.timeout,
            interval=check.interval,
            interval_jitter_percent=_JITTER_PERCENT,
            # Without requests, too: the first one must not find an endpoint that nobody looked at for a minute.
            no_traffic_interval=check.interval,
            healthy_threshold=check.healthy,
            unhealthy_threshold=check.unhealthy,
            http_health_check=request,
            tls_options=HealthCheckTlsOptions(alpn_protocols=["h2" if is_http2 else "http/1.1"])
            if backend.protocol.uses_tls
            else None,
        )
    ]


def outlier_detection(settings: ServiceSettings) -> OutlierDetection | None:
    """Five failed requests in a row eject an endpoint, for longer each time."""
    if not settings.detects_outliers:
        return None
    return OutlierDetection(
        consecutive_5xx=5,
        base_ejection_time=_EJECTION,
        max_ejection_percent=_MAX_EJECTED_PERCENT,
        # Comparing success rates needs many requests, and ejects the slowest of healthy endpoints.
        enforcing_success_rate=0,
    )
