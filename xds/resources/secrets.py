"""SDS: a certificate as a Secret."""

from xds.envoyapi.messages import DataSource, Secret, TlsCertificate
from xds.resources import names
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
