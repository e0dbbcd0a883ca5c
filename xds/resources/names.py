"""All names that resources have, and by which they refer to one another."""

from typing import Final

from xds.problems.problem import Key
from xds.traffic.model import BackendKey

HTTP: Final = "http"
"""The plain listener, and its route configuration."""

HTTPS: Final = "https"
"""The TLS listener."""

METADATA: Final = "xds-ingress"
"""The namespace of the metadata that says which Kubernetes objects a route comes from."""


def cluster(backend: BackendKey) -> str:
    """Also the name of its ClusterLoadAssignment. Neither part can hold a slash or a dot."""
    return str(backend)


def secret(key: Key) -> str:
    return str(key)


def https_routes(certificate: Key) -> str:
    """The route configuration of the connections that a Secret's certificate terminates."""
    return f"{HTTPS}/{certificate}"


def virtual_host(routes: str, domain: str) -> str:
    """Envoy takes what stands before the last slash for the name of the route configuration; no domain holds one."""
    return f"{routes}/{domain}"
