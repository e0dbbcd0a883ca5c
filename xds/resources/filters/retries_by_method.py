"""Retries of requests that a backend may have seen, for methods that do no harm twice.

A retry policy knows no methods. So a filter adds conditions by a header that the router reads and removes, and the
route's policy has those of all methods. A second route for some methods would double the routes of most Ingresses.
Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

from typing import Final

from xds.envoyapi.messages import Any, HttpFilter
from xds.resources.filters.conditional import any_of, filter_unless, header_is
from xds.resources.filters.switched import on
from xds.resources.retries import RETRY_SAFE_ON, retry_header
from xds.resources.retry_policy import RETRY_STATUSES_ON
from xds.traffic.policy import Policy

NOT_IDEMPOTENT: Final = ("POST", "LOCK", "PATCH")
"""Source: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_next_upstream"""

RETRY_RESETS: Final = "retry-idempotent-resets"
"""Adds failures before the first byte of an answer, and statuses of the route's policy, if there are any."""

RETRY_STATUSES: Final = "retry-idempotent-statuses"
"""Adds statuses of the route's policy, and takes away failures that all routes retry."""


def retry_idempotent_requests() -> list[HttpFilter]:
    """The filters. Their place is behind `retry_safe_requests`, whose header is replaced."""
    return [
        _adds(RETRY_RESETS, f"{RETRY_SAFE_ON},{RETRY_STATUSES_ON}"),
        _adds(RETRY_STATUSES, RETRY_STATUSES_ON),
    ]


def resets_of(policy: Policy) -> Any | None:
    retries = policy.retries
    return on() if retries and retries.tries > 1 and retries.on_reset else None


def statuses_of(policy: Policy) -> Any | None:
    retries = policy.retries
    return on() if retries and retries.tries > 1 and not retries.on_reset else None


def _adds(name: str, conditions: str) -> HttpFilter:
    skipped = any_of(*(header_is(":method", method) for method in NOT_IDEMPOTENT))
    made = filter_unless(name, "envoy.filters.http.header_mutation", retry_header(conditions), skipped)
    return HttpFilter(name=name, typed_config=made.typed_config, disabled=True)
