"""LDS: the plain listener, and the TLS listener with a filter chain for each certificate."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Address,
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    DownstreamTlsContext,
    FilterChain,
    Listener,
    ListenerFilter,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherMatcherTree,
    MatcherMatcherTreeMatchMap,
    MatcherOnMatch,
    ProxyProtocol,
    SdsSecretConfig,
    ServerNameInput,
    TlsInspector,
    TlsParameters,
    TlsParametersTlsProtocol,
    TransportSocket,
    XdsRegexMatcher,
    XdsRegexMatcherGoogleRe2,
    XdsStringMatcher,
    XdsTypedExtensionConfig,
)
from xds.problems.problem import Key
from xds.resources import names
from xds.resources.addresses import socket_address
from xds.resources.client_verification import client_verification
from xds.resources.config_source import ads
from xds.resources.connection_manager import connection_manager
from xds.resources.http_limits import CONNECTION_BUFFER_BYTES
from xds.resources.layer4.keepalive import tcp_keepalive
from xds.resources.layer4.passthrough import chosen, for_clients, passthrough_chain, passthrough_name
from xds.resources.options import ProxyOptions, TlsVersion
from xds.traffic.hosts import is_wildcard
from xds.traffic.tls import CipherChoice, Termination, TlsTable

Verification: TypeAlias = CommonTlsContextCombinedCertificateValidationContext
"""The verification of clients' certificates."""

TLS_HANDSHAKE_TIMEOUT: Final = timedelta(seconds=10)
"""Longest TLS handshake behind the ClientHello. By default a connection without a request stays for an hour."""

DEFAULT_FILTER_CHAIN: Final = "default"
"""The filter chain of connections whose SNI no TLS host covers. Names of other filter chains hold a slash."""

MISSING_FILTER_CHAIN: Final = "refused"
"""A name that no filter chain has: Envoy closes connections for which the matcher chooses it."""

CLOSED: Final = chosen(MISSING_FILTER_CHAIN)

_ENVOY_SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""The suites of Envoy's own list."""

_VERSIONS: Final[dict[str, TlsParametersTlsProtocol]] = {
    "1.0": TlsParametersTlsProtocol.TLSv1_0,
    "1.1": TlsParametersTlsProtocol.TLSv1_1,
    TlsVersion.TLS_1_2: TlsParametersTlsProtocol.TLSv1_2,
    TlsVersion.TLS_1_3: TlsParametersTlsProtocol.TLSv1_3,
}


def http_listener(options: ProxyOptions) -> Listener:
    address = socket_address(options.listener_address, options.http_port)
    return plain_listener(options, names.HTTP, address, names.HTTP_ROUTES)


def plain_listener(options: ProxyOptions, name: str, address: Address, routes: str) -> Listener:
    """A listener of plain HTTP, with the route configuration named `routes`."""
    return Listener(
        name=name,
        address=address,
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        listener_filters=list(proxy_protocol(options)),
        listener_filters_timeout=options.policy.clients.proxy_protocol_timeout,
        filter_chains=[FilterChain(name=names.HTTP, filters=[connection_manager(options, routes)])],
    )


def https_listener(options: ProxyOptions, tls: TlsTable) -> Listener:
    """The TLS listener. Envoy rejects a listener without filter chains, so the table must terminate or pass TLS."""
    default = next((termination for termination in tls.terminations if termination.is_default), None)
    named = [termination for termination in tls.terminations if termination.hosts]
    return Listener(
        name=names.HTTPS,
        address=socket_address(options.listener_address, options.https_port),
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES,
        tcp_keepalive=tcp_keepalive() if options.passes_tls else None,
        listener_filters=[*proxy_protocol(options), tls_inspector()],
        listener_filters_timeout=options.policy.clients.proxy_protocol_timeout,
        filter_chain_matcher=_filter_chain_matcher(tls),
        filter_chains=[
            *(_filter_chain(options, termination, termination.name) for termination in named),
            *(passthrough_chain(each, options) for each in tls.passed),
        ],
        default_filter_chain=_filter_chain(options, default, DEFAULT_FILTER_CHAIN) if default else None,
    )


def tls_inspector() -> ListenerFilter:
    """The filter that reads the server name (SNI) of a connection."""
    return ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=codec.pack(TlsInspector()))


def proxy_protocol(options: ProxyOptions) -> Iterator[ListenerFilter]:
    """The filter that reads the header of the PROXY protocol, where connections begin with one."""
    if options.proxy_protocol:
        yield ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=codec.pack(ProxyProtocol()))


def _filter_chain(options: ProxyOptions, termination: Termination, name: str) -> FilterChain:
    verification = client_verification(termination.checked) if termination.checked else None
    alpn = http_protocols(options)
    return FilterChain(
        name=name,
        transport_socket=downstream_tls(options, termination.secrets, alpn, verification, termination.ciphers),
        transport_socket_connect_timeout=TLS_HANDSHAKE_TIMEOUT,
        filters=[connection_manager(options, names.https_routes(termination))],
    )


def http_protocols(options: ProxyOptions) -> list[str]:
    """The protocols that a client may choose from, by ALPN."""
    return ["h2", "http/1.1"] if options.policy.clients.uses_http2 else ["http/1.1"]


def downstream_tls(
    options: ProxyOptions,
    secrets: Iterable[Key],
    alpn: list[str],
    verification: Verification | None,
    ciphers: CipherChoice | None = None,
    *,
    requires_certificate: bool = False,
) -> TransportSocket:
    """TLS termination.

    Args:
        options: The operator's settings.
        secrets: Hold the certificates.
        alpn: Protocols that a client may choose from; empty: none is spoken of.
        verification: Of clients' certificates; None: clients are asked for none.
        ciphers: None: those of all hosts.
        requires_certificate: Whether a handshake without a certificate of the client fails.
    """
    policy = options.policy.tls
    tls = DownstreamTlsContext(
        common_tls_context=CommonTlsContext(
            tls_params=_tls_parameters(options, ciphers),
            alpn_protocols=alpn,
            tls_certificate_sds_secret_configs=[
                SdsSecretConfig(name=names.secret(secret), sds_config=ads()) for secret in secrets
            ],
            combined_validation_context=verification,
        ),
        require_client_certificate=True if requires_certificate else None,
        # A resumed session counts as not validated.
        disable_stateless_session_resumption=True if verification or not policy.has_tickets else None,
        disable_stateful_session_resumption=verification is not None,
        session_timeout=policy.session_timeout,
    )
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(tls))


def _tls_parameters(options: ProxyOptions, ciphers: CipherChoice | None) -> TlsParameters:
    policy = options.policy.tls
    oldest, newest = policy.versions or (options.tls_min_version, None)
    return TlsParameters(
        tls_minimum_protocol_version=_VERSIONS[oldest],
        tls_maximum_protocol_version=_VERSIONS[newest] if newest else TlsParametersTlsProtocol.TLS_AUTO,
        cipher_suites=_cipher_suites(policy.ciphers or options.tls_ciphers, ciphers),
        ecdh_curves=list(policy.curves),
    )


def _cipher_suites(usual: tuple[str, ...], ciphers: CipherChoice | None) -> list[str]:
    """The suites in Envoy's form, with brackets around suites of equal preference; empty: Envoy's own list.

    Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
    """
    if ciphers is None:
        return list(usual)
    suites = ciphers.suites or usual
    return list(suites) if ciphers.server_prefers else [f"[{'|'.join(suites or _ENVOY_SUITES)}]"]


def _filter_chain_matcher(tls: TlsTable) -> Matcher | None:
    """A matcher of filter chains by SNI: exact names first, then wildcards for one label each. None without TLS hosts.

    `server_names` of a filter chain does not serve, because its wildcards stand for any number of labels.
    """
    chains = {host: chosen(termination.name) for termination in tls.terminations for host in termination.hosts}
    chains |= {
        host: for_clients(tls.sources.get(host), chosen(passthrough_name(each.backend)), CLOSED)
        for each in tls.passed
        for host in each.hosts
    }
    chains |= dict.fromkeys((*tls.without_certificate, *tls.closed), CLOSED)
    one_label = [(host, "[^.]+") for host in sorted(chains)]
    deep = [(host, ".+") for host in sorted(tls.deep, key=lambda host: (-host.count("."), host))]
    return by_server_name(chains, [*one_label, *deep])


def by_server_name(chains: Mapping[str, MatcherOnMatch], order: Iterable[tuple[str, str]]) -> Matcher | None:
    """A matcher of names, and then of wildcards; None without either.

    Some clients leave the dot at the end of a name, against https://www.rfc-editor.org/rfc/rfc6066#section-3

    Args:
        chains: The choice for each name or wildcard.
        order: The wildcards in their order, each with an expression for the labels in place of its star. Names are
            passed over.
    """
    precise = {host: choice for host, choice in chains.items() if not is_wildcard(host)}
    exact = precise | {f"{host}.": choice for host, choice in precise.items()}
    tried = [_wildcard(host, chains[host], width) for host, width in order if is_wildcard(host)]
    wildcards = Matcher(matcher_list=MatcherMatcherList(matchers=tried)) if tried else None
    if not exact:
        return wildcards
    return Matcher(
        matcher_tree=MatcherMatcherTree(input=_server_name(), exact_match_map=MatcherMatcherTreeMatchMap(map=exact)),
        on_no_match=MatcherOnMatch(matcher=wildcards) if wildcards is not None else None,
    )


def _wildcard(host: str, choice: MatcherOnMatch, width: str) -> MatcherMatcherListFieldMatcher:
    regex = XdsRegexMatcher(
        google_re2=XdsRegexMatcherGoogleRe2(), regex=f"{width}{host.removeprefix('*').replace('.', '[.]')}[.]?"
    )
    predicate = MatcherMatcherListPredicateSinglePredicate(
        input=_server_name(), value_match=XdsStringMatcher(safe_regex=regex)
    )
    return MatcherMatcherListFieldMatcher(
        predicate=MatcherMatcherListPredicate(single_predicate=predicate), on_match=choice
    )


def _server_name() -> XdsTypedExtensionConfig:
    return XdsTypedExtensionConfig(name="envoy.matching.inputs.server_name", typed_config=codec.pack(ServerNameInput()))
