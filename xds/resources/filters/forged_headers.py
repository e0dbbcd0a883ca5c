"""Headers of clients that stand for something which the proxy itself knows, and are removed first."""

from collections.abc import Iterable, Mapping
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    FilterConfig,
    HeaderMutation,
    HeaderMutationFilter,
    HeaderMutationPerRoute,
    HttpFilter,
    Mutations,
)
from xds.resources.filters.switched import off, on
from xds.traffic.policy import Policy

NAME: Final = "forged-headers"

VERIFY, SUBJECT, ISSUER = "ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn"
CERTIFICATE: Final = "ssl-client-cert"
VERIFIED_HEADERS: Final = (VERIFY, SUBJECT, ISSUER, CERTIFICATE)
"""Headers by which backends are told of a client's certificate. A client's own are a stranger's claims.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/template/nginx.tmpl
"""


def forged_headers() -> HttpFilter:
    return off(NAME, HeaderMutationFilter())


def with_headers(filters: Mapping[str, Any], mutations: Iterable[HeaderMutation]) -> dict[str, Any]:
    """The filter with further mutations behind those that the filters of a route have."""
    further = HeaderMutationPerRoute(mutations=Mutations(request_mutations=list(mutations)))
    if NAME in filters:
        config = codec.decode(FilterConfig, filters[NAME].value).config
        found = codec.decode(HeaderMutationPerRoute, config.value if config else b"")
        codec.upb(found).MergeFrom(codec.upb(further))
        further = found
    return {NAME: on(further)}


def forged_headers_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes that believe clients.

    An authorizer that is asked has its own headers removed with its answer, and so sees those of the client. One that
    isn't asked, since another condition of access suffices, answers nothing.
    """
    access = policy.access
    passed = access.authorizer.passed_headers if access and access.authorizer and access.any_suffices else ()
    if not passed:
        return None
    removed = [HeaderMutation(remove=name) for name in passed]
    return on(HeaderMutationPerRoute(mutations=Mutations(request_mutations=removed)))
