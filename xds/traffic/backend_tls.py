"""TLS to backends: the identity that a proxy shows to a backend, and the identity that a backend must prove.

The content of a Secret or ConfigMap is no part of a policy: a policy names the object, so that a new certificate
changes no cluster.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from xds.problems.problem import Key, ObjectRef

_JOIN: Final = "+"

_YOUNGER_FIELDS: Final = ("authorities", "trusts_system", "subject_names")

MAX_DEPTH: Final = 100
"""Of max_verify_depth: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
"""


class BackendTlsVersion(StrEnum):
    """A version of TLS, as nginx names it."""

    TLS_1_0 = "TLSv1"
    TLS_1_1 = "TLSv1.1"
    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


class CredentialPart(StrEnum):
    """The part of a Secret, or of ConfigMaps, that a proxy uses."""

    CLIENT_CERTIFICATE = "client"
    AUTHORITIES = "ca"
    CLIENT_AUTHORITIES = "clients"
    """Of the certificates of clients, with their revocation lists."""
    CONFIG_MAPS = "config-maps"
    """Authorities that are in ConfigMaps, of backends or of clients."""


class CredentialKey(NamedTuple):
    """Names a part of a Secret, or the authorities of one or several ConfigMaps together.

    Attributes:
        holder: The Secret, or the first ConfigMap.
        others: The other ConfigMaps.
    """

    holder: Key
    part: CredentialPart
    others: tuple[Key, ...] = ()

    def __str__(self) -> str:
        """Unique among keys: no name of an object holds a plus."""
        return f"{_JOIN.join(map(str, self.holders))}/{self.part}"

    @classmethod
    def named(cls, name: str) -> "CredentialKey | None":
        """The credential of a name, as `str` gives it; None for other names."""
        objects, _, part = name.rpartition("/")
        holders = [each.split("/") for each in objects.split(_JOIN)]
        if part not in list(CredentialPart) or any(len(each) != 2 for each in holders):
            return None
        first, *others = (Key(*each) for each in holders)
        return cls(first, CredentialPart(part), tuple(others))

    @property
    def holders(self) -> tuple[Key, ...]:
        return (self.holder, *self.others)

    @property
    def objects(self) -> tuple[ObjectRef, ...]:
        """The Secret, or the ConfigMaps."""
        kind = "ConfigMap" if self.part is CredentialPart.CONFIG_MAPS else "Secret"
        return tuple(ObjectRef(kind, *each) for each in self.holders)


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


class NameKind(StrEnum):
    """A kind of subject alternative name."""

    DNS = "DNS"
    URI = "URI"


class SubjectName(NamedTuple):
    """A subject alternative name of a backend's certificate.

    Attributes:
        value: A URI, or a DNS name, or a wildcard for any number of labels.
    """

    kind: NameKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


@dataclass(frozen=True, slots=True)
class BackendTls:
    """TLS to a backend, beyond encryption.

    Attributes:
        secret: Holds the client certificate, and the authorities unless `authorities` or `trusts_system` tells others;
            None: neither is of a Secret.
        presents_certificate: Whether the client certificate of the Secret is shown.
        verify_depth: The most certificates between the backend's own and an authority's; None: no certificate is
            verified.
        name: The DNS name of the backend; empty: the DNS names of the Service.
        sends_name: Whether the name is the server name (SNI).
        versions: The oldest and the newest version of TLS; None: those of every backend.
        ciphers: The cipher suites for TLS 1.2 and older; empty: Envoy's own.
        authorities: Sign the certificate of the backend; None: those of the Secret, or of the system.
        trusts_system: Whether the authorities are those that the proxy's system trusts.
        subject_names: The names of which the certificate must have one; empty: the name.
    """

    secret: Key | None
    presents_certificate: bool = False
    verify_depth: int | None = None
    name: str = ""
    sends_name: bool = False
    versions: tuple[BackendTlsVersion, BackendTlsVersion] | None = None
    ciphers: tuple[str, ...] = ()
    authorities: CredentialKey | None = None
    trusts_system: bool = False
    subject_names: tuple[SubjectName, ...] = ()

    def __str__(self) -> str:
        """The text that names of clusters are made of. Younger fields count where set: no cluster is renamed."""
        names = (each.name for each in fields(self) if each.name not in _YOUNGER_FIELDS or getattr(self, each.name))
        return f"BackendTls({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @property
    def client_certificate(self) -> CredentialKey | None:
        if self.secret is None or not self.presents_certificate:
            return None
        return CredentialKey(self.secret, CredentialPart.CLIENT_CERTIFICATE)

    @property
    def verifying(self) -> CredentialKey | None:
        """The authorities that verify the backend; None where the system's do, or nothing is verified."""
        if not self.is_verified or self.trusts_system:
            return None
        if self.authorities is None and self.secret is not None:
            return CredentialKey(self.secret, CredentialPart.AUTHORITIES)
        return self.authorities

    @property
    def credentials(self) -> tuple[CredentialKey, ...]:
        """The credentials in use."""
        return tuple(each for each in (self.client_certificate, self.verifying) if each is not None)

    @property
    def is_verified(self) -> bool:
        return self.verify_depth is not None

    @property
    def words(self) -> str:
        """The policy for people. Unlike `str`, equal for policies that differ in nothing that matters."""
        name = self.name or "the Service's DNS name"
        shown = f"showing the certificate of Secret {self.secret}" if self.presents_certificate else ""
        verified = f"verified as {self._verified_names(name)} by {self._authority}" if self.is_verified else ""
        sent = f"SNI {name}" if self.sends_name else ""
        versions = f"{self.versions[0]} to {self.versions[1]}" if self.versions else ""
        return ", ".join(filter(None, (shown, verified, sent, versions, ":".join(self.ciphers))))

    def _verified_names(self, name: str) -> str:
        return " or ".join(map(str, self.subject_names)) or name

    @property
    def _authority(self) -> str:
        if self.trusts_system:
            return "the authorities of the proxy's system"
        if self.authorities is None:
            return f"Secret {self.secret}, depth {self.verify_depth}"
        return " and ".join(map(str, self.authorities.objects))
