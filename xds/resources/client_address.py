"""The address of a client: the peer's, or one that a proxy in front tells."""

from typing import Any

from xds.envoyapi import codec
from xds.envoyapi.messages import CustomHeaderConfig, TypedExtensionConfig, XffConfig, XffTrustedCidrs
from xds.resources.addresses import cidr_range
from xds.resources.options import ProxyOptions
from xds.traffic.listeners import TrustedPeers


def client_address(options: ProxyOptions) -> dict[str, Any]:
    """The fields of a connection manager that decide over a client's address."""
    trusted = options.policy.requests.trusted
    if trusted:
        # x-forwarded-for is written by the RouteConfiguration.
        return {"original_ip_detection_extensions": [_detection(trusted)], "skip_xff_append": True}
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": options.trusted_hops,
        "skip_xff_append": options.writes_address,
    }


def _detection(trusted: TrustedPeers) -> TypedExtensionConfig:
    if trusted.header != "x-forwarded-for":
        custom = codec.pack(CustomHeaderConfig(header_name=trusted.header))
        return TypedExtensionConfig(name="envoy.http.original_ip_detection.custom_header", typed_config=custom)
    cidrs = XffTrustedCidrs(cidrs=[cidr_range(each) for each in trusted.networks])
    xff = codec.pack(XffConfig(xff_trusted_cidrs=cidrs, skip_xff_append=True))
    return TypedExtensionConfig(name="envoy.http.original_ip_detection.xff", typed_config=xff)
