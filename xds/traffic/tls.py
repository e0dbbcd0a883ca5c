"""TLS: certificates, and the hosts for which each is served."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xds.problems.problem import Key


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and the private key that belongs to the chain, both in PEM."""

    secret: Key
    chain: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Termination:
    """The TLS hosts for which one Secret's certificate is served, sorted.

    Attributes:
        is_default: Whether the certificate is also served to connections whose SNI no TLS host covers.
    """

    secret: Key
    hosts: tuple[str, ...]
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class TlsTable:
    """All terminations, sorted by Secret.

    Attributes:
        without_certificate: The TLS hosts whose entries have no usable certificate, sorted. Connections for such a host
            are closed: neither the default certificate nor a wildcard's is served instead.
        owners: The Ingress whose entry decided, by TLS host. For explanations only: not compared.
    """

    terminations: tuple[Termination, ...] = ()
    without_certificate: tuple[str, ...] = ()
    owners: Mapping[str, Key] = field(default_factory=dict, compare=False)

    @property
    def named(self) -> Iterator[str]:
        """All TLS hosts, with or without a certificate."""
        for termination in self.terminations:
            yield from termination.hosts
        yield from self.without_certificate
