"""Certificates of clients: what connections verify, and the requests that routes let in."""

from collections.abc import Iterable, Iterator
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    CertificateValidationContext,
    CertificateValidationContextTrustChainVerification,
    CommonTlsContextCombinedCertificateValidationContext,
    DirectResponseAction,
    HeaderMatcher,
    HeaderMutation,
    HeaderMutationRemoveOnMatch,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    RouteMatch,
    RouteMatchTlsContextMatchOptions,
    SdsSecretConfig,
    StringMatcher,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.filters.client_subject import NAME as CLIENT_SUBJECT
from xds.resources.filters.client_subject import client_subject_of
from xds.resources.filters.forged_headers import CERTIFICATE, ISSUER, SUBJECT, VERIFIED_HEADERS, VERIFY, with_headers
from xds.resources.header_values import replaced
from xds.traffic.client_certificates import CheckedHost, ClientCertificates, Verified

_OF_CERTIFICATE: Final = {SUBJECT: "%DOWNSTREAM_PEER_SUBJECT%", ISSUER: "%DOWNSTREAM_PEER_ISSUER%"}

_WITH_UNDERSCORES: Final = "ssl_client_"
"""The beginning of headers that a backend may take for those of the check."""


def _match(verified: Verified) -> RouteMatchTlsContextMatchOptions:
    if verified is Verified.NONE:
        return RouteMatchTlsContextMatchOptions(presented=False)
    return RouteMatchTlsContextMatchOptions(presented=True, validated=verified is Verified.SUCCESS)


def client_verification(checked: CheckedHost) -> CommonTlsContextCombinedCertificateValidationContext | None:
    """The verification of clients' certificates; None where none is asked for.

    No handshake fails for want of a good certificate: routes answer.
    """
    key = checked.certificates.credential
    if key is None:
        return None
    return CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=CertificateValidationContext(
            # Envoy counts the authority's certificate too, though 0 and 1 are the same.
            max_verify_depth=checked.certificates.depth + 1,
            trust_chain_verification=CertificateValidationContextTrustChainVerification.ACCEPT_UNTRUSTED,
        ),
        validation_context_sds_secret_config=SdsSecretConfig(name=names.credential(key), sds_config=ads()),
    )


def rejections(demands: ClientCertificates, guards: Iterable[HeaderMatcher]) -> Iterator[EnvoyRoute]:
    """The answers to requests by TLS that are not let in, to be tried before all other routes."""
    for verified in Verified:
        if verified not in demands.admitted and demands.credential:
            location = [replaced("location", demands.error_page)] if demands.error_page else []
            yield EnvoyRoute(
                name=f"client-certificate-{verified.lower()}",
                match=RouteMatch(prefix="/", headers=list(guards), tls_context=_match(verified)),
                direct_response=DirectResponseAction(status=demands.rejected_status),
                response_headers_to_add=location,
            )


def admitted(
    routes: Iterable[EnvoyRoute], demands: ClientCertificates, verified: Verified | None
) -> Iterator[EnvoyRoute]:
    """Routes for requests with one result of the verification, which authorizers and backends are told.

    Args:
        routes: Made anew for each call, as they are changed.
        demands: Of the host.
        verified: None: by plain HTTP, where nothing is verified and nothing told.
    """
    told = _told(demands, verified)
    subject = {CLIENT_SUBJECT: client_subject_of(demands.subject)} if demands.subject else {}
    for route in routes:
        if verified is not None and len(demands.admitted) > 1:
            codec.upb(route.match or RouteMatch()).MergeFrom(codec.upb(RouteMatch(tls_context=_match(verified))))
            route.name = f"{route.name} {verified}"
        forwards = codec.upb(route).HasField("route")
        filters = subject | (with_headers(route.typed_per_filter_config, told) if forwards else {})
        codec.upb(route).MergeFrom(codec.upb(EnvoyRoute(typed_per_filter_config=filters)))
        yield route


def _told(demands: ClientCertificates, verified: Verified | None) -> list[HeaderMutation]:
    told = [] if verified is None else [_header(VERIFY, verified)]
    if verified not in (None, Verified.NONE):
        told += [_header(name, value) for name, value in _OF_CERTIFICATE.items()]
        told += [_header(CERTIFICATE, "%DOWNSTREAM_PEER_CERT%")] if demands.passes_certificate else []
    forged = HeaderMutationRemoveOnMatch(key_matcher=StringMatcher(prefix=_WITH_UNDERSCORES))
    removed = [HeaderMutation(remove=name) for name in VERIFIED_HEADERS]
    return [HeaderMutation(remove_on_match=forged), *removed, *told]


def _header(name: str, value: str) -> HeaderMutation:
    return HeaderMutation(
        append=HeaderValueOption(
            header=HeaderValue(key=name, value=value),
            append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    )
