"""Which hosts each listener answers, and how: the route configurations, before they are Envoy's messages."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TypeAlias

from xds.kube.objects import Key
from xds.kube.references import NO_HOST
from xds.translate.matcher import Traffic
from xds.translate.model import Route, Termination, VirtualHost, is_wildcard, wildcard_of

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
    """Reads the domains of each route configuration off the traffic model, as it is when first asked."""

    def __init__(self, traffic: Traffic, *, redirect_https: bool) -> None:
        self._traffic = traffic
        self._redirect_https = redirect_https

    def http(self) -> Iterator[Domain]:
        """The plain listener: every host that a rule names, all others, and those that are redirected."""
        yield self._any()
        for host in sorted(self._http_hosts - {NO_HOST}):
            yield self._http(host)

    def http_host(self, host: str) -> Domain | None:
        """The plain listener's domain of one host, None if there is none."""
        return self._http(host) if host in self._http_hosts else None

    def https(self, termination: Termination) -> Iterator[Domain]:
        """The connections of one certificate: the hosts that it covers, and 421 for all others.

        The default certificate's connections serve all hosts that no other entry covers.
        """
        served = set(termination.hosts).union(*(self._below.get(host, ()) for host in termination.hosts))
        if termination.is_default:
            yield from self._default(termination, served)
            return
        yield Domain(ANY, Fixed.MISDIRECTED, Fixed.MISDIRECTED, None)
        for host in sorted(served):
            yield self._domain(host, self._answers(host), Fixed.MISDIRECTED)

    def touched(self, hosts: Iterable[str]) -> set[Key]:
        """The certificates on whose connections a change of these hosts' routes can show."""
        found = {each.secret for each in self._traffic.tls.terminations if each.is_default}
        for host in hosts:
            found |= self._covering.get(host, frozenset()) | self._covering.get(wildcard_of(host), frozenset())
            if is_wildcard(host):
                found |= self._covered_by.get(host, frozenset())
        return found

    def _default(self, termination: Termination, served: set[str]) -> Iterator[Domain]:
        own = frozenset(termination.hosts)
        others = frozenset(host for host in self._tls_hosts | self._refused if not _is_covered(host, own))
        served |= {host for host in self._traffic.hosts.keys() - {NO_HOST} if not _is_covered(host, others)}
        yield self._any()
        for host in sorted(served | others):
            yield self._domain(host, self._answers(host) if host in served else Fixed.MISDIRECTED)

    @cached_property
    def _http_hosts(self) -> Set[str]:
        hosts = self._traffic.hosts.keys()
        return hosts | self._tls_hosts | self._refused if self._redirect_https else hosts

    @cached_property
    def _refused(self) -> frozenset[str]:
        return frozenset(self._traffic.tls.refused)

    @cached_property
    def _tls_hosts(self) -> frozenset[str]:
        return frozenset(host for termination in self._traffic.tls.terminations for host in termination.hosts)

    @cached_property
    def _covering(self) -> Mapping[str, Set[Key]]:
        """The certificates by the hosts that their TLS entries name."""
        return _index((host, each.secret) for each in self._traffic.tls.terminations for host in each.hosts)

    @cached_property
    def _covered_by(self) -> Mapping[str, Set[Key]]:
        """The certificates by the wildcards of these hosts."""
        return _index(
            (wildcard_of(host), each.secret) for each in self._traffic.tls.terminations for host in each.hosts
        )

    @cached_property
    def _below(self) -> Mapping[str, list[str]]:
        """The hosts that rules name, by the wildcard that covers them."""
        below: dict[str, list[str]] = {}
        for host in self._traffic.hosts.keys() - {NO_HOST}:
            below.setdefault(wildcard_of(host), []).append(host)
        return below

    def _http(self, host: str) -> Domain:
        """A host without a usable certificate of its own is not redirected, whatever wildcard covers it."""
        redirected = self._redirect_https and host not in self._refused and _is_covered(host, self._tls_hosts)
        return dataclasses.replace(self._domain(host, self._answers(host)), redirected=redirected)

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


def _index(pairs: Iterable[tuple[str, Key]]) -> Mapping[str, Set[Key]]:
    index: dict[str, set[Key]] = {}
    for host, key in pairs:
        index.setdefault(host, set()).add(key)
    return index


def _is_covered(host: str, patterns: frozenset[str]) -> bool:
    return host in patterns or wildcard_of(host) in patterns
