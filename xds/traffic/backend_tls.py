"""TLS to backends: the identity that a proxy shows to a backend, and the identity that a backend must prove.

The content of a Secret is no part of a policy: a policy names the Secret, so that a new certificate changes no cluster.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from xds.problems.problem import Key


class BackendTlsVersion(StrEnum):
    """A version of TLS, as nginx names it."""

    TLS_1_0 = "TLSv1"
    TLS_1_1 = "TLSv1.1"
    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


class CredentialPart(StrEnum):
    """The part of a Secret that a proxy uses."""

    CLIENT_CERTIFICATE = "client"
    AUTHORITIES = "ca"
    CLIENT_AUTHORITIES = "clients"
    """Of the certificates of clients, with their revocation lists."""


class CredentialKey(NamedTuple):
    """Names a part of a Secret."""

    secret: Key
    part: CredentialPart

    def __str__(self) -> str:
        return f"{self.secret}/{self.part}"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate of a proxy as a client of backends: chain and private key, in PEM."""

    chain: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificates of the authorities that may sign a backend's chain, in PEM."""

    certificates: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientAuthorities:
    """The authorities that may sign the certificates of clients, and their revocation lists, in PEM.

    Attributes:
        revoked: Lists of revoked certificates; empty: none is checked.
    """

    certificates: bytes = field(repr=False)
    revoked: bytes = field(default=b"", repr=False)


Credential: TypeAlias = ClientCertificate | Authorities | ClientAuthorities


@dataclass(frozen=True, slots=True)
class BackendTls:
    """TLS to a backend, beyond encryption.

    Attributes:
        secret: Holds the client certificate and the authorities.
        presents_certificate: Whether the client certificate of the Secret is shown.
        verify_depth: The most certificates between the backend's own and an authority's; None: no certificate is
            verified.
        name: The DNS name of the backend; empty: the DNS names of the Service.
        sends_name: Whether the name is the server name (SNI).
        versions: The oldest and the newest version of TLS; None: those of every backend.
        ciphers: The cipher suites for TLS 1.2 and older; empty: Envoy's own.
    """

    secret: Key
    presents_certificate: bool = False
    verify_depth: int | None = None
    name: str = ""
    sends_name: bool = False
    versions: tuple[BackendTlsVersion, BackendTlsVersion] | None = None
    ciphers: tuple[str, ...] = ()

    @property
    def credentials(self) -> tuple[CredentialKey, ...]:
        """The parts of the Secret in use."""
        certificate = (CredentialKey(self.secret, CredentialPart.CLIENT_CERTIFICATE),)
        authorities = (CredentialKey(self.secret, CredentialPart.AUTHORITIES),)
        return (certificate if self.presents_certificate else ()) + (authorities if self.is_verified else ())

    @property
    def is_verified(self) -> bool:
        return self.verify_depth is not None

    @property
    def words(self) -> str:
        """The policy for people. Unlike `str`, equal for policies that differ in nothing that matters."""
        name = self.name or "the Service's DNS name"
        shown = f"showing the certificate of Secret {self.secret}" if self.presents_certificate else ""
        verified = f"verified as {name} by Secret {self.secret}, depth {self.verify_depth}" if self.is_verified else ""
        sent = f"SNI {name}" if self.sends_name else ""
        versions = f"{self.versions[0]} to {self.versions[1]}" if self.versions else ""
        return ", ".join(filter(None, (shown, verified, sent, versions, ":".join(self.ciphers))))
