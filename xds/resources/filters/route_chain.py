"""A chain of filters that a route brings: of filters that Envoy gives no configuration for single routes."""

from xds.envoyapi.messages import FilterChainConfig, HttpFilter
from xds.resources.filters.switched import off

NAME = "route-chain"


def route_chain() -> HttpFilter:
    return off(NAME, FilterChainConfig())
