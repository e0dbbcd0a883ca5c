"""Which hosts each listener answers, and how: the route configurations, before they are Envoy's messages."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from xds.problems.problem import Key
from xds.traffic.model import NO_HOST, Route, Termination, TlsTable, VirtualHost, is_wildcard, wildcard_of
from xds.traffic.traffic import Traffic

_Value = TypeVar("_Value")

ANY = "*"
"""The domain of the hosts that no other domain names."""


class Fixed(Enum):
    """An answer that needs no routes."""

    MISDIRECTED = auto()
    """421: the connection's certificate isn't this host's."""


Answers: TypeAlias = VirtualHost | Fixed


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of a route configuration.

    In Envoy a wildcard stands for any number of labels and in an Ingress for one, so it has two answers: `inside` for
    one label and `outside` for more. `default` answers the paths that a virtual host leaves open. `redirected`: what
    came by plain HTTP is sent to HTTPS before that.
    """

    name: str
    inside: Answers
    outside: Answers
    default: Route | None
    redirected: bool = False


class RouteTables:
    """Reads the domains of each route configuration off the traffic model.

    One domain costs the same however many there are, if `follow` is told of each change of the model.
    """

    def __init__(self, traffic: Traffic, *, redirect_https: bool) -> None:
        self._traffic = traffic
        self._redirect_https = redirect_https
        self._below: dict[str, set[str]] = {}
        self._tls = _TlsHosts(traffic.tls)

    def follow(self, hosts: Iterable[str], *, tls: bool) -> None:
        """The virtual hosts of these hosts changed, and the TLS hosts if `tls`."""
        for host in hosts:
            self._sort_in(host)
        if tls:
            self._tls = _TlsHosts(self._traffic.tls)

    def http(self) -> Iterator[Domain]:
        """The plain listener: every host that a rule names, all others, and those that are redirected."""
        yield self._any()
        hosts = self._traffic.hosts.keys() | (self._tls.named if self._redirect_https else set())
        yield from self._existing(self.http_domain, hosts)

    def http_domain(self, host: str) -> Domain | None:
        """The plain listener's domain of one host, None if there is none.

        A host without a usable certificate of its own is not redirected, whatever wildcard covers it.
        """
        if host not in self._traffic.hosts and not (self._redirect_https and host in self._tls.named):
            return None
        tls = self._tls
        redirected = self._redirect_https and host not in tls.refused and _is_covered(host, tls.hosts)
        return dataclasses.replace(self._domain(host, self._answers(host)), redirected=redirected)

    def https(self, termination: Termination) -> Iterator[Domain]:
        """The connections of one certificate: the hosts that it covers, and 421 for all others.

        The default certificate's connections serve all hosts that no other entry covers.
        """
        domain = functools.partial(self.https_domain, termination)
        if termination.is_default:
            yield self._any()
            yield from self._existing(domain, self._traffic.hosts.keys() | self._tls.named)
            return
        yield Domain(ANY, Fixed.MISDIRECTED, Fixed.MISDIRECTED, None)
        below = (self._below.get(host, ()) for host in termination.hosts)
        yield from self._existing(domain, {*termination.hosts}.union(*below))

    def https_domain(self, termination: Termination, host: str) -> Domain | None:
        """The domain of one host on a certificate's connections, None if there is none."""
        exists = host in self._traffic.hosts
        own = self._tls.of(termination.secret)
        if host in own or (exists and wildcard_of(host) in own):
            outside = None if termination.is_default else Fixed.MISDIRECTED
            return self._domain(host, self._answers(host), outside)
        if not termination.is_default:
            return None
        if exists and not self._tls.is_other(host, own) and not self._tls.is_other(wildcard_of(host), own):
            return self._domain(host, self._answers(host))
        return self._domain(host, Fixed.MISDIRECTED) if self._tls.is_other(host, own) else None

    def touched(self, hosts: Iterable[str]) -> set[Key]:
        """The certificates on whose connections a change of these hosts' routes can show."""
        found = set(self._tls.defaults)
        for host in hosts:
            found |= self._tls.covering(host)
            if is_wildcard(host):
                found |= self._tls.covered_by(host)
        return found

    def domains(self, hosts: Iterable[str]) -> set[str]:
        """The domains in which a change of these hosts' routes can show: their own, and those without rules of their
        own that a wildcard answers.
        """
        found = set(hosts)
        return found.union(*(self._tls.below(host) for host in found if is_wildcard(host)))

    def _sort_in(self, host: str) -> None:
        wildcard = wildcard_of(host)
        if host in self._traffic.hosts and host != NO_HOST:
            self._below.setdefault(wildcard, set()).add(host)
            return
        below = self._below.get(wildcard, set())
        below.discard(host)
        if not below:
            self._below.pop(wildcard, None)

    @staticmethod
    def _existing(domain: Callable[[str], Domain | None], hosts: Iterable[str]) -> Iterator[Domain]:
        for host in sorted({*hosts} - {NO_HOST}):
            found = domain(host)
            if found is not None:
                yield found

    def _any(self) -> Domain:
        return self._domain(ANY, self._unnamed())

    def _domain(self, name: str, inside: Answers, outside: Answers | None = None) -> Domain:
        if not is_wildcard(name):
            return Domain(name, inside, inside, self._traffic.default)
        return Domain(name, inside, outside or self._unnamed(), self._traffic.default)

    def _answers(self, host: str) -> VirtualHost:
        hosts = self._traffic.hosts
        return hosts.get(host) or hosts.get(wildcard_of(host)) or self._unnamed()

    def _unnamed(self) -> VirtualHost:
        """What a host that no rule names is answered."""
        return self._traffic.hosts.get(NO_HOST) or VirtualHost(NO_HOST, ())


class _TlsHosts:
    """The hosts of a TlsTable by what is asked of them. `named` are all, `refused` those without a certificate."""

    def __init__(self, table: TlsTable) -> None:
        self.refused = frozenset(table.refused)
        self.hosts = frozenset(host for each in table.terminations for host in each.hosts)
        self.named = self.hosts | self.refused
        self.defaults = frozenset(each.secret for each in table.terminations if each.is_default)
        self._own = {each.secret: frozenset(each.hosts) for each in table.terminations}
        by_host = [(host, each.secret) for each in table.terminations for host in each.hosts]
        self._covering = _index(by_host)
        self._covered_by = _index((wildcard_of(host), secret) for host, secret in by_host)
        self._below = _index((wildcard_of(host), host) for host in self.named)

    def of(self, certificate: Key) -> Set[str]:
        """The hosts that it serves."""
        return self._own[certificate]

    def is_other(self, host: str, own: Set[str]) -> bool:
        """Whether TLS entries name a host, and it is none that these cover."""
        return host in self.named and not _is_covered(host, own)

    def below(self, wildcard: str) -> Set[str]:
        return self._below.get(wildcard, frozenset())

    def covering(self, host: str) -> Set[Key]:
        """The certificates that cover it, be it by a wildcard."""
        return self._covering.get(host, frozenset()) | self._covering.get(wildcard_of(host), frozenset())

    def covered_by(self, wildcard: str) -> Set[Key]:
        """The certificates of hosts that it covers."""
        return self._covered_by.get(wildcard, frozenset())


def _index(pairs: Iterable[tuple[str, _Value]]) -> Mapping[str, Set[_Value]]:
    index: dict[str, set[_Value]] = {}
    for host, value in pairs:
        index.setdefault(host, set()).add(value)
    return index


def _is_covered(host: str, patterns: Set[str]) -> bool:
    return host in patterns or wildcard_of(host) in patterns
