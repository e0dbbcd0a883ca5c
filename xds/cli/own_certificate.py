"""The faults of the client's own certificate, which a server doesn't tell: it closes the connection."""

from contextlib import suppress
from datetime import UTC, datetime

from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID


def fault(source: str, certificate: bytes) -> str:
    """The reason why no server accepts the certificate, with the remedy; empty: none is known.

    Args:
        source: The flag and file of the certificate, or the object that holds it.
        certificate: In PEM.
    """
    try:
        leaf = load_pem_x509_certificates(certificate)[0]
    except ValueError:
        return ""
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        return f"{source} expired at {leaf.not_valid_after_utc.isoformat()}; renew it"
    if now < leaf.not_valid_before_utc:
        return f"{source} is valid from {leaf.not_valid_before_utc.isoformat()} only; check the clock"
    with suppress(ExtensionNotFound):
        if ExtendedKeyUsageOID.CLIENT_AUTH not in leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value:
            return f"{source} is not for clients; use one with the extended key usage clientAuth"
    return ""
