"""From an HTTPRoute to routes of the traffic model."""

from xds.kube.gateway_objects import HTTPRoute
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.translated import TranslatedRoute


def translate_http_route(context: GatewayContext, route: HTTPRoute, use: ParentUse = NO_USE) -> TranslatedRoute:
    """The routes of all rules and matches, in order."""
    del context, route, use
    return TranslatedRoute()
