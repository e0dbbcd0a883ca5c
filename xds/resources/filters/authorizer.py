"""The authorizer of a route (auth-url), asked by HTTP about each request."""

from datetime import timedelta
from typing import Final

from xds.envoyapi.messages import (
    Any,
    ExtAuthz,
    HttpFilter,
    HttpService,
    HttpStatus,
    HttpUri,
    StatusCode,
)
from xds.resources.filters.any_suffices import unless_allowed
from xds.resources.filters.switched import off
from xds.traffic.policy import Policy

NAME: Final = "authorizer"

ANSWER_TIMEOUT: Final = timedelta(seconds=60)
"""Longest answer of an authorizer, as in ingress-nginx (proxy_read_timeout)."""

_NO_CLUSTER: Final = "none"
"""No cluster has the name, as names of clusters hold slashes: a route that names no authorizer answers 500."""


def authorizer() -> HttpFilter:
    uri = HttpUri(uri="http://none.invalid", cluster=_NO_CLUSTER, timeout=ANSWER_TIMEOUT)
    return off(
        NAME,
        ExtAuthz(
            http_service=HttpService(server_uri=uri),
            status_on_error=HttpStatus(code=StatusCode.InternalServerError),
            filter_enabled_metadata=unless_allowed(),
        ),
    )


def authorizer_of(policy: Policy) -> Any | None:  # noqa: ARG001
    """The filter's configuration for routes of a policy; None for routes without an authorizer."""
    return None
