"""The Secrets whose certificates are served for each TLS host."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from xds.kube.objects import Ingress, KubeObject
from xds.problems.problem import Key
from xds.traffic.backends import BackendKey
from xds.traffic.client_certificates import CheckedHost
from xds.traffic.hosts import is_wildcard, wildcard_of
from xds.traffic.tls import Certificate, CipherChoice, KeyType, Passthrough, Termination, TlsTable
from xds.translate.undecrypted import ALL_CLIENTS, NOTHING_UNDECRYPTED, UndecryptedHosts

_Place: TypeAlias = tuple[tuple[Key, ...], CipherChoice | None, CheckedHost | None]
"""The Secrets, the ciphers and the check of a termination."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The wish to serve a certificate for a TLS host.

    Attributes:
        claimant: An Ingress; or a Gateway or ListenerSet that shares the port.
    """

    certificate: Certificate
    claimant: KubeObject


@dataclass(slots=True)
class TlsHosts:
    """The claims to TLS hosts. The oldest object claims first.

    The first claim to a host is honoured, and the first claim with the other type of key from the same namespace:
    another namespace could otherwise take the host away from all clients that prefer its type of key.

    Attributes:
        undecrypted: The hosts that no entry can claim.
    """

    undecrypted: UndecryptedHosts = NOTHING_UNDECRYPTED

    _claims: dict[str, dict[KeyType, Claim]] = field(default_factory=dict)
    _without_certificate: dict[str, KubeObject] = field(default_factory=dict)
    _named: set[str] = field(default_factory=set)
    _deep: set[str] = field(default_factory=set)
    _of_gateways: set[str] = field(default_factory=set)
    _ciphers: dict[str, CipherChoice] = field(default_factory=dict)
    _checked: dict[str, CheckedHost] = field(default_factory=dict)
    _by_default: set[str] = field(default_factory=set)

    def claim(self, host: str, claim: Claim) -> Claim | None:
        """The claim that stands in the way; None if this claim is honoured, or asks for what is served already."""
        self._note(host, claim.claimant)
        honoured = self._claims.setdefault(host, {})
        if any(each.certificate.content == claim.certificate.content for each in honoured.values()):
            return None
        first = next(iter(honoured.values()), claim)
        if first.claimant.key.namespace != claim.claimant.key.namespace:
            return first
        kept = honoured.setdefault(claim.certificate.key_type, claim)
        return None if kept is claim else kept

    def claim_without_certificate(self, host: str, claimant: KubeObject) -> None:
        self._note(host, claimant)
        self._without_certificate.setdefault(host, claimant)

    def _note(self, host: str, claimant: KubeObject) -> None:
        if isinstance(claimant, Ingress):
            self._named.add(host)
        else:
            self._of_gateways.add(host)

    def deepen(self, host: str) -> None:
        """Have a wildcard stand for any number of labels."""
        if is_wildcard(host):
            self._deep.add(host)

    def choose(self, host: str, ciphers: CipherChoice) -> bool:
        """Choose the ciphers of a host. False where no TLS host covers the host: its certificate is the default one.

        A host that a wildcard covers becomes a TLS host with the certificates of the wildcard.
        """
        if self._is_undecrypted(host):
            return False
        wildcard = wildcard_of(host)
        if host not in self._claims and host not in self._without_certificate and wildcard in self._claims:
            self._claims[host] = self._claims[wildcard]
        self._ciphers[host] = ciphers
        return host in self._claims or not self._without_certificate.keys().isdisjoint((host, wildcard))

    def check(self, names: Iterable[str], check_of: Callable[[str], CheckedHost | None]) -> None:
        """Ask the clients of hosts for certificates, each host apart from all others. To be called last.

        A host that a wildcard covers becomes a TLS host with the certificates of the wildcard, one that no TLS entry
        covers a TLS host with the default certificate.

        Args:
            names: The names with demands on clients' certificates.
            check_of: Finds the demands for the connections of a TLS host; None: there are none.
        """
        for name in names:
            if self._is_undecrypted(name):
                continue
            if name in self._claims or not self._without_certificate.keys().isdisjoint((name, wildcard_of(name))):
                continue
            if covering := self._claims.get(wildcard_of(name)):
                self._claims[name] = covering
            else:
                self._by_default.add(name)
        for host in (*self._claims, *self._by_default):
            if checked := check_of(host):
                self._checked[host] = checked

    def share(self, further: Mapping[str, str], names_of: Callable[[Key], Set[str]]) -> None:
        """Serve the certificates of hosts for their further names, as far as a certificate has the name.

        A TLS entry for a name decides over the name. A name that no certificate of its host has is left to the TLS
        entries with wildcards, and to the default certificate. To be called after the last claim.

        Args:
            further: The host by name.
            names_of: Finds the DNS names of the certificate in a Secret.
        """
        shared = {
            name: self._fitting(name, host, names_of)
            for name, host in further.items()
            if not (self._is_undecrypted(name) or self._is_undecrypted(host))
        }
        named = self._claims.keys() | self._without_certificate.keys()
        self._claims |= {name: shared[name] for name in sorted(shared.keys() - named) if shared[name]}

    def _fitting(self, name: str, host: str, names_of: Callable[[Key], Set[str]]) -> dict[KeyType, Claim]:
        """The certificates of a host that have a name."""
        claims = self._claims.get(host)
        if claims is None and host not in self._without_certificate:
            claims = self._claims.get(wildcard_of(host))
        return {
            key_type: claim
            for key_type, claim in (claims or {}).items()
            if not {name, wildcard_of(name)}.isdisjoint(names_of(claim.certificate.secret))
        }

    def _is_undecrypted(self, host: str) -> bool:
        """Whether TLS of a host is passed through or closed, by name or by wildcard."""
        found = self.undecrypted
        if not found.hosts or host in found.hosts:
            return host in found.hosts
        is_named = host in self._claims or host in self._without_certificate or host in found.kept
        return not is_named and wildcard_of(host) in found.hosts

    def table(self, default: Certificate | None) -> TlsTable:
        """The table of all claims, with the certificate for connections whose SNI no TLS host covers."""
        same = self._same(default)
        default_secrets = (same[default.secret],) if default else ()
        hosts_of: dict[_Place, list[str]] = {(default_secrets, None, None): []} if default else {}
        for host, claims in self._claims.items():
            secrets = {same[claim.certificate.secret] for claim in claims.values()}
            place = (tuple(sorted(secrets)), self._ciphers.get(host), self._checked.get(host))
            hosts_of.setdefault(place, []).append(host)
        kept = self.undecrypted.kept - self._claims.keys()
        by_default = frozenset({*self._by_default, *kept} if default else ())
        for host in by_default:
            hosts_of.setdefault((default_secrets, None, self._checked.get(host)), []).append(host)
        terminations = (
            Termination(
                place[0],
                tuple(sorted(hosts)),
                is_default=place == (default_secrets, None, None),
                ciphers=place[1],
                checked=place[2],
            )
            for place, hosts in hosts_of.items()
        )
        claimants = self._without_certificate | {
            host: next(iter(claims.values())).claimant for host, claims in self._claims.items()
        }
        owners = {host: each.key for host, each in claimants.items() if isinstance(each, Ingress)}
        undecrypted = self.undecrypted.hosts
        closed = {host for host, each in undecrypted.items() if not each.backend} | (set() if default else kept)
        return TlsTable(
            tuple(sorted(terminations, key=lambda each: (each.secrets, each.name))),
            tuple(sorted(self._without_certificate.keys() - self._claims.keys())),
            by_default | self.undecrypted.without_entry | (self._of_gateways - self._named),
            owners | {host: each.ingress.key for host, each in undecrypted.items()},
            same,
            self._passed(),
            tuple(sorted(closed)),
            {host: each.sources for host, each in undecrypted.items() if each.backend and each.sources != ALL_CLIENTS},
            frozenset(self._deep),
        )

    def _passed(self) -> tuple[Passthrough, ...]:
        hosts_of: dict[tuple[BackendKey, timedelta], list[str]] = {}
        for host, each in self.undecrypted.hosts.items():
            if each.backend:
                hosts_of.setdefault((each.backend, each.idle_timeout), []).append(host)
        return tuple(Passthrough(key, tuple(sorted(hosts_of[key, idle])), idle) for key, idle in sorted(hosts_of))

    def _same(self, default: Certificate | None) -> dict[Key, Key]:
        """The first Secret with the same certificate, by Secret."""
        first: dict[tuple[bytes, bytes], Key] = {}
        used = {each.secret: each for each in self._certificates(default)}
        return {secret: first.setdefault(used[secret].content, secret) for secret in sorted(used)}

    def _certificates(self, default: Certificate | None) -> Iterator[Certificate]:
        if default:
            yield default
        for claims in self._claims.values():
            for claim in claims.values():
                yield claim.certificate
