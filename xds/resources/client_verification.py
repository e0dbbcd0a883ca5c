"""Certificates of clients: what connections verify, and the requests that routes let in."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.envoyapi.messages import (
    CertificateValidationContext,
    CertificateValidationContextTrustChainVerification,
    CommonTlsContextCombinedCertificateValidationContext,
    DirectResponseAction,
    HeaderMatcher,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    RouteMatch,
    RouteMatchTlsContextMatchOptions,
    SdsSecretConfig,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.header_values import replaced
from xds.traffic.client_certificates import CheckedHost, ClientCertificates, Verified

VERIFY: Final = "ssl-client-verify"
CERTIFICATE: Final = "ssl-client-cert"
_OF_SUBJECT: Final = {
    "ssl-client-subject-dn": "%DOWNSTREAM_PEER_SUBJECT%",
    "ssl-client-issuer-dn": "%DOWNSTREAM_PEER_ISSUER%",
}
VERIFIED_HEADERS: Final = (VERIFY, *_OF_SUBJECT, CERTIFICATE)
"""Headers by which backends are told of a client's certificate. A client's own are a stranger's claims.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/template/nginx.tmpl
"""

_MATCHES: Final = {
    Verified.NONE: RouteMatchTlsContextMatchOptions(presented=False),
    Verified.SUCCESS: RouteMatchTlsContextMatchOptions(presented=True, validated=True),
    Verified.FAILED: RouteMatchTlsContextMatchOptions(presented=True, validated=False),
}


def client_verification(checked: CheckedHost) -> CommonTlsContextCombinedCertificateValidationContext | None:
    """The verification of clients' certificates; None where none is asked for.

    No handshake fails for want of a good certificate: routes answer.
    """
    key = checked.certificates.credential
    if key is None:
        return None
    return CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=CertificateValidationContext(
            # ingress-nginx counts the certificates below an authority's, Envoy those between both ends.
            max_verify_depth=checked.certificates.depth + 1,
            trust_chain_verification=CertificateValidationContextTrustChainVerification.ACCEPT_UNTRUSTED,
        ),
        validation_context_sds_secret_config=SdsSecretConfig(name=names.credential(key), sds_config=ads()),
    )


def rejections(demands: ClientCertificates, guard: HeaderMatcher | None) -> Iterator[EnvoyRoute]:
    """The answers to requests by TLS that are not let in, to be tried before all other routes."""
    for verified in Verified:
        if verified not in demands.admitted and demands.credential:
            location = [replaced("location", demands.error_page)] if demands.error_page else []
            yield EnvoyRoute(
                name=f"client-certificate-{verified.lower()}",
                match=RouteMatch(prefix="/", headers=[guard] if guard else [], tls_context=_MATCHES[verified]),
                direct_response=DirectResponseAction(status=demands.rejected_status),
                response_headers_to_add=location,
            )


def admitted(routes: Iterable[EnvoyRoute], demands: ClientCertificates, verified: Verified) -> Iterator[EnvoyRoute]:
    """Routes for requests by TLS with one result of the verification, which backends are told."""
    told = [_header(VERIFY, verified)]
    if verified is not Verified.NONE:
        told += [_header(name, value) for name, value in _OF_SUBJECT.items()]
        told += [_header(CERTIFICATE, "%DOWNSTREAM_PEER_CERT%")] if demands.passes_certificate else []
    for route in routes:
        if len(demands.admitted) > 1:
            route.match.tls_context = _MATCHES[verified]
            route.name = f"{route.name} {verified}"
        if route.route:
            route.request_headers_to_remove.extend(VERIFIED_HEADERS)
            route.request_headers_to_add.extend(told)
        yield route


def _header(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
