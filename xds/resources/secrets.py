"""SDS: certificates and authorities as Secrets."""

from xds.envoyapi.messages import CertificateValidationContext, DataSource, Secret, TlsCertificate
from xds.resources import names
from xds.traffic.backend_tls import ClientAuthorities, ClientCertificate, Credential, CredentialKey
from xds.traffic.tls import Certificate


def secret(certificate: Certificate) -> Secret:
    return Secret(
        name=names.secret(certificate.secret),
        tls_certificate=TlsCertificate(
            certificate_chain=DataSource(inline_bytes=certificate.chain),
            private_key=DataSource(inline_bytes=certificate.private_key),
            ocsp_staple=DataSource(inline_bytes=certificate.staple) if certificate.staple else None,
        ),
    )


def credential_secret(key: CredentialKey, credential: Credential) -> Secret:
    """A credential for TLS to backends, or authorities of clients."""
    name = names.credential(key)
    if isinstance(credential, ClientCertificate):
        certificate = TlsCertificate(
            certificate_chain=DataSource(inline_bytes=credential.chain),
            private_key=DataSource(inline_bytes=credential.private_key),
        )
        return Secret(name=name, tls_certificate=certificate)
    authorities = DataSource(inline_bytes=credential.certificates)
    revoked = credential.revoked if isinstance(credential, ClientAuthorities) else b""
    lists = DataSource(inline_bytes=revoked) if revoked else None
    return Secret(name=name, validation_context=CertificateValidationContext(trusted_ca=authorities, crl=lists))
