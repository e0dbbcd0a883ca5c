"""The registry: every annotation of ingress-nginx, once."""

from collections.abc import Mapping
from typing import Final

from xds.translate.nginx import (
    address_lists,
    affinity,
    backend_names,
    backend_protocol,
    backend_tls,
    bodies,
    canary,
    client_certificates,
    client_tls,
    connections,
    cors,
    custom_headers,
    error_pages,
    external_auth,
    host_names,
    https_redirects,
    limits,
    load_balancing,
    logs_and_traces,
    mirroring,
    no_effect,
    passthrough,
    passwords,
    redirects,
    refused,
    retries,
    rewriting,
    satisfy,
    timeouts,
    upstream_vhost,
)
from xds.translate.nginx.annotation import AnyAnnotation

_FAMILIES: Final = (
    redirects,
    https_redirects,
    rewriting,
    backend_protocol,
    backend_tls,
    load_balancing,
    affinity,
    connections,
    client_tls,
    client_certificates,
    logs_and_traces,
    timeouts,
    retries,
    bodies,
    custom_headers,
    cors,
    limits,
    canary,
    host_names,
    upstream_vhost,
    mirroring,
    backend_names,
    error_pages,
    address_lists,
    passwords,
    external_auth,
    satisfy,
    no_effect,
    passthrough,
    refused,
)

ANNOTATIONS: Final[Mapping[str, AnyAnnotation]] = {
    annotation.name: annotation for family in _FAMILIES for annotation in family.ANNOTATIONS
}
"""By name, without the prefix. Source of the names:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/docs/user-guide/nginx-configuration/annotations.md
"""
