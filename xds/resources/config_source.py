"""The source of a resource that another resource names: the same ADS stream."""

from datetime import timedelta

from xds.envoyapi.messages import AggregatedConfigSource, ApiVersion, ConfigSource


def ads(*, wait: bool = False) -> ConfigSource:
    """A ConfigSource for resources on the stream of the resource that names them.

    Equal arguments must give equal bytes, because Envoy keys SDS providers by the bytes:
    https://github.com/envoyproxy/envoy/issues/47309

    Args:
        wait: Whether a listener takes no requests until the resources have come, however long that takes. Otherwise
            Envoy waits 15 s.
    """
    timeout = timedelta(0) if wait else None
    return ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3, initial_fetch_timeout=timeout)
