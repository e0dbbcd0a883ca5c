"""The faults of the client's own certificate, which a server doesn't tell: it closes the connection."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID


def fault(file: Path) -> str:
    """The reason why no server accepts the certificate, with the remedy; empty: none is known."""
    try:
        leaf = load_pem_x509_certificates(file.read_bytes())[0]
    except (ValueError, OSError):
        return ""
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        return f"--tls-cert {file} expired at {leaf.not_valid_after_utc.isoformat()}; renew it"
    if now < leaf.not_valid_before_utc:
        return f"--tls-cert {file} is valid from {leaf.not_valid_before_utc.isoformat()} only; check the clock"
    with suppress(ExtensionNotFound):
        if ExtendedKeyUsageOID.CLIENT_AUTH not in leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value:
            return f"--tls-cert {file} is not for clients; use one with the extended key usage clientAuth"
    return ""
