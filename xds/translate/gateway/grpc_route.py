"""From a GRPCRoute to routes of the traffic model."""

from xds.kube.gateway_objects import GRPCRoute
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.translated import TranslatedRoute


def translate_grpc_route(context: GatewayContext, route: GRPCRoute, use: ParentUse = NO_USE) -> TranslatedRoute:
    """The routes of all rules and matches, in order."""
    del context, route, use
    return TranslatedRoute()
