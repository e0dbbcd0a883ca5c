"""Which certificates are taken: just those that a real Envoy takes.

Covers: how keys and certificates are made, named, bounded and written down. Excludes: what a bad one does to the
Ingresses that use it (test_tls_table), what clients are served (tests/e2e/test_tls.py), and Ed25519, which Envoy loads
and has no signature algorithm for.
"""

import functools
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.objects import Pair, PrivateKey, _pem, _private_key, certificate, secret_of
from tests.support.static_tls import bootstrap
from xds.translate.certificates import judge

Extension: TypeAlias = x509.ExtensionType

private_key: Callable[[str], PrivateKey] = functools.cache(_private_key)


def made(
    *extensions: Extension,
    kind: str = "p256",
    subject: str = "test",
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2100, 1, 1, tzinfo=UTC),
) -> Pair:
    key: Any = private_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(ends)
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    signed = builder.sign(key, None if kind == "ed25519" else hashes.SHA256())
    return Pair(signed.public_bytes(Encoding.PEM), _pem(key))


def usage(**allowed: bool) -> x509.KeyUsage:
    every = ("content_commitment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only")
    rest = dict.fromkeys(("digital_signature", "key_encipherment", "key_cert_sign", *every), False)
    return x509.KeyUsage(**{**rest, **allowed})


def san(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


def patched(pair: Pair, old: bytes, new: bytes) -> Pair:
    """With other bytes in the DER of the certificate, where they are found first."""
    der = ssl.PEM_cert_to_DER_cert(pair.chain.decode())
    assert old in der
    return Pair(ssl.DER_cert_to_PEM_cert(der.replace(old, new, 1)).encode(), pair.key)


GOOD = made()
OTHER = made(kind="rsa2048", subject="other")
NO_UTF8 = patched(GOOD, b"test", b"\xfftst")


def traditional(kind: str) -> bytes:
    return private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


P256_PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

TAKEN = {
    "P-256": GOOD,
    "P-384": made(kind="p384"),
    "P-521": made(kind="p521"),
    "RSA-2048": OTHER,
    "expired": made(ends=datetime(2021, 1, 1, tzinfo=UTC)),
    "not yet valid": made(begins=datetime(2099, 1, 1, tzinfo=UTC)),
    "for clients only": made(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
    "an authority": made(x509.BasicConstraints(ca=True, path_length=None)),
    "ECDSA for signatures": made(usage(digital_signature=True)),
    "RSA for encipherment": made(usage(key_encipherment=True), kind="rsa2048"),
    "named by DNS": made(san(x509.DNSName("a")), subject=""),
    "named by IP": made(san(x509.IPAddress(ip_address("1.2.3.4"))), subject=""),
    "named by URI": made(san(x509.UniformResourceIdentifier("a:b")), subject=""),
    "leaf twice": Pair(GOOD.chain * 2, GOOD.key),
    "a stranger in the chain": Pair(GOOD.chain + OTHER.chain, GOOD.key),
    "an intermediate of another kind": Pair(GOOD.chain + made(kind="ed25519").chain, GOOD.key),
    "PKCS#1": Pair(OTHER.chain, traditional("rsa2048")),
    "SEC1 behind its parameters": Pair(GOOD.chain, P256_PARAMETERS + traditional("p256")),
    "text in between": Pair(b"subject=x\n" + GOOD.chain, b"Bag Attributes\n" + GOOD.key),
    "Windows' line ends": Pair(GOOD.chain.replace(b"\n", b"\r\n"), GOOD.key.replace(b"\n", b"\r\n")),
    "all in one": Pair(GOOD.chain + GOOD.key, GOOD.chain + GOOD.key),
}

REFUSED = {
    "root first": (Pair(OTHER.chain + GOOD.chain, GOOD.key), "must be first and is number 2"),
    "another's key": (Pair(GOOD.chain, OTHER.key), "doesn't belong"),
    "empty": (Pair(b"", b""), "no tls.crt and no tls.key"),
    "RSA-1024": (made(kind="rsa1024"), "only 1024 bits"),
    "secp256k1": (made(kind="secp256k1"), "not one of P-256"),
    "ECDSA for key agreement": (made(usage(key_agreement=True)), "digital signatures"),
    "ECDSA for an authority": (made(usage(key_cert_sign=True)), "digital signatures"),
    "no name": (made(subject=""), "names nobody"),
    "no name but mail": (made(san(x509.RFC822Name("a@example.com")), subject=""), "names nobody"),
    "a name that is no UTF-8": (NO_UTF8, "not a chain of certificates"),
    "an intermediate whose name is no UTF-8": (Pair(GOOD.chain + NO_UTF8.chain, GOOD.key), "not a chain"),
    "must-staple": (made(x509.TLSFeature([x509.TLSFeatureType.status_request])), "OCSP stapling"),
}


@needs_envoy
@pytest.mark.parametrize("pair", TAKEN.values(), ids=TAKEN)
def test_accepted_certificates_are_accepted_by_envoy(pair: Pair, tmp_path: Path) -> None:
    verdict = judge(secret_of("cert", pair.chain, pair.key))
    assert verdict.certificate, verdict.why_not
    assert bootstrap_error(bootstrap(verdict.certificate.chain, verdict.certificate.private_key), tmp_path) == ""


@needs_envoy
@pytest.mark.parametrize(("pair", "words"), REFUSED.values(), ids=REFUSED)
def test_unusable_certificates_are_rejected_by_envoy(pair: Pair, words: str, tmp_path: Path) -> None:
    verdict = judge(secret_of("cert", pair.chain, pair.key))
    assert verdict.certificate is None
    assert words in verdict.why_not
    assert bootstrap_error(bootstrap(pair.chain, pair.key), tmp_path) != ""


def test_the_shared_test_certificates_are_good() -> None:
    pair = certificate("a.example.com")
    assert judge(secret_of("cert", pair.chain, pair.key)).certificate
