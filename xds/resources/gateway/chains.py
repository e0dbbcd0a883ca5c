"""The filter chains of a bound listener of TLS.

A chain's name holds nothing that the chain may gain or lose: a server name more changes only the matcher, and Envoy
drains no connection.
"""

from collections.abc import Mapping
from typing import Final

from xds.envoyapi.messages import (
    CertificateValidationContext,
    CertificateValidationContextTrustChainVerification,
    Filter,
    FilterChain,
    Matcher,
    SdsSecretConfig,
    TransportSocket,
)
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.connection_manager import connection_manager
from xds.resources.layer4.logs import passthrough_logs
from xds.resources.layer4.passthrough import STAT_PREFIX, chosen
from xds.resources.layer4.tcp import tcp_proxy
from xds.resources.listeners import (
    CLOSED,
    DEFAULT_FILTER_CHAIN,
    TLS_HANDSHAKE_TIMEOUT,
    Verification,
    by_server_name,
    downstream_tls,
    http_protocols,
)
from xds.resources.options import ProxyOptions
from xds.traffic.bound import BoundListener, Chain, ChainTls, ClientCheck
from xds.traffic.layer4 import Layer4Route

_ANY_LABELS: Final = ".+"


def named_chains(listener: BoundListener) -> dict[str, Chain]:
    """The filter chains by name. Closed connections have no chain.

    Envoy names a chain in messages about the chain, so the name holds the route of layer 4 that asks for the chain.
    """
    found: dict[str, Chain] = {}
    for chain in listener.chains:
        if chain.table or chain.route:
            name = _name(chain)
            found[f"{name}/{chain.server_names[0]}" if name in found else name] = chain
    return found


def _name(chain: Chain) -> str:
    if not chain.server_names:
        return DEFAULT_FILTER_CHAIN
    if chain.route is None:
        return f"tls/{chain.table.hostname if chain.table else ''}"
    route = chain.route.origin.object
    return f"{'tls' if chain.tls else 'pass'}/{route.kind}/{route.key}"


def filter_chain(listener: BoundListener, name: str, chain: Chain, options: ProxyOptions) -> FilterChain:
    """The filter chain with a name of `named_chains`."""
    filters = [_stream(str(listener.key), chain.route, options)] if chain.route else []
    if chain.table:
        filters = [connection_manager(options, names.table_routes(chain.table))]
    return FilterChain(
        name=name,
        filters=filters,
        transport_socket=_downstream_tls(chain, chain.tls, options) if chain.tls else None,
        transport_socket_connect_timeout=TLS_HANDSHAKE_TIMEOUT if chain.tls else None,
    )


def _downstream_tls(chain: Chain, tls: ChainTls, options: ProxyOptions) -> TransportSocket:
    """TLS termination. ALPN is for HTTP alone: the protocol behind other connections is unknown."""
    alpn, check = http_protocols(options) if chain.table else [], tls.clients
    verification = _verification(check) if check else None
    requires = check is not None and check.required
    return downstream_tls(options, tls.secrets, alpn, verification, requires_certificate=requires)


def _stream(listener: str, route: Layer4Route, options: ProxyOptions) -> Filter:
    """The filter that passes bytes on, whether or not TLS is ended before."""
    return tcp_proxy(STAT_PREFIX, route.shares, route.policy, passthrough_logs(listener, route.service, options))


def _verification(check: ClientCheck) -> Verification:
    trust = CertificateValidationContextTrustChainVerification
    default = CertificateValidationContext(
        trust_chain_verification=trust.VERIFY_TRUST_CHAIN if check.required else trust.ACCEPT_UNTRUSTED
    )
    secret = SdsSecretConfig(name=names.credential(check.authorities), sds_config=ads())
    return Verification(default_validation_context=default, validation_context_sds_secret_config=secret)


def filter_chain_matcher(listener: BoundListener, chains: Mapping[str, Chain]) -> Matcher | None:
    """A matcher of filter chains by server name: names first, then wildcards, the longest first.

    Args:
        listener: The listener.
        chains: By name, of `named_chains`. Connections for other server names are closed.
    """
    choices = {name: CLOSED for chain in listener.chains for name in chain.server_names}
    choices |= {each: chosen(name) for name, chain in chains.items() for each in chain.server_names}
    longest_first = sorted(choices, key=lambda name: (-name.count("."), name))
    return by_server_name(choices, [(name, _ANY_LABELS) for name in longest_first])
