"""OCSP responses for self-signed certificates."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding, OCSPResponseBuilder

from tests.support.objects import Pair


def ocsp_response(
    pair: Pair, begins: datetime, expires: datetime | None, status: OCSPCertStatus = OCSPCertStatus.GOOD
) -> bytes:
    """A response in DER about the certificate, signed with its own key."""
    certificate = x509.load_pem_x509_certificate(pair.chain)
    key = serialization.load_pem_private_key(pair.key, None)
    builder = OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=certificate,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=begins,
        next_update=expires,
        revocation_time=begins if status is OCSPCertStatus.REVOKED else None,
        revocation_reason=None,
    )
    signed = builder.responder_id(OCSPResponderEncoding.HASH, certificate).sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.DER)
