"""Whether a Secret holds authorities, and revocation lists, by which Envoy can verify the certificates of clients."""

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import InvalidVersion, load_pem_x509_certificates, load_pem_x509_crl

from xds.kube.objects import ConfigMap, SecretData
from xds.traffic.backend_tls import ClientAuthorities

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class JudgedAuthorities:
    """The authorities of clients in a Secret.

    Attributes:
        authorities: None for a Secret that can't be used.
        why_not: Why Envoy would reject the content, or that there is none; empty for a usable Secret.
        expire: When the last of the authorities expires; None for a Secret that can't be used.
    """

    authorities: ClientAuthorities | None = None
    why_not: str = ""
    expire: datetime | None = None


def judge_authorities(data: SecretData) -> JudgedAuthorities:
    """Only parsed certificates and lists are used: a file may also hold a private key, or other content."""
    if not data.ca_crt:
        return JudgedAuthorities(why_not="it has no ca.crt")
    certificates = parsed_authorities(data.ca_crt)
    if not certificates or certificates.count(_CERTIFICATE) < data.ca_crt.count(_CERTIFICATE):
        return JudgedAuthorities(why_not="its ca.crt has no certificates in PEM, or one that can't be read")
    revoked = b""
    if (lists := data.others.get("ca.crl")) is not None:
        revoked = _parsed_lists(lists)
        if not revoked:
            return JudgedAuthorities(why_not="its ca.crl has no revocation list in PEM, or one that can't be read")
    expire = max(each.not_valid_after_utc for each in load_pem_x509_certificates(certificates))
    return JudgedAuthorities(ClientAuthorities(certificates, revoked), expire=expire)


def judge_config_map(config_map: ConfigMap) -> JudgedAuthorities:
    """The authorities in the `ca.crt` of a ConfigMap. They verify clients or backends."""
    if config_map.data is None:
        return JudgedAuthorities(why_not=config_map.fault or "it is empty")
    return judge_authorities(SecretData(ca_crt=config_map.data.get("ca.crt", "").encode()))


def parsed_authorities(pem: bytes) -> bytes:
    """The certificates of authorities in PEM; empty where there are none, or one can't be read."""
    try:
        with warnings.catch_warnings():
            # Of certificates that a later version of the library will not read: Envoy reads them with another one.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = load_pem_x509_certificates(pem)
            for each in found:  # these are read when they are asked for
                _ = each.public_key(), each.subject, each.issuer, each.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        return b""
    return b"".join(each.public_bytes(Encoding.PEM) for each in found)


def _parsed_lists(pem: bytes) -> bytes:
    """The revocation lists in PEM; empty where there are none, or one can't be read."""
    if len(lists := _LIST.findall(pem)) != pem.count(b"-----BEGIN X509 CRL-----"):
        return b""
    try:
        found = [load_pem_x509_crl(each) for each in lists]
        for each in found:  # these are read when they are asked for
            _ = each.issuer, each.last_update_utc, each.next_update_utc, len(each)
    except (ValueError, UnsupportedAlgorithm):
        return b""
    return b"".join(each.public_bytes(Encoding.PEM) for each in found)
