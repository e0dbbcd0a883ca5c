"""TLS to backends, as the transport socket of a Cluster."""

from functools import cache
from typing import Final

from xds.address import is_ip
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    CertificateValidationContext,
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    DataSource,
    SdsSecretConfig,
    StringMatcher,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsParameters,
    TlsParametersTlsProtocol,
    TransportSocket,
    UpstreamTlsContext,
)
from xds.resources import names
from xds.resources.config_source import ads
from xds.traffic.backend_tls import BackendTls, BackendTlsVersion, CredentialKey, NameKind, SubjectName
from xds.traffic.backends import Backend
from xds.traffic.questions import Questions
from xds.traffic.upstream import BackendProtocol

SYSTEM_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The authorities that the proxy's system trusts, where Debian, Ubuntu, Alpine and Envoy's images keep them."""

_VERSIONS: Final = {
    BackendTlsVersion.TLS_1_0: TlsParametersTlsProtocol.TLSv1_0,
    BackendTlsVersion.TLS_1_1: TlsParametersTlsProtocol.TLSv1_1,
    BackendTlsVersion.TLS_1_2: TlsParametersTlsProtocol.TLSv1_2,
    BackendTlsVersion.TLS_1_3: TlsParametersTlsProtocol.TLSv1_3,
}


def transport_socket(backend: Backend) -> TransportSocket | None:
    """The transport socket of a backend; None for one that is spoken to in plain text.

    Bytes of TCP are sent by TLS where the policy asks for TLS; without a policy, nothing tells.
    """
    tls, questions = backend.upstream.tls, backend.upstream.questions
    if not backend.protocol.uses_tls and not (tls and backend.protocol is BackendProtocol.TCP):
        return None
    if questions and not tls:
        return _to_authorizer(questions)
    return _with_credentials(tls, backend) if tls else _encrypted()


@cache
def _encrypted() -> TransportSocket:
    """TLS without verification: without an authority named, certificates of backends are usually self-signed."""
    return _socket(UpstreamTlsContext(common_tls_context=CommonTlsContext(tls_params=_parameters(None))))


def _to_authorizer(questions: Questions) -> TransportSocket:
    return _socket(
        UpstreamTlsContext(
            # An address is no server name: https://www.rfc-editor.org/rfc/rfc6066#section-3
            sni="" if is_ip(questions.name) else questions.name,
            common_tls_context=CommonTlsContext(
                tls_params=_parameters(None),
                validation_context=_by_system(questions.name) if questions.is_verified else None,
            ),
        )
    )


def _by_system(name: str) -> CertificateValidationContext:
    kind = SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else SubjectAltNameMatcherSanType.DNS
    names = [SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))]
    return CertificateValidationContext(
        trusted_ca=DataSource(filename=SYSTEM_AUTHORITIES), match_typed_subject_alt_names=names
    )


def _with_credentials(tls: BackendTls, backend: Backend) -> TransportSocket:
    certificate, authorities = tls.client_certificate, tls.verifying
    return _socket(
        UpstreamTlsContext(
            sni=dns_names(tls, backend)[0] if tls.sends_name else "",
            common_tls_context=CommonTlsContext(
                tls_params=_parameters(tls),
                tls_certificate_sds_secret_configs=[_by_sds(certificate)] if certificate else [],
                validation_context=_verification(tls, backend) if tls.is_verified and tls.trusts_system else None,
                combined_validation_context=_combined(tls, backend, authorities) if authorities else None,
            ),
        )
    )


def dns_names(tls: BackendTls, backend: Backend) -> tuple[str, ...]:
    """The DNS names of a backend, of which its certificate must have one; the first is the server name."""
    if tls.name:
        return (tls.name,)
    if backend.external_name:
        return (backend.external_name,)
    name = f"{backend.key.service}.{backend.key.namespace}.svc"
    return (name, f"{name}.cluster.local")


def _combined(
    tls: BackendTls, backend: Backend, authorities: CredentialKey
) -> CommonTlsContextCombinedCertificateValidationContext:
    return CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=_verification(tls, backend),
        validation_context_sds_secret_config=_by_sds(authorities),
    )


def _verification(tls: BackendTls, backend: Backend) -> CertificateValidationContext:
    subject_names = tls.subject_names or [SubjectName(NameKind.DNS, name) for name in dns_names(tls, backend)]
    return CertificateValidationContext(
        trusted_ca=DataSource(filename=SYSTEM_AUTHORITIES) if tls.trusts_system else None,
        match_typed_subject_alt_names=[_name_matcher(each) for each in subject_names],
        max_verify_depth=tls.verify_depth,
    )


def _name_matcher(name: SubjectName) -> SubjectAltNameMatcher:
    """A matcher of a name in a certificate, which covers the name as a wildcard, too.

    A wildcard that is asked for is met by the same wildcard in the certificate, and by names that it covers.
    """
    if name.kind is NameKind.URI:
        return SubjectAltNameMatcher(san_type=SubjectAltNameMatcherSanType.URI, matcher=StringMatcher(exact=name.value))
    if name.value.startswith("*."):
        matcher = StringMatcher(suffix=name.value.removeprefix("*"), ignore_case=True)
        return SubjectAltNameMatcher(san_type=SubjectAltNameMatcherSanType.DNS, matcher=matcher)
    return SubjectAltNameMatcher(san_type=SubjectAltNameMatcherSanType.DNS, matcher=StringMatcher(exact=name.value))


def _by_sds(credential: CredentialKey) -> SdsSecretConfig:
    return SdsSecretConfig(name=names.credential(credential), sds_config=ads())


def _parameters(tls: BackendTls | None) -> TlsParameters:
    """To a backend Envoy speaks TLS 1.2 alone unless told otherwise."""
    if tls is None or tls.versions is None:
        return TlsParameters(tls_maximum_protocol_version=TlsParametersTlsProtocol.TLSv1_3)
    oldest, newest = tls.versions
    return TlsParameters(
        tls_minimum_protocol_version=_VERSIONS[oldest],
        tls_maximum_protocol_version=_VERSIONS[newest],
        cipher_suites=list(tls.ciphers),
    )


def _socket(context: UpstreamTlsContext) -> TransportSocket:
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=codec.pack(context))
