"""What several resource types need."""

from datetime import timedelta

from xds.envoyapi.messages import Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress


def ads(*, wait: bool = False) -> ConfigSource:
    """Where a resource finds those that it refers to: on the stream that it came by.

    `wait`: a listener takes no requests before they have come, however long that is; else Envoy gives them 15 s.

    It must never vary for the same thing: Envoy keys SDS providers by its bytes,
    https://github.com/envoyproxy/envoy/issues/47309
    """
    timeout = timedelta(0) if wait else None
    return ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=timeout)


def socket_address(address: str, port: int) -> Address:
    """The unspecified IPv6 address takes IPv4 connections too, as a user of `::` expects."""
    return Address(socket_address=SocketAddress(address=address, port_value=port, ipv4_compat=address == "::"))
