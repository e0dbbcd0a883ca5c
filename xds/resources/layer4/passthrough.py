"""The part of the TLS listener whose connections are passed through: a filter chain for each backend.

A chain for each host would not do: a host more would then change filter chains, and not only the matcher. Its change
drains nothing.
"""

from collections.abc import Iterable
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    FilterChain,
    Ip,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherOnMatch,
    SourceIpInput,
    StringValue,
    XdsTypedExtensionConfig,
)
from xds.resources import names
from xds.resources.addresses import cidr_range
from xds.resources.layer4.logs import passthrough_logs
from xds.resources.layer4.tcp import tcp_proxy
from xds.resources.options import ProxyOptions
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import Layer4Policy, Share
from xds.traffic.tls import Passthrough, Sources

STAT_PREFIX: Final = "passthrough"
"""The part of the statistics' names of all connections that are passed through, after `tcp.`"""


def passthrough_name(backend: BackendKey) -> str:
    """The filter chain of a backend. Names of chains with a certificate have two slashes at most."""
    return f"pass/{names.cluster(backend)}"


def passthrough_chain(passed: Passthrough, options: ProxyOptions) -> FilterChain:
    """The filter chain, without a transport socket: the bytes of TLS go on as they come."""
    backend, policy = passed.backend, Layer4Policy(passed.idle_timeout)
    proxy = tcp_proxy(STAT_PREFIX, [Share(backend)], policy, passthrough_logs(backend, options))
    return FilterChain(name=passthrough_name(backend), filters=[proxy])


def chosen(filter_chain: str) -> MatcherOnMatch:
    """The choice of a filter chain by its name."""
    return MatcherOnMatch(
        action=XdsTypedExtensionConfig(name="filter-chain", typed_config=codec.pack(StringValue(value=filter_chain)))
    )


def for_clients(sources: Sources | None, choice: MatcherOnMatch, refused: MatcherOnMatch) -> MatcherOnMatch:
    """A choice for the clients that may connect, by the address of the PROXY protocol header if there is one.

    The RBAC filter decides only when the first byte comes: a silent client would keep a connection to the backend.

    Args:
        sources: None: all clients may.
        choice: For these.
        refused: For all others.
    """
    if sources is None:
        return choice
    lists = [(sources.denied, refused), (sources.allowed or (), choice)]
    found = [_client_within(networks, on_match) for networks, on_match in lists if networks]
    otherwise = choice if sources.allowed is None else refused
    if not found:
        return otherwise
    return MatcherOnMatch(matcher=Matcher(matcher_list=MatcherMatcherList(matchers=found), on_no_match=otherwise))


def _client_within(networks: Iterable[str], on_match: MatcherOnMatch) -> MatcherMatcherListFieldMatcher:
    matcher = Ip(cidr_ranges=[*map(cidr_range, networks)], stat_prefix=STAT_PREFIX)
    predicate = MatcherMatcherListPredicateSinglePredicate(
        input=XdsTypedExtensionConfig(name="envoy.matching.inputs.source_ip", typed_config=codec.pack(SourceIpInput())),
        custom_match=XdsTypedExtensionConfig(name="envoy.matching.matchers.ip", typed_config=codec.pack(matcher)),
    )
    return MatcherMatcherListFieldMatcher(
        predicate=MatcherMatcherListPredicate(single_predicate=predicate), on_match=on_match
    )
