"""Answers that a proxy makes itself: their statuses, and their headers where no route has any."""

from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLogFilter,
    ExpressionFilter,
    ExtensionFilter,
    HeaderValueOption,
    LocalReplyConfig,
    ResponseFlagFilter,
    ResponseMapper,
)
from xds.resources.no_endpoint import no_endpoint_marked
from xds.resources.options import ProxyOptions
from xds.resources.retries import never_507

_NO_CONNECTION_IN_TIME: Final = "response.code_details.contains('connection_timeout')"

_FAILURES: Final = ("UF", "UC", "UR", "UPE")
"""Connection refused, closed or reset by the backend, and no HTTP: 502 in nginx, 503 in Envoy. No endpoints (UH) is 503
in both. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""


def local_replies(options: ProxyOptions, headers: list[HeaderValueOption]) -> LocalReplyConfig:
    """The mappers, of which the first one that fits counts.

    Args:
        options: Settings of the listeners.
        headers: Of all answers. A route adds them too, so that only answers without a route need a mapper.
    """
    mappers = [_connect_timeout(), _failure()] if options.policy.gateway_statuses else []
    if headers:
        no_route = AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=["NR"]))
        mappers.append(ResponseMapper(filter=no_route, headers_to_add=headers))
    return LocalReplyConfig(mappers=[no_endpoint_marked(), *mappers, never_507()])


def _connect_timeout() -> ResponseMapper:
    expression = codec.pack(ExpressionFilter(expression=_NO_CONNECTION_IN_TIME))
    extension = ExtensionFilter(name="envoy.access_loggers.extension_filters.cel", typed_config=expression)
    return ResponseMapper(filter=AccessLogFilter(extension_filter=extension), status_code=504)


def _failure() -> ResponseMapper:
    flags = ResponseFlagFilter(flags=list(_FAILURES))
    return ResponseMapper(filter=AccessLogFilter(response_flag_filter=flags), status_code=502)
