"""The control plane's own certificates and their dates, for logs, metrics and the debug API."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography.x509 import (
    Certificate,
    DNSName,
    ExtensionNotFound,
    SubjectAlternativeName,
    load_pem_x509_certificates,
)

OWN_EXPIRY_WARNING: Final = timedelta(days=7)
"""Time before the end of a certificate at which a warning is logged."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of --tls-cert or --tls-client-ca.

    Attributes:
        use: `server` or `client_ca`.
        names: The DNS names, or the subject of a certificate without DNS names.
    """

    use: str
    file: Path
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


class OwnCertificates:
    """The certificates in --tls-cert and --tls-client-ca, with their dates.

    Attributes:
        not_after: The first end of a certificate, in seconds since 1970, by use: `server` or `client_ca`.
        current: The server's certificate, and the authorities of clients.

    Args:
        certificate: The file of --tls-cert.
        client_ca: The file of --tls-client-ca.
    """

    def __init__(self, certificate: Path, client_ca: Path) -> None:
        self._files = {"server": certificate, "client_ca": client_ca}
        self._certificates: dict[str, list[Certificate]] = {}
        self._states: dict[str, str] = {}
        self.not_after: dict[str, float] = {}
        self.current: tuple[OwnCertificate, ...] = ()

    def replace(self, certificate: bytes, client_ca: bytes) -> None:
        """Take the content of valid files."""
        self._certificates = {
            "server": load_pem_x509_certificates(certificate),
            "client_ca": load_pem_x509_certificates(client_ca),
        }
        self.current = tuple(self._read())
        self.not_after = {
            kind: min(each.not_valid_after_utc for each in found).timestamp()
            for kind, found in self._certificates.items()
        }

    def _read(self) -> Iterator[OwnCertificate]:
        used = [("server", self._certificates["server"][0])]
        used += [("client_ca", each) for each in self._certificates["client_ca"]]
        for use, each in used:
            names = _dns_names(each) or (each.subject.rfc4514_string(),)
            yield OwnCertificate(use, self._files[use], names, each.not_valid_before_utc, each.not_valid_after_utc)

    def check(self, now: datetime) -> None:
        """Log certificates that are about to expire, or outside of their dates; each state once."""
        for kind, certificates in self._certificates.items():
            state, worst = _worst(certificates, now)
            if state != self._states.get(kind, ""):
                self._states[kind] = state
                if state:
                    _log_dates(state, self._files[kind], worst)


def _dns_names(certificate: Certificate) -> tuple[str, ...]:
    """The DNS names, in their order."""
    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return ()
    return tuple(found.get_values_for_type(DNSName))


def _worst(certificates: list[Certificate], now: datetime) -> tuple[str, Certificate]:
    """The state of the first certificate that is outside of its dates or about to be, or an empty one."""
    for state, applies in _STATES.items():
        for each in certificates:
            if applies(each, now):
                return state, each
    return "", certificates[0]


_STATES: Final[dict[str, Callable[[Certificate, datetime], bool]]] = {
    "tls_certificate_expired": lambda each, now: now >= each.not_valid_after_utc,
    "tls_certificate_not_yet_valid": lambda each, now: now < each.not_valid_before_utc,
    "tls_certificate_expires_soon": lambda each, now: now >= each.not_valid_after_utc - OWN_EXPIRY_WARNING,
}
"""Worst first."""


def _log_dates(state: str, file: Path, certificate: Certificate) -> None:
    begins, ends = certificate.not_valid_before_utc.isoformat(), certificate.not_valid_after_utc.isoformat()
    log = _log.warning if state == "tls_certificate_expires_soon" else _log.error
    log(
        state,
        file=str(file),
        subject=certificate.subject.rfc4514_string(),
        error=f"the certificate is valid from {begins} to {ends}",
        remedy="replace the file with a valid certificate, or check the clock; the server loads new files by itself",
    )
