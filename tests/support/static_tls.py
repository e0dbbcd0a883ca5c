"""A Bootstrap with a certificate, for Envoy to validate."""

import base64
from typing import Any, Final

TCP_PROXY: Final = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def bootstrap(chain: bytes, key: bytes, staple: bytes = b"") -> dict[str, Any]:
    """A listener with this certificate."""
    pair = {"certificate_chain": chain, "private_key": key, **({"ocsp_staple": staple} if staple else {})}
    certificates = [{name: {"inline_bytes": base64.b64encode(each).decode()} for name, each in pair.items()}]
    tls = {"@type": TLS, "common_tls_context": {"tls_certificates": certificates}}
    proxy = {"@type": TCP_PROXY, "stat_prefix": "x", "cluster": "c"}
    chain_of_filters = {
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [{"name": "tcp", "typed_config": proxy}],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 8443}}
    listener = {"name": "l", "address": address, "filter_chains": [chain_of_filters]}
    return {"static_resources": {"listeners": [listener], "clusters": [{"name": "c"}]}}
