"""Mirrors of requests."""

from xds.envoyapi.messages import (
    FractionalPercent,
    FractionalPercentDenominatorType,
    RouteActionRequestMirrorPolicy,
    RuntimeFractionalPercent,
)
from xds.resources import names
from xds.traffic.mirror import EVERY_REQUEST, Mirror


def mirror_policy(mirror: Mirror) -> RouteActionRequestMirrorPolicy:
    """Copies requests. By default Envoy would add `-shadow` to the Host of a copy."""
    share = FractionalPercent(numerator=mirror.millionths, denominator=FractionalPercentDenominatorType.MILLION)
    return RouteActionRequestMirrorPolicy(
        cluster=names.cluster(mirror.backend),
        runtime_fraction=None if mirror.millionths == EVERY_REQUEST else RuntimeFractionalPercent(default_value=share),
        host_rewrite_literal=mirror.host,
        disable_shadow_host_suffix_append=True,
    )
