"""Certificates that the clients of a host are asked for.

The content of the authorities' Secret is no part of the values: new authorities change no listener and no route.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.problems.problem import Key
from xds.traffic.backend_tls import CredentialKey, CredentialPart


class Verification(StrEnum):
    """The requests that are let in, as ingress-nginx names the modes."""

    ON = "on"
    """Those with a certificate that an authority signed."""
    OPTIONAL = "optional"
    """Those without a certificate too."""
    OPTIONAL_NO_CA = "optional_no_ca"
    """All. Backends are told the result of the verification."""
    OFF = "off"
    """All. No certificate is asked for."""


class Verified(StrEnum):
    """The result of a verification, in the words of nginx's variable `ssl_client_verify`."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    NONE = "NONE"
    """No certificate was sent."""


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """The certificates that the clients of a host are asked for.

    Attributes:
        authorities: The Secret with the authorities; None: there are none to be had, and the host is closed.
        verification: The requests that are let in.
        depth: The most certificates between a client's own and an authority's.
        error_page: The URL to which requests are redirected that are not let in; empty: the answer is 400.
        passes_certificate: Whether backends get the certificate.
        subject: An expression of RE2 that is found in the subject of the certificate; empty: any subject.
    """

    authorities: Key | None
    verification: Verification = Verification.ON
    depth: int = 1
    error_page: str = ""
    passes_certificate: bool = False
    subject: str = ""

    @property
    def credential(self) -> CredentialKey | None:
        """The authorities by which a proxy verifies; None where no certificate is asked for."""
        if self.authorities is None or self.verification is Verification.OFF:
            return None
        return CredentialKey(self.authorities, CredentialPart.CLIENT_AUTHORITIES)

    @property
    def admitted(self) -> tuple[Verified, ...]:
        """The results with which a request is let in."""
        return _ADMITTED[self.verification if self.authorities else Verification.OFF]

    @property
    def rejects(self) -> bool:
        """Whether a request without a certificate is not let in, so that plain HTTP isn't either."""
        return Verified.NONE not in self.admitted

    @property
    def admits_anybody(self) -> bool:
        """Whether a request without a certificate is let in wherever it goes."""
        return self.authorities is not None and not self.rejects and not self.subject

    @property
    def rejected_status(self) -> int:
        return 302 if self.error_page else 400

    def fulfils(self, asked: "ClientCertificates") -> bool:
        """Whether each request that is let in would be let in by other demands, but for the authorities and depth."""
        return set(self.admitted) <= set(asked.admitted) and asked.subject in ("", self.subject)


_ADMITTED: Final = {
    Verification.ON: (Verified.SUCCESS,),
    Verification.OPTIONAL: (Verified.NONE, Verified.SUCCESS),
    Verification.OPTIONAL_NO_CA: (Verified.NONE, Verified.SUCCESS, Verified.FAILED),
    Verification.OFF: (Verified.NONE,),
}

NO_AUTHORITIES: Final = ClientCertificates(None, Verification.OFF)
"""The demands of a host whose authorities can't be had."""


@dataclass(frozen=True, slots=True)
class CheckedHost:
    """A host with a check of clients, on connections of its own.

    Attributes:
        host: As rules name the host. Its aliases are checked with it.
        certificates: The demands.
    """

    host: str
    certificates: ClientCertificates
