"""Whether a Secret holds a server certificate that Envoy accepts."""

import warnings
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import Certificate as X509Certificate
from cryptography.x509 import (
    DNSName,
    ExtensionNotFound,
    Extensions,
    InvalidVersion,
    IPAddress,
    KeyUsage,
    SubjectAlternativeName,
    TLSFeature,
    UniformResourceIdentifier,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import NameOID

from xds.kube.objects import Secret, SecretData
from xds.traffic.tls import Certificate, KeyType
from xds.translate.certificate_chain import first_is_not_the_leaf, has_trusted_block, order_fault
from xds.translate.certificate_dates import Validity
from xds.translate.ocsp import StapleVerdict, judge_staple

_Extension = TypeVar("_Extension", TLSFeature, KeyUsage, SubjectAlternativeName)

_SMALLEST_RSA_KEY = 2048

_TRUSTED_BLOCK = "its tls.crt has a TRUSTED CERTIFICATE block, which is passed over; write it with `openssl x509`"

_LARGEST_RSA_EXPONENT = 33
"""Bits. Source: https://boringssl.googlesource.com/boringssl/+/HEAD/crypto/fipsmodule/rsa/rsa_impl.cc.inc"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a Secret.

    Attributes:
        certificate: None if Envoy would reject the content of the Secret.
        why_not: Why Envoy would reject the content; empty for a usable Secret.
        validity: Of the leaf certificate; None for an unusable Secret.
        names: The DNS names of the leaf certificate, in lower case. Clients ignore the common name of the subject.
        staple: The judgement of the OCSP response; None for a Secret without one.
        staple_is_required: Whether the certificate demands an OCSP response (must-staple).
        unstapled: The certificate without its OCSP response, for the time in which the response is not current.
        chain_fault: Why clients may reject the chain, although Envoy serves the chain; empty for a chain in order.
    """

    certificate: Certificate | None
    why_not: str = ""
    validity: Validity | None = None
    names: frozenset[str] = frozenset()
    staple: StapleVerdict | None = None
    staple_is_required: bool = False
    chain_fault: str = ""
    unstapled: Certificate | None = None

    @property
    def expires(self) -> datetime | None:
        """`notAfter` of the leaf certificate; None for an unusable Secret."""
        return self.validity.expires if self.validity else None


class _UnusableError(ValueError):
    """The content of a Secret is not a usable certificate. The text says why."""


def judge(secret: Secret) -> Verdict:
    """Judge a Secret: chain and key must parse, and belong together.

    Only parsed certificates are served: a tls.crt may also hold the private key, or other content.
    """
    data = secret.data or SecretData()
    missing = [name for name, value in (("tls.crt", data.tls_crt), ("tls.key", data.tls_key)) if not value]
    if missing:
        return Verdict(None, f"it has no {' and no '.join(missing)}")
    try:
        chain = _chain(data.tls_crt or b"")
        key = _key(data.tls_key or b"")
        _check_pair(chain, key.public_key(), data.tls_crt or b"")
        _check_form(chain[0])
        staple = judge_staple(data.tls_ocsp_staple, chain[0]) if data.tls_ocsp_staple else None
        _check_staple(chain[0], staple)
    except _UnusableError as error:
        return Verdict(None, str(error))
    leaf, key_type = chain[0], KeyType.RSA if isinstance(chain[0].public_key(), RSAPublicKey) else KeyType.ECDSA
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    unstapled = Certificate(secret.key, pem, _pem(key), key_type)
    usable = data.tls_ocsp_staple if data.tls_ocsp_staple and staple and staple.validity else b""
    return Verdict(
        replace(unstapled, staple=usable),
        validity=Validity(leaf.not_valid_before_utc, leaf.not_valid_after_utc),
        names=_dns_names(leaf),
        staple=staple,
        staple_is_required=_demands_staple(leaf),
        chain_fault=_TRUSTED_BLOCK if has_trusted_block(data.tls_crt or b"") else order_fault(chain),
        unstapled=unstapled,
    )


def _chain(pem: bytes) -> list[X509Certificate]:
    try:
        with warnings.catch_warnings():
            # Of certificates that a later version of the library will not read: Envoy reads them with another one.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            chain = load_pem_x509_certificates(pem)
            chain[0].public_key()
            for each in chain:  # these are read when they are asked for
                _ = each.subject, each.issuer, each.not_valid_before_utc, each.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        why = _TRUSTED_BLOCK if has_trusted_block(pem) else "its tls.crt is not a chain of certificates in PEM"
        raise _UnusableError(why) from None
    return chain


def _key(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableError("its tls.key is not an unencrypted private key in PEM") from None


def _check_pair(chain: list[X509Certificate], key: PublicKeyTypes, pem: bytes) -> None:
    """Raise for a private key that doesn't belong to the first certificate, and for keys that Envoy would reject.

    Source: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl#certificate-selection
    """
    leaf = chain[0].public_key()
    if _spki(leaf) != _spki(key):
        if has_trusted_block(pem):
            raise _UnusableError(_TRUSTED_BLOCK)
        misplaced = first_is_not_the_leaf(chain, lambda each: _has_key(each, key))
        raise _UnusableError(misplaced or "its tls.key doesn't belong to its tls.crt")
    if isinstance(leaf, RSAPublicKey):
        if leaf.key_size < _SMALLEST_RSA_KEY:
            raise _UnusableError(f"its RSA key has only {leaf.key_size} bits")
        if leaf.public_numbers().e.bit_length() > _LARGEST_RSA_EXPONENT:
            raise _UnusableError(f"its RSA key's public exponent has more than {_LARGEST_RSA_EXPONENT} bits")
    elif not isinstance(leaf, EllipticCurvePublicKey):
        raise _UnusableError("its key is neither RSA nor ECDSA")
    elif not isinstance(leaf.curve, SECP256R1 | SECP384R1 | SECP521R1):
        raise _UnusableError(f"its curve {leaf.curve.name} is not one of P-256, P-384 and P-521")


def _has_key(certificate: X509Certificate, key: PublicKeyTypes) -> bool:
    try:
        return _spki(certificate.public_key()) == _spki(key)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _check_form(leaf: X509Certificate) -> None:
    """Raise for encodings of a good key, and for extensions, that Envoy would reject."""
    # RSA-PSS keys, and curves that are spelled out: the plain form of the key is then not what is in the certificate.
    key = leaf.public_key()
    if _spki(key) not in leaf.public_bytes(Encoding.DER):
        raise _UnusableError("its key is not in the plain form of an RSA or named-curve key")
    try:
        extensions = leaf.extensions
    except ValueError:
        raise _UnusableError("its certificate's extensions can't be read") from None
    usage = _find(extensions, KeyUsage)
    if usage and not usage.digital_signature and isinstance(key, EllipticCurvePublicKey):
        raise _UnusableError("its key usage doesn't allow digital signatures, and its key is for nothing else")
    if not _has_name(leaf, _find(extensions, SubjectAlternativeName)):
        raise _UnusableError("its certificate names nobody: it has no subject CN and no DNS, IP or URI SAN")


def _check_staple(leaf: X509Certificate, staple: StapleVerdict | None) -> None:
    if _demands_staple(leaf) and (staple is None or staple.validity is None):
        why = f"can't be used: {staple.why_not}" if staple else "is missing"
        raise _UnusableError(f"it demands OCSP stapling (must-staple), and its tls.ocsp-staple {why}")


def _demands_staple(leaf: X509Certificate) -> bool:
    return _find(leaf.extensions, TLSFeature) is not None


def _find(extensions: Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def _has_name(leaf: X509Certificate, names: SubjectAlternativeName | None) -> bool:
    if leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        return True
    return any(isinstance(name, DNSName | IPAddress | UniformResourceIdentifier) for name in names or ())


def _dns_names(leaf: X509Certificate) -> frozenset[str]:
    names = _find(leaf.extensions, SubjectAlternativeName)
    return frozenset(name.lower() for name in names.get_values_for_type(DNSName)) if names else frozenset()


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
