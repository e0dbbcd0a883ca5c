"""The backends of UDP sessions, by weight.

Envoy's filter for UDP names one cluster and no weights, but its matcher may choose the cluster by a fraction of a hash.
The hash is of the client's port. So a session keeps its cluster, and a client's next session may have another cluster.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    FractionalPercent,
    FractionalPercentDenominatorType,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherOnMatch,
    RuntimeFraction,
    RuntimeFractionalPercent,
    SourcePortInput,
    UdpProxyRoute,
    XdsTypedExtensionConfig,
)
from xds.resources.layer4.tcp import cluster_name
from xds.traffic.layer4 import Share

_MILLION: Final = 1_000_000


def session_matcher(shares: Sequence[Share]) -> Matcher:
    """The choice of a cluster for each session. A fraction is the sum of weights so far, as one hash decides."""
    *others, last = shares
    if not others:
        return Matcher(on_no_match=_cluster(last))
    whole = sum(share.weight for share in shares)
    sums: Iterable[int] = accumulate(share.weight for share in others)
    matchers = [_below(_MILLION * upto // whole, share) for upto, share in zip(sums, others, strict=True)]
    return Matcher(matcher_list=MatcherMatcherList(matchers=matchers), on_no_match=_cluster(last))


def _below(millionths: int, share: Share) -> MatcherMatcherListFieldMatcher:
    fraction = FractionalPercent(numerator=millionths, denominator=FractionalPercentDenominatorType.MILLION)
    matcher = RuntimeFraction(runtime_fraction=RuntimeFractionalPercent(default_value=fraction))
    predicate = MatcherMatcherListPredicateSinglePredicate(
        input=XdsTypedExtensionConfig(
            name="envoy.matching.inputs.source_port", typed_config=codec.pack(SourcePortInput())
        ),
        custom_match=XdsTypedExtensionConfig(
            name="envoy.matching.matchers.runtime_fraction", typed_config=codec.pack(matcher)
        ),
    )
    return MatcherMatcherListFieldMatcher(
        predicate=MatcherMatcherListPredicate(single_predicate=predicate), on_match=_cluster(share)
    )


def _cluster(share: Share) -> MatcherOnMatch:
    action = codec.pack(UdpProxyRoute(cluster=cluster_name(share.backend)))
    return MatcherOnMatch(action=XdsTypedExtensionConfig(name="route", typed_config=action))
