"""Which hosts each listener answers, and how: the route configurations, before they are Envoy's messages."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from xds.kube.references import NO_HOST
from xds.translate.matcher import Traffic
from xds.translate.model import Route, Termination, VirtualHost, covers, is_wildcard, wildcard_of

ANY = "*"
"""The domain of the hosts that no other domain names."""


class Fixed(Enum):
    """An answer that needs no routes."""

    MISDIRECTED = auto()
    """421: the connection's certificate isn't this host's."""

    REDIRECT = auto()
    """308: the same, by HTTPS."""


Answers: TypeAlias = VirtualHost | Fixed


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of a route configuration.

    In Envoy a wildcard stands for any number of labels and in an Ingress for one, so it has two answers: `inside` for
    one label and `outside` for more. `default` answers the paths that a virtual host leaves open.
    """

    name: str
    inside: Answers
    outside: Answers
    default: Route | None


class RouteTables:
    """Reads the domains of each route configuration off the traffic model."""

    def __init__(self, traffic: Traffic, *, redirect_https: bool) -> None:
        self._traffic = traffic
        self._redirect_https = redirect_https

    def http(self) -> Iterator[Domain]:
        """The plain listener: every host that a rule names, all others, and those that are redirected."""
        yield self._any()
        for host in sorted(self._http_hosts() - {NO_HOST}):
            yield self._http(host)

    def http_host(self, host: str) -> Domain | None:
        """The plain listener's domain of one host, None if there is none."""
        return self._http(host) if host in self._http_hosts() else None

    def https(self, termination: Termination) -> Iterator[Domain]:
        """The connections of one certificate: the hosts that it covers, and 421 for all others.

        The default certificate's connections serve all hosts that no other entry covers.
        """
        others = (self._tls_hosts() | set(self._traffic.tls.refused)) - set(termination.hosts)
        served = set(termination.hosts)
        for host in self._traffic.hosts.keys() - {NO_HOST}:
            covered = wildcard_of(host) in termination.hosts
            if covered or (termination.is_default and not _is_covered(host, others)):
                served.add(host)
        outside: Answers = self._unnamed() if termination.is_default else Fixed.MISDIRECTED
        yield self._any() if termination.is_default else self._misdirected(ANY)
        for host in sorted(served):
            yield self._domain(host, self._answers(host), outside)
        if termination.is_default:
            for host in sorted(others - served):
                yield self._domain(host, Fixed.MISDIRECTED, outside)

    def concerns(self, termination: Termination, host: str) -> bool:
        """Whether a change of the host's routes can show on the connections of a certificate."""
        return termination.is_default or any(covers(own, host) or covers(host, own) for own in termination.hosts)

    def _http_hosts(self) -> Set[str]:
        hosts = self._traffic.hosts.keys()
        return hosts | self._tls_hosts() if self._redirect_https else hosts

    def _http(self, host: str) -> Domain:
        redirected = self._redirect_https and _is_covered(host, self._tls_hosts())
        return self._domain(host, Fixed.REDIRECT if redirected else self._answers(host))

    def _tls_hosts(self) -> frozenset[str]:
        return frozenset(host for termination in self._traffic.tls.terminations for host in termination.hosts)

    def _any(self) -> Domain:
        return self._domain(ANY, self._unnamed())

    def _misdirected(self, name: str) -> Domain:
        return Domain(name, Fixed.MISDIRECTED, Fixed.MISDIRECTED, None)

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


def _is_covered(host: str, patterns: frozenset[str]) -> bool:
    return host in patterns or wildcard_of(host) in patterns
