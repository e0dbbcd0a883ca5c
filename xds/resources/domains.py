"""The domains of each route configuration, before they become Envoy's messages."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from xds.traffic.hosts import NO_HOST, is_wildcard, wildcard_of
from xds.traffic.model import Traffic
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import Termination, TlsTable

_Value = TypeVar("_Value")

ANY_HOST = "*"
"""The domain of hosts that no other domain names."""


class FixedAnswer(Enum):
    """An answer without routes."""

    MISDIRECTED = auto()
    """421: the connection's certificate does not cover the host."""


Answers: TypeAlias = VirtualHost | FixedAnswer


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of a route configuration.

    A wildcard stands for any number of labels in Envoy and for one label in an Ingress, so a domain has two answers.

    Attributes:
        name: A host, a wildcard, or ANY_HOST.
        inside: Answers to hosts with one label in place of the wildcard.
        outside: Answers to hosts with several labels in place of the wildcard.
        default: Answers paths that a virtual host leaves open. None: 404.
        redirected: Whether plain requests are redirected to HTTPS first.
    """

    name: str
    inside: Answers
    outside: Answers
    default: Route | None
    redirected: bool = False


class Domains:
    """Derives the domains of each route configuration from the traffic model.

    The cost of one domain does not grow with the number of domains, as long as `update` hears of each change.
    """

    def __init__(self, traffic: Traffic, *, redirect_https: bool) -> None:
        self._traffic = traffic
        self._redirect_https = redirect_https
        self._hosts_below: dict[str, set[str]] = {}
        self._tls = _TlsHosts(traffic.tls)

    def update(self, hosts: Iterable[str], *, tls: bool) -> None:
        """Follow a change of the virtual hosts of `hosts`, and of the TLS table if `tls`."""
        for host in hosts:
            self._index(host)
        if tls:
            self._tls = _TlsHosts(self._traffic.tls)

    def http_domains(self) -> Iterator[Domain]:
        """The domains of the plain listener: hosts that rules name, redirected TLS hosts, and ANY_HOST."""
        yield self._any_host()
        hosts = self._traffic.hosts.keys() | (self._tls.named if self._redirect_https else set())
        yield from self._existing(self.http_domain, hosts)

    def http_domain(self, host: str) -> Domain | None:
        """The domain of a host on the plain listener; None if the host has none.

        A TLS entry redirects with or without a usable certificate, so plain HTTP never depends on a Secret.
        """
        if host not in self._traffic.hosts and not (self._redirect_https and host in self._tls.named):
            return None
        redirected = self._redirect_https and _is_covered(host, self._tls.named)
        return dataclasses.replace(self._domain(host, self._answers(host)), redirected=redirected)

    def https_domains(self, termination: Termination) -> Iterator[Domain]:
        """The domains of connections of one termination: hosts that its certificate covers, and 421 for other hosts.

        The default certificate serves every host that no other TLS entry covers.
        """
        domain = functools.partial(self.https_domain, termination)
        if termination.is_default:
            yield self._any_host()
            yield from self._existing(domain, self._traffic.hosts.keys() | self._tls.named)
            return
        yield Domain(ANY_HOST, FixedAnswer.MISDIRECTED, FixedAnswer.MISDIRECTED, None)
        below = (self._hosts_below.get(host, ()) for host in termination.hosts)
        yield from self._existing(domain, {*termination.hosts}.union(*below))

    def https_domain(self, termination: Termination, host: str) -> Domain | None:
        """The domain of a host on connections of one termination; None if the host has none."""
        exists = host in self._traffic.hosts
        own = self._tls.of(termination)
        if host in own or (exists and wildcard_of(host) in own):
            outside = None if termination.is_default else FixedAnswer.MISDIRECTED
            return self._domain(host, self._answers(host), outside)
        if not termination.is_default:
            return None
        if exists and not self._tls.is_foreign(host, own) and not self._tls.is_foreign(wildcard_of(host), own):
            return self._domain(host, self._answers(host))
        return self._domain(host, FixedAnswer.MISDIRECTED) if self._tls.is_foreign(host, own) else None

    def affected_terminations(self, hosts: Iterable[str]) -> set[str]:
        """The names of terminations on whose connections changed routes of `hosts` can show."""
        found = set(self._tls.defaults)
        for host in hosts:
            found |= self._tls.covering(host)
            if is_wildcard(host):
                found |= self._tls.covered_by(host)
        return found

    def affected(self, hosts: Iterable[str]) -> set[str]:
        """The domains in which changed routes of `hosts` can show.

        A wildcard among `hosts` also answers TLS hosts below it that have no rules of their own.
        """
        found = set(hosts)
        return found.union(*(self._tls.below(host) for host in found if is_wildcard(host)))

    def _index(self, host: str) -> None:
        wildcard = wildcard_of(host)
        if host in self._traffic.hosts and host != NO_HOST:
            self._hosts_below.setdefault(wildcard, set()).add(host)
            return
        below = self._hosts_below.get(wildcard, set())
        below.discard(host)
        if not below:
            self._hosts_below.pop(wildcard, None)

    @staticmethod
    def _existing(domain: Callable[[str], Domain | None], hosts: Iterable[str]) -> Iterator[Domain]:
        for host in sorted({*hosts} - {NO_HOST}):
            found = domain(host)
            if found is not None:
                yield found

    def _any_host(self) -> Domain:
        return self._domain(ANY_HOST, self._unnamed())

    def _domain(self, name: str, inside: Answers, outside: Answers | None = None) -> Domain:
        if not is_wildcard(name):
            return Domain(name, inside, inside, self._traffic.default)
        return Domain(name, inside, outside or self._unnamed(), self._traffic.default)

    def _answers(self, host: str) -> VirtualHost:
        hosts = self._traffic.hosts
        return hosts.get(host) or hosts.get(wildcard_of(host)) or self._unnamed()

    def _unnamed(self) -> VirtualHost:
        """The answers to hosts that no rule names."""
        return self._traffic.hosts.get(NO_HOST) or VirtualHost(NO_HOST, ())


class _TlsHosts:
    """The hosts of a TlsTable, indexed.

    Attributes:
        named: Hosts with and without a usable certificate.
        defaults: The name of the default termination, if any.
    """

    def __init__(self, table: TlsTable) -> None:
        self.named = frozenset(table.named)
        self.defaults = frozenset(each.name for each in table.terminations if each.is_default)
        self._own = {each.name: frozenset(each.hosts) for each in table.terminations}
        by_host = [(host, each.name) for each in table.terminations for host in each.hosts]
        self._covering = _grouped(by_host)
        self._covered_by = _grouped((wildcard_of(host), name) for host, name in by_host)
        self._below = _grouped((wildcard_of(host), host) for host in self.named)

    def of(self, termination: Termination) -> Set[str]:
        """The hosts of a termination."""
        return self._own[termination.name]

    def is_foreign(self, host: str, own: Set[str]) -> bool:
        """Whether a TLS entry names the host, and no host in `own` covers it."""
        return host in self.named and not _is_covered(host, own)

    def below(self, wildcard: str) -> Set[str]:
        return self._below.get(wildcard, frozenset())

    def covering(self, host: str) -> Set[str]:
        """The names of terminations that cover a host, by name or by wildcard."""
        return self._covering.get(host, frozenset()) | self._covering.get(wildcard_of(host), frozenset())

    def covered_by(self, wildcard: str) -> Set[str]:
        """The names of terminations of hosts that a wildcard covers."""
        return self._covered_by.get(wildcard, frozenset())


def _grouped(pairs: Iterable[tuple[str, _Value]]) -> Mapping[str, Set[_Value]]:
    groups: dict[str, set[_Value]] = {}
    for host, value in pairs:
        groups.setdefault(host, set()).add(value)
    return groups


def _is_covered(host: str, patterns: Set[str]) -> bool:
    return host in patterns or wildcard_of(host) in patterns
