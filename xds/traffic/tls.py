"""TLS: certificates, and the hosts for which each is served."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from xds.problems.problem import Key
from xds.traffic.backends import BackendKey
from xds.traffic.client_certificates import CheckedHost
from xds.traffic.hosts import wildcards_of
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT

_VARIANT_BYTES: Final = 5


class KeyType(StrEnum):
    """The kind of a certificate's key. A client is served the certificate of a kind that the client can verify."""

    RSA = "RSA"
    ECDSA = "ECDSA"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and the private key that belongs to the chain, both in PEM.

    Attributes:
        staple: An OCSP response in DER, to be sent with the certificate; empty: none.
    """

    secret: Key
    chain: bytes = field(repr=False)
    private_key: bytes = field(repr=False)
    key_type: KeyType
    staple: bytes = field(default=b"", repr=False)

    @property
    def content(self) -> tuple[bytes, bytes]:
        """Equal for two Secrets with the same certificate."""
        return self.chain, self.private_key


@dataclass(frozen=True, slots=True)
class CipherChoice:
    """The choice of a cipher suite with clients that speak TLS 1.2.

    Attributes:
        suites: Names of OpenSSL that each proxy knows, the preferred one first; empty: those of all hosts.
        server_prefers: Whether the order is the server's. False: a client's.
    """

    suites: tuple[str, ...] = ()
    server_prefers: bool = True

    @property
    def variant(self) -> str:
        """Tells the terminations of one certificate apart."""
        return _digest(":".join((*self.suites, str(self.server_prefers))))


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=_VARIANT_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Termination:
    """The TLS hosts for which one certificate is served, or an RSA and an ECDSA certificate side by side.

    Attributes:
        secrets: One Secret for each certificate, sorted. Of Secrets with the same certificate, the first one.
        hosts: Sorted.
        is_default: Whether the certificate is also served to connections whose SNI no TLS host covers.
        ciphers: None: those of all hosts.
        checked: The host whose clients are asked for certificates; None: no client is.
    """

    secrets: tuple[Key, ...]
    hosts: tuple[str, ...]
    is_default: bool = False
    ciphers: CipherChoice | None = None
    checked: CheckedHost | None = None

    @property
    def name(self) -> str:
        """Unique among terminations. No name of a Secret holds a plus or an at sign.

        The demands on clients' certificates are no part of the name. So connections with earlier demands, which Envoy
        lets drain, meet the routes of the present ones.
        """
        secrets = "+".join(map(str, self.secrets))
        if self.checked:
            variant = self.ciphers.variant if self.ciphers else ""
            return f"{secrets}@{_digest(f'{self.checked.host} {variant}')}"
        return f"{secrets}@{self.ciphers.variant}" if self.ciphers else secrets


@dataclass(frozen=True, slots=True)
class Sources:
    """The clients that may connect.

    Attributes:
        allowed: Networks in CIDR notation. None: all.
        denied: Networks that may not connect, although `allowed` has them.
    """

    allowed: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passthrough:
    """TLS hosts with the backend that gets their connections undecrypted.

    Attributes:
        backend: Of BackendProtocol.TCP.
        hosts: Sorted.
        idle_timeout: Time without a byte after which a connection ends.
    """

    backend: BackendKey
    hosts: tuple[str, ...]
    idle_timeout: timedelta = TCP_IDLE_TIMEOUT


@dataclass(frozen=True, slots=True)
class TlsTable:
    """All terminations, sorted by Secrets.

    Attributes:
        without_certificate: The TLS hosts whose entries have no usable certificate, sorted. Connections for such a host
            are closed: neither the default certificate nor a wildcard's is served instead.
        without_entry: Hosts in the table that no TLS entry names. Their clients are asked for certificates, or their
            TLS is passed through or closed, or they keep the default certificate below a passed-through wildcard.
        owners: The Ingress whose entry decided, by TLS host. For explanations only: not compared.
        same: The Secret that stands in `terminations` for a Secret with the same certificate. For explanations only.
        passed: Hosts that are not terminated, by backend, sorted. A host is either here, or in `terminations`, or in
            `without_certificate`, or in `closed`.
        closed: Hosts that should be passed through and can't be, sorted. Their connections are closed, and never
            decrypted.
        sources: The clients that may connect to a passed host; an absent host takes all.
        deep: The wildcards that stand for any number of labels, as listeners of Gateways have them. Others stand for
            one label.
    """

    terminations: tuple[Termination, ...] = ()
    without_certificate: tuple[str, ...] = ()
    without_entry: frozenset[str] = frozenset()
    owners: Mapping[str, Key] = field(default_factory=dict, compare=False)
    same: Mapping[Key, Key] = field(default_factory=dict, compare=False)
    passed: tuple[Passthrough, ...] = ()
    closed: tuple[str, ...] = ()
    sources: Mapping[str, Sources] = field(default_factory=dict)
    deep: frozenset[str] = frozenset()

    def deep_over(self, host: str) -> tuple[str, ...]:
        """The wildcards for any number of labels that cover a host, the longest first."""
        return tuple(each for each in wildcards_of(host) if each in self.deep) if self.deep else ()

    @property
    def named(self) -> Iterator[str]:
        """All hosts of TLS entries, with or without a certificate."""
        for host in self.apart:
            if host not in self.without_entry:
                yield host

    @property
    def apart(self) -> Iterator[str]:
        """All hosts whose connections are not those of the default certificate for any host."""
        for termination in self.terminations:
            yield from termination.hosts
        for each in self.passed:
            yield from each.hosts
        yield from self.without_certificate
        yield from self.closed

    @property
    def undecrypted(self) -> Iterator[str]:
        """The hosts whose requests are answered on no connection by TLS: 421."""
        for each in self.passed:
            yield from each.hosts
        yield from self.closed
