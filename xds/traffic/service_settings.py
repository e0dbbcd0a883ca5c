"""Settings of a Service for its clusters: health of endpoints, and limits."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A request that each proxy sends to each endpoint again and again. An answer with 200 is a pass.

    Attributes:
        path: With a query if there is one.
        interval: Between two checks of an endpoint by one proxy.
        timeout: For an answer.
        healthy: The number of passes in a row after which an endpoint gets requests again.
        unhealthy: The number of failures in a row after which an endpoint gets no more requests.
    """

    path: str
    interval: timedelta
    timeout: timedelta
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings. Equal settings are equal values.

    Attributes:
        health_check: None: endpoints are healthy as Kubernetes says.
        detects_outliers: Whether an endpoint whose requests fail gets none for a while.
        max_requests: Of each proxy, at a time, to all endpoints of a cluster; more are answered 503. None: no limit.
        max_connections: Likewise; requests wait for a connection.
    """

    health_check: HealthCheck | None = None
    detects_outliers: bool = False
    max_requests: int | None = None
    max_connections: int | None = None


NO_SETTINGS: Final = ServiceSettings()
