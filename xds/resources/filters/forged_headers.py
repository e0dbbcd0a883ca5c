"""Headers of clients that stand for something which the proxy itself knows, and are removed first."""

from typing import Final

from xds.envoyapi.messages import Any, HeaderMutationFilter, HttpFilter
from xds.resources.filters.switched import off
from xds.traffic.policy import Policy

NAME: Final = "forged-headers"


def forged_headers() -> HttpFilter:
    return off(NAME, HeaderMutationFilter())


def forged_headers_of(policy: Policy) -> Any | None:  # noqa: ARG001
    """The filter's configuration for routes of a policy; None for routes that believe clients."""
    return None
