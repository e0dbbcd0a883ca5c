"""ECDS: the buckets of rate limits, in one filter that routes switch on.

Each request takes a token from the bucket of client address, zone and rate. The listener's filter holds the buckets:
whenever one virtual host changes, Envoy builds the filters that routes configure anew, without their counts. Routes
only name buckets, so an edit of an Ingress leaves counts alone.
"""

import ipaddress
import typing
from collections.abc import Iterable
from datetime import timedelta

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AddressMatcher,
    Any,
    ExtensionConfigSource,
    FractionalPercent,
    FractionalPercentDenominatorType,
    HttpFilter,
    HttpStatus,
    LocalRateLimit,
    LocalRateLimitDescriptor,
    RateLimit,
    RateLimitAction,
    RateLimitActionGenericKey,
    RateLimitActionRemoteAddress,
    RateLimitActionRemoteAddressMatch,
    RateLimitDescriptorEntry,
    RuntimeFractionalPercent,
    StatusCode,
    TokenBucket,
    TypedExtensionConfig,
    XdsCidrRange,
)
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.filters.switched import on
from xds.traffic.policy import Policy
from xds.traffic.rate_limits import Rate, RateLimits

BUCKETS_OF_A_RATE: typing.Final = 16_384
"""Client addresses counted at once for a rate; the one that was idle longest is forgotten first.

Envoy's default is 20, which a 21st client would exceed.
"""

_CLIENT: typing.Final = "remote_address"

_ENDLESS: typing.Final = TokenBucket(
    max_tokens=2**32 - 1, tokens_per_fill=2**32 - 1, fill_interval=timedelta(seconds=1)
)
"""The bucket of requests that name no other. Intervals of other buckets must be multiples of its own."""


def rate_limit_buckets(rates: Iterable[Rate], status: int) -> TypedExtensionConfig:
    """The configuration of the filter.

    Args:
        rates: In use; without one, no request is limited.
        status: Of the answer to a request above the limit.
    """
    return TypedExtensionConfig(name=names.RATE_LIMITS, typed_config=codec.pack(_filter_config(rates, status)))


def rates_of(configuration: bytes) -> set[Rate]:
    """The rates in an encoded configuration of the filter."""
    extension: typing.Any = codec.upb(codec.decode(TypedExtensionConfig, configuration))
    config: typing.Any = codec.upb(codec.decode(LocalRateLimit, extension.typed_config.value))
    buckets = (each.token_bucket for each in config.descriptors)
    return {Rate(each.tokens_per_fill.value, each.fill_interval.seconds, each.max_tokens - 1) for each in buckets}


def rate_limit_filter() -> HttpFilter:
    """The filter in the chain, whose configuration comes by ECDS. Limits nobody until a configuration has come."""
    config = codec.pack(_filter_config(()))
    source = ExtensionConfigSource(config_source=ads(), default_config=config, type_urls=[config.type_url])
    return HttpFilter(name=names.RATE_LIMITS, config_discovery=source, disabled=True)


def rate_limited(policy: Policy) -> Any | None:
    """The filter's switch for routes of a policy."""
    return on() if policy.rate_limits else None


def _filter_config(rates: Iterable[Rate], status: int = 503) -> LocalRateLimit:
    always = RuntimeFractionalPercent(
        default_value=FractionalPercent(numerator=100, denominator=FractionalPercentDenominatorType.HUNDRED)
    )
    return LocalRateLimit(
        stat_prefix="rate_limits",
        status=HttpStatus(code=StatusCode(status)),
        filter_enabled=always,
        filter_enforced=always,
        token_bucket=_ENDLESS,
        always_consume_default_token_bucket=False,
        max_dynamic_descriptors=BUCKETS_OF_A_RATE,
        descriptors=[_descriptor(rate) for rate in sorted(rates)],
    )


def _descriptor(rate: Rate) -> LocalRateLimitDescriptor:
    """A bucket for each zone and client address: entries without a value stand for each value that comes."""
    return LocalRateLimitDescriptor(
        entries=[RateLimitDescriptorEntry(key=_key(rate)), RateLimitDescriptorEntry(key=_CLIENT)],
        token_bucket=TokenBucket(
            max_tokens=1 + rate.burst,
            tokens_per_fill=rate.requests,
            fill_interval=timedelta(seconds=rate.period_seconds),
        ),
    )


def _key(rate: Rate) -> str:
    return f"{rate.requests}/{rate.period_seconds}s+{rate.burst}"


def rate_limits(limits: RateLimits) -> list[RateLimit]:
    """The buckets of a route's requests, one for each rate."""
    zone, client = str(limits.zone), _client(limits.unlimited)
    return [
        RateLimit(
            actions=[
                RateLimitAction(
                    generic_key=RateLimitActionGenericKey(descriptor_key=_key(rate), descriptor_value=zone)
                ),
                client,
            ]
        )
        for rate in limits.rates
    ]


def _client(unlimited: tuple[str, ...]) -> RateLimitAction:
    """The client's address: by use_remote_address and trusted hops, as for backends. Addresses in a network give none.

    Both forms make the same entry: counts go on when a list comes or goes.
    """
    if not unlimited:
        return RateLimitAction(remote_address=RateLimitActionRemoteAddress())
    networks = [ipaddress.ip_network(each) for each in unlimited]
    ranges = [XdsCidrRange(address_prefix=str(each.network_address), prefix_len=each.prefixlen) for each in networks]
    return RateLimitAction(
        remote_address_match=RateLimitActionRemoteAddressMatch(
            descriptor_key=_CLIENT,
            descriptor_value="%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
            address_matcher=AddressMatcher(ranges=ranges, invert_match=True),
        )
    )
