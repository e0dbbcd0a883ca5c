"""Whether a Secret holds what Envoy takes for a server certificate."""

from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate as X509Certificate
from cryptography.x509 import load_pem_x509_certificates

from xds.kube.objects import Secret
from xds.translate.model import Certificate

_SMALLEST_RSA_KEY = 2048


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a Secret is good for: a certificate, or the reason why not. `expires` is that of the leaf, in UTC."""

    certificate: Certificate | None
    why_not: str = ""
    expires: datetime | None = None


def judge(secret: Secret) -> Verdict:
    """Whether the certificate chain parses, the key parses, and they belong together."""
    data = secret.data
    if data is None or not data.tls_crt or not data.tls_key:
        missing = [
            name
            for name, value in (("tls.crt", data and data.tls_crt), ("tls.key", data and data.tls_key))
            if not value
        ]
        return Verdict(None, f"it has no {' and no '.join(missing)}")
    try:
        chain = load_pem_x509_certificates(data.tls_crt)
        leaf = chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        return Verdict(None, "its tls.crt is not a chain of certificates in PEM")
    try:
        key = load_pem_private_key(data.tls_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Verdict(None, "its tls.key is not an unencrypted private key in PEM")
    why_not = _unfit(leaf, key.public_key())
    if why_not:
        return Verdict(None, why_not)
    return Verdict(Certificate(secret.key, data.tls_crt, data.tls_key), expires=_expiry(chain[0]))


def _unfit(leaf: PublicKeyTypes, key: PublicKeyTypes) -> str:
    """Why Envoy would refuse the pair.

    Source: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl#certificate-selection
    """
    if _spki(leaf) != _spki(key):
        return "its tls.key doesn't belong to its tls.crt"
    if isinstance(leaf, RSAPublicKey):
        return "" if leaf.key_size >= _SMALLEST_RSA_KEY else f"its RSA key has only {leaf.key_size} bits"
    if isinstance(leaf, EllipticCurvePublicKey):
        fit = isinstance(leaf.curve, SECP256R1 | SECP384R1 | SECP521R1)
        return "" if fit else f"its curve {leaf.curve.name} is not one of P-256, P-384 and P-521"
    return "its key is neither RSA nor ECDSA"


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _expiry(leaf: X509Certificate) -> datetime:
    return leaf.not_valid_after_utc
