"""Mirrors of requests."""

from xds.envoyapi.messages import RouteActionRequestMirrorPolicy
from xds.resources import names
from xds.traffic.mirror import Mirror


def mirror_policy(mirror: Mirror) -> RouteActionRequestMirrorPolicy:
    """Copies each request. By default Envoy would add `-shadow` to the Host of a copy."""
    return RouteActionRequestMirrorPolicy(
        cluster=names.cluster(mirror.backend),
        host_rewrite_literal=mirror.host,
        disable_shadow_host_suffix_append=True,
    )
