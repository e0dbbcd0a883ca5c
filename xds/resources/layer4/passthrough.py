"""The part of the TLS listener for connections that are passed through: a filter chain for each backend.

With a chain for each host, one more host would change the filter chains. So a host changes only the matcher, and Envoy
drains no connection.
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
"""In the names of statistics, such as `tcp.passthrough.downstream_cx_total`."""


def passthrough_name(backend: BackendKey) -> str:
    """The filter chain of a backend. Names of chains with a certificate have two slashes at most."""
    return f"pass/{names.cluster(backend)}"


def passthrough_chain(passed: Passthrough, options: ProxyOptions) -> FilterChain:
    """The filter chain, without a transport socket: the bytes of TLS go on as they come."""
    backend, policy = passed.backend, Layer4Policy(passed.idle_timeout)
    logs = passthrough_logs(names.HTTPS, backend.service_key, options)
    proxy = tcp_proxy(STAT_PREFIX, [Share(backend)], policy, logs)
    return FilterChain(name=passthrough_name(backend), filters=[proxy])


def chosen(filter_chain: str) -> MatcherOnMatch:
    """The choice of a filter chain by its name."""
    return MatcherOnMatch(
        action=XdsTypedExtensionConfig(name="filter-chain", typed_config=codec.pack(StringValue(value=filter_chain)))
    )


def for_clients(sources: Sources | None, choice: MatcherOnMatch, denied: MatcherOnMatch) -> MatcherOnMatch:
    """A choice for the clients that may connect, by the address of the PROXY protocol header if there is one.

    Envoy's RBAC filter would decide only at the first byte: a silent client would keep a connection to the backend.

    Args:
        sources: The clients that may connect; None: all.
        choice: For clients that may connect.
        denied: For other clients.
    """
    if sources is None:
        return choice
    lists = [(sources.denied, denied), (sources.allowed or (), choice)]
    found = [_client_within(networks, on_match) for networks, on_match in lists if networks]
    otherwise = choice if sources.allowed is None else denied
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
