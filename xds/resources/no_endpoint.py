"""Marks answers of a proxy for a cluster without endpoints, on routes whose default backend answers instead."""

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLogFilter,
    AndFilter,
    ExpressionFilter,
    ExtensionFilter,
    ResponseFlagFilter,
    ResponseMapper,
)
from xds.resources.filters.error_pages import NO_ENDPOINT, ORIGINAL_PATH
from xds.resources.header_values import replaced


def no_endpoint_marked() -> ResponseMapper:
    """Nothing but a mapper sees why Envoy answers, and none sees the route: ORIGINAL_PATH is on such routes alone."""
    expression = ExpressionFilter(expression=f"'{ORIGINAL_PATH}' in filter_state")
    on_such_routes = ExtensionFilter(
        name="envoy.access_loggers.extension_filters.cel", typed_config=codec.pack(expression)
    )
    both = AndFilter(
        filters=[
            AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=["UH"])),
            AccessLogFilter(extension_filter=on_such_routes),
        ]
    )
    return ResponseMapper(filter=AccessLogFilter(and_filter=both), headers_to_add=[replaced(NO_ENDPOINT, "1")])
