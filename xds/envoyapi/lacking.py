"""Messages of Envoy that envoy-data-plane lacks. Imports envoy_data_plane, as `reflection` does."""

import dataclasses
from typing import Final

import betterproto2
from envoy_data_plane.google.protobuf import UInt64Value
from envoy_data_plane.message_pool import default_message_pool


@dataclasses.dataclass(eq=False, repr=False)
class BodySizeLimit(betterproto2.Message):
    """The configuration of `envoy.filters.http.body_size_limit`.

    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/body_size_limit_filter
    """

    max_request_bytes: int | None = betterproto2.field(
        1, betterproto2.TYPE_MESSAGE, unwrap=lambda: UInt64Value, optional=True
    )


_BODY_SIZE_LIMIT: Final = "envoy.extensions.filters.http.body_size_limit.v3"

default_message_pool.register_message(_BODY_SIZE_LIMIT, BodySizeLimit.__name__, BodySizeLimit)

CLASSES: Final = {f"{_BODY_SIZE_LIMIT}.{BodySizeLimit.__name__}": BodySizeLimit}
"""By full name."""
