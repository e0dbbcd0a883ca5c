"""What several resource types need."""

from xds.resources.envoy import Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress


def ads() -> ConfigSource:
    """Where a resource finds those that it refers to: on the stream that it came by.

    It must never vary: Envoy keys SDS providers by its bytes, https://github.com/envoyproxy/envoy/issues/47309
    """
    return ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)


def socket_address(address: str, port: int) -> Address:
    """The unspecified IPv6 address takes IPv4 connections too, as a user of `::` expects."""
    return Address(socket_address=SocketAddress(address=address, port_value=port, ipv4_compat=address == "::"))
