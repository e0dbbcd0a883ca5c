"""The bound of a request's body.

Envoy's body_size_limit has no configuration for single routes, so a composite filter carries it. A matcher
leaves upgrades out: a WebSocket would be cut at the bound, or wait for ever to be read whole.
A chain of filters for each upgrade would repeat the whole chain instead, for each protocol and each certificate.
"""

from functools import cache, lru_cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    BodySizeLimit,
    Buffer,
    Composite,
    CompositePerRoute,
    ExecuteFilterAction,
    HttpFilter,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherOnMatch,
    TypedExtensionConfig,
    XdsTypedExtensionConfig,
)
from xds.resources.filters.conditional import any_of, header_matches, negated
from xds.resources.filters.switched import off, on
from xds.traffic.bodies import Bodies
from xds.traffic.policy import Policy

BODY_LIMIT: Final = "body-limit"

_USUAL: Final = Bodies(1024 * 1024)
"""The bound of the chain's own filter: ingress-nginx's default, which most routes of --compatibility have."""


def body_limit() -> HttpFilter:
    return off(BODY_LIMIT, Composite(matcher=_matcher(_USUAL)))


def body_limit_of(policy: Policy) -> Any | None:
    return _limit(policy.bodies) if policy.bodies.max_bytes is not None else None


@lru_cache(maxsize=256)
def _limit(bodies: Bodies) -> Any:
    return on() if bodies == _USUAL else on(CompositePerRoute(matcher=_matcher(bodies)))


def _matcher(bodies: Bodies) -> Matcher:
    run = ExecuteFilterAction(typed_config=_bounding(bodies))
    action = XdsTypedExtensionConfig(name=BODY_LIMIT, typed_config=codec.pack(run))
    rule = MatcherMatcherListFieldMatcher(predicate=_is_bounded(), on_match=MatcherOnMatch(action=action))
    return Matcher(matcher_list=MatcherMatcherList(matchers=[rule]))


@cache
def _is_bounded() -> MatcherMatcherListPredicate:
    """All requests but upgrades. An Upgrade header gives no freedom to a request with a body."""
    return any_of(
        negated(header_matches("upgrade", ".+")),
        header_matches("content-length", "[0-9]*[1-9][0-9]*"),
        header_matches("transfer-encoding", ".+"),
    )


def _bounding(bodies: Bodies) -> TypedExtensionConfig:
    if bodies.buffered:
        config = codec.pack(Buffer(max_request_bytes=bodies.max_bytes))
        return TypedExtensionConfig(name="envoy.filters.http.buffer", typed_config=config)
    config = codec.pack(BodySizeLimit(max_request_bytes=bodies.max_bytes))
    return TypedExtensionConfig(name="envoy.filters.http.body_size_limit", typed_config=config)
