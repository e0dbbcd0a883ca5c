"""Names of resources, by which resources refer to one another."""

from typing import Final

from xds.problems.problem import Key
from xds.traffic.backend_tls import CredentialKey
from xds.traffic.backends import BackendKey
from xds.traffic.bound import TableKey
from xds.traffic.tls import Termination

HTTP: Final = "http"
"""The plain listener."""

HTTPS: Final = "https"
"""The TLS listener."""

RATE_LIMITS: Final = "rate-limits@1"
"""The filter of rate limits in every chain, and its configuration, which Envoy asks for by the filter's name.

The number goes up with the keys of buckets: an older listener that drains keeps the configuration that its routes name.
"""
CHAIN_VERSION: Final = 3
"""Of the HTTP filters of listeners (`filters.chain`). Routes of another version are for listeners of that version."""

HTTP_ROUTES: Final = f"{HTTP}@{CHAIN_VERSION}"
"""The route configuration of the plain listener."""

_TLS_ROUTES: Final = f"{HTTPS}@{CHAIN_VERSION}/"

_GATEWAY_ROUTES: Final = f"gateway@{CHAIN_VERSION}/"
_GATEWAY_TLS_ROUTES: Final = f"gateway-tls@{CHAIN_VERSION}/"

COLLECTOR: Final = "otlp-collector"
"""The cluster of the collector of traces. Names of other clusters hold slashes."""

AUTHZ: Final = "authz"
"""The cluster of `xds authz` beside each proxy, and the filter that asks."""

UNRESOLVED: Final = "unresolved"
"""A cluster that never exists, for requests whose backend can't be found. Names of other clusters hold slashes."""

METADATA_NAMESPACE: Final = "xds-ingress"
"""The namespace of a route's metadata with the Ingress and the Service that the route comes from."""


def cluster(backend: BackendKey | None) -> str:
    """The name of a backend's Cluster and ClusterLoadAssignment. No part of a backend key holds a slash or a dot.

    Args:
        backend: None for a share of requests without one.
    """
    return str(backend) if backend else UNRESOLVED


def backend(cluster_name: str) -> BackendKey | None:
    """The backend of a cluster by its name; None for other clusters."""
    return BackendKey.named(cluster_name)


def secret(key: Key) -> str:
    return str(key)


def credential(key: CredentialKey) -> str:
    """The name of a Secret's part for TLS to backends. Names of certificates for clients have one slash only."""
    return str(key)


def kubernetes_secret(name: str) -> Key:
    """The Kubernetes Secret that a Secret of Envoy is made of."""
    namespace, secret_name, *_ = name.split("/")
    return Key(namespace, secret_name)


def https_routes(termination: Termination) -> str:
    """The route configuration of connections with the certificates of a termination."""
    return f"{_TLS_ROUTES}{termination.name}"


def table_routes(table: TableKey) -> str:
    """The route configuration of a route table of a bound listener."""
    return f"{_GATEWAY_TLS_ROUTES if table.tls else _GATEWAY_ROUTES}{table}"


def is_tls(routes: str) -> bool:
    """Whether a route configuration is for connections by TLS. Names of its virtual hosts answer likewise."""
    return routes.startswith((_TLS_ROUTES, _GATEWAY_TLS_ROUTES))


def is_bound(routes: str) -> bool:
    """Whether a route configuration is that of a bound listener."""
    return routes.startswith((_GATEWAY_ROUTES, _GATEWAY_TLS_ROUTES))


def virtual_host(routes: str, domain: str) -> str:
    """The name of a domain's virtual host in a route configuration.

    Envoy takes the part before the last slash as the name of the route configuration. No domain holds a slash.
    """
    return f"{routes}/{domain}"
