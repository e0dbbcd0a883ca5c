"""The domains of each route configuration, before they become Envoy's messages."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from xds.traffic.hosts import NO_HOST, beginnings_of, is_beginning, is_wildcard, wildcard_of, wildcards_of
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
        has_tls: Whether a TLS entry covers the hosts inside, on the plain listener and where an answer depends on it.
        is_bound: Whether the domain is one of a bound listener: a wildcard stands for any number of labels.
    """

    name: str
    inside: Answers
    outside: Answers
    default: Route | None
    has_tls: bool = False
    is_bound: bool = False


class Domains:
    """Derives the domains of each route configuration from the traffic model.

    The cost of one domain does not grow with the number of domains, as long as `update` hears of each change.

    Attributes:
        redecided: Hosts, with their aliases, that the last update turned from terminated to undecrypted TLS, or the
            reverse.
    """

    def __init__(self, traffic: Traffic, *, redirect_https: bool) -> None:
        self._traffic = traffic
        self._redirect_https = redirect_https
        self._hosts_below: dict[str, set[str]] = {}
        self._aliases = _PatternAliases(traffic)
        self._tls = _TlsHosts(traffic.tls)
        self._beyond: set[str] = set()
        self._beyond_changed: frozenset[str] = frozenset()
        self.redecided: frozenset[str] = frozenset()

    def update(self, hosts: Iterable[str], *, tls: bool) -> Set[str]:
        """Follow a change of the virtual hosts of `hosts`, and of the TLS table if `tls`.

        Returns:
            The domains of the plain listener that TLS entries cover now and did not before, or the reverse.
        """
        self._aliases.update(hosts)
        self._follow_beyond(hosts)
        self.redecided = frozenset()
        for host in hosts:
            self._index(host)
        if not tls:
            return set()
        before, self._tls = self._tls, _TlsHosts(self._traffic.tls)
        if turned := before.undecrypted ^ self._tls.undecrypted:
            aliases = (name for name, found in self._traffic.hosts.items() if found.alias_of in turned)
            self.redecided = turned.union(aliases)
        changed = before.named ^ self._tls.named
        return changed.union(*(self._hosts_below.get(host, ()) for host in changed if is_wildcard(host)))

    @property
    def has_beginnings(self) -> bool:
        """Whether plain requests depend on the TLS table: no alias (`example.*`) has hosts that a TLS wildcard covers.

        Envoy has such an order of domains, and the TLS listener has a domain for each TLS host.
        """
        return bool(self._aliases.beginnings)

    def http_domains(self) -> Iterator[Domain]:
        """The domains of the plain listener: hosts that rules name, TLS hosts with a redirect, and ANY_HOST."""
        hosts = self._traffic.hosts_of(tls=False)
        yield self._any_host(hosts)
        yield from self._existing(self.http_domain, hosts.keys() | self._tls.named)

    def http_domain(self, host: str) -> Domain | None:
        """The domain of a host on the plain listener; None if the host has none.

        A TLS entry redirects with or without a usable certificate, so plain HTTP never depends on a Secret.
        """
        hosts = self._traffic.hosts_of(tls=False)
        answers = self._answers(hosts, host)
        depends_on_tls = self._redirect_https or answers.depends_on_tls
        needs_domain = depends_on_tls or (is_wildcard(host) and self._aliases.beginnings)
        if host not in hosts and not (needs_domain and host in self._tls.named):
            return None
        has_tls = depends_on_tls and _is_covered(host, self._tls.named)
        return dataclasses.replace(self._domain(hosts, host, answers), has_tls=has_tls)

    def https_domains(self, termination: Termination) -> Iterator[Domain]:
        """The domains of connections of one termination: hosts that its certificate covers, and 421 for other hosts.

        The default certificate serves every host that no other TLS entry covers.
        """
        domain = functools.partial(self.https_domain, termination)
        if termination.is_default:
            hosts = self._traffic.hosts_of(tls=True)
            yield self._any_host(hosts)
            yield from self._existing(domain, hosts.keys() | self._tls.named)
            return
        yield Domain(ANY_HOST, FixedAnswer.MISDIRECTED, FixedAnswer.MISDIRECTED, None)
        below = (self._hosts_below.get(host, ()) for host in termination.hosts)
        yield from self._existing(domain, {*termination.hosts, *self._far_below(termination)}.union(*below))

    def https_domain(self, termination: Termination, host: str) -> Domain | None:
        """The domain of a host on connections of one termination; None if the host has none."""
        found = self._https_domain(termination, host)
        if found and self._tls.undecrypted:
            found = dataclasses.replace(
                found, inside=self._decrypted(found.inside), outside=self._decrypted(found.outside)
            )
        if (
            found is None
            or isinstance(found.inside, FixedAnswer)
            or found.inside.checked in (None, termination.checked)
        ):
            return found
        # Checked on connections of their own, but for aliases (`example.*`), which no SNI is matched by.
        hosts = self._traffic.hosts_of(tls=True)
        return found if is_beginning(host) else self._domain(hosts, host, FixedAnswer.MISDIRECTED, found.outside)

    def _https_domain(self, termination: Termination, host: str) -> Domain | None:
        hosts = self._traffic.hosts_of(tls=True)
        exists = host in hosts
        own = self._tls.of(termination)
        deep = self._tls.table.deep_over(host)
        if host in own or (exists and not own.isdisjoint((wildcard_of(host), *deep))):
            has_any_depth = termination.is_default or not own.isdisjoint(deep)
            outside = None if has_any_depth else FixedAnswer.MISDIRECTED
            return self._domain(hosts, host, self._answers(hosts, host), outside)
        if not termination.is_default:
            return None
        if exists and not any(self._tls.is_foreign(each, own) for each in (host, wildcard_of(host), *deep)):
            return self._domain(hosts, host, self._answers(hosts, host))
        if self._tls.is_foreign(host, own):
            return self._domain(hosts, host, FixedAnswer.MISDIRECTED, FixedAnswer.MISDIRECTED if deep else None)
        return None

    def _far_below(self, termination: Termination) -> Iterator[str]:
        """The hosts that a termination's wildcards for any number of labels cover."""
        deep = self._tls.table.deep.intersection(termination.hosts)
        for host in self._traffic.hosts_of(tls=True) if deep else ():
            if not deep.isdisjoint(wildcards_of(host)):
                yield host

    def _decrypted(self, answers: Answers) -> Answers:
        """The answers to requests by TLS: none on behalf of a host whose TLS is never decrypted."""
        if isinstance(answers, FixedAnswer):
            return answers
        host = answers.host if answers.alias_of is None else answers.alias_of
        return FixedAnswer.MISDIRECTED if host in self._tls.undecrypted else answers

    def affected_terminations(self, hosts: Iterable[str]) -> set[str]:
        """The names of terminations on whose connections changed routes of `hosts` can show."""
        found = set(self._tls.defaults)
        for host in self.affected(hosts):
            found |= self._tls.covering(host)
            if is_wildcard(host):
                found |= self._tls.covered_by(host)
        return found

    def affected(self, hosts: Iterable[str]) -> set[str]:
        """The domains in which changed routes of `hosts` can show.

        A wildcard among `hosts` also answers TLS hosts below it that have no rules of their own.
        """
        found = set(hosts)
        if changed := self._aliases.changed | self._beyond_changed:
            wildcards = filter(is_wildcard, self._traffic.hosts)
            found |= {host for host in (*wildcards, *self._tls.named) if _answers_for(changed, host)}
        return found.union(*(self._tls.below(host) for host in found if is_wildcard(host)))

    def _index(self, host: str) -> None:
        wildcard = wildcard_of(host)
        if host != NO_HOST and any(host in self._traffic.hosts_of(tls=tls) for tls in (False, True)):
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

    def _any_host(self, hosts: Mapping[str, VirtualHost]) -> Domain:
        return self._domain(hosts, ANY_HOST, _unnamed(hosts))

    def _domain(
        self, hosts: Mapping[str, VirtualHost], name: str, inside: Answers, outside: Answers | None = None
    ) -> Domain:
        if not is_wildcard(name):
            return Domain(name, inside, inside, self._traffic.default)
        outside = outside or self._alias(hosts, name) or self._answers_beyond(hosts, name) or _unnamed(hosts)
        return Domain(name, inside, outside, self._traffic.default)

    def _answers(self, hosts: Mapping[str, VirtualHost], host: str) -> VirtualHost:
        """The answers to a name, or to names with one label in place of a wildcard.

        Aliases with a wildcard precede wildcards of rules, as in nginx, where the latter are regular expressions:
        https://nginx.org/en/docs/http/server_names.html
        Aliases with a wildcard at the end come behind, as in Envoy.
        """
        if host in hosts and not is_wildcard(host):
            return hosts[host]
        return (
            self._alias(hosts, host)
            or hosts.get(wildcard_of(host))
            or self._answers_beyond(hosts, host)
            or self._aliases.beginning(host, self._tls.named)
            or _unnamed(hosts)
        )

    def _alias(self, hosts: Mapping[str, VirtualHost], host: str) -> VirtualHost | None:
        """The alias with the longest wildcard that covers a name or a wildcard, with the routes of Gateways."""
        found = self._aliases.wildcard(host)
        return hosts.get(found.host, found) if found else None

    def _answers_beyond(self, hosts: Mapping[str, VirtualHost], host: str) -> VirtualHost | None:
        """The answers of the longest wildcard that stands for several labels of a host."""
        if not self._beyond:
            return None
        found = (hosts.get(each) for each in wildcards_of(host))
        return next((each.beyond for each in found if each and each.beyond), None)

    def _follow_beyond(self, hosts: Iterable[str]) -> None:
        """Note the wildcards among hosts that stand for several labels, or did."""
        present = {
            host
            for host in hosts
            for found in (self._traffic.hosts_of(tls=False).get(host), self._traffic.hosts_of(tls=True).get(host))
            if found and found.beyond
        }
        self._beyond_changed = frozenset(present | self._beyond.intersection(hosts))
        self._beyond = (self._beyond - self._beyond_changed) | present


def _unnamed(hosts: Mapping[str, VirtualHost]) -> VirtualHost:
    """The answers to hosts that no rule names."""
    return hosts.get(NO_HOST) or VirtualHost(NO_HOST, ())


class _PatternAliases:
    """The aliases that stand for several names.

    Attributes:
        beginnings: Those that stand for names with the same beginning, the longest first.
        changed: Keys of those that the last update changed, added or removed.
    """

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._wildcards: dict[str, VirtualHost] = {}
        self.beginnings: tuple[VirtualHost, ...] = ()
        self.changed: frozenset[str] = frozenset()

    def update(self, hosts: Iterable[str]) -> None:
        """Follow a change of the virtual hosts of `hosts`."""
        changed = {host for host in hosts if is_beginning(host) or self._is_or_was_alias(host)}
        self.changed = frozenset(changed)
        for host in changed:
            self._wildcards.pop(host, None)
            found = self._traffic.hosts.get(host)
            if found and found.is_alias and is_wildcard(host):
                self._wildcards[host] = found
        if any(map(is_beginning, changed)):
            kept = {each.host for each in self.beginnings} | {each for each in changed if is_beginning(each)}
            existing = filter(None, map(self._traffic.hosts.get, kept))
            self.beginnings = tuple(sorted(existing, key=lambda each: (-len(each.host), each.host)))

    def _is_or_was_alias(self, host: str) -> bool:
        if not is_wildcard(host):
            return False
        found = self._traffic.hosts.get(host)
        return host in self._wildcards or (found is not None and found.is_alias)

    def wildcard(self, host: str) -> VirtualHost | None:
        """The alias with the longest wildcard that covers a name or a wildcard."""
        if not self._wildcards:
            return None
        return next((self._wildcards[each] for each in wildcards_of(host) if each in self._wildcards), None)

    def beginning(self, host: str, tls: Set[str]) -> VirtualHost | None:
        """The longest alias that a name begins like; None for a name that a wildcard of any length covers."""
        if not self.beginnings or any(each in tls or each in self._traffic.hosts for each in wildcards_of(host)):
            return None
        return next((each for each in self.beginnings if host.startswith(each.host[:-1])), None)


def _answers_for(aliases: Set[str], host: str) -> bool:
    """Whether aliases can answer in the domain of a host. A wildcard also stands for names with any beginning."""
    return (
        not aliases.isdisjoint(wildcards_of(host))
        or not aliases.isdisjoint(beginnings_of(host))
        or (is_wildcard(host) and any(map(is_beginning, aliases)))
    )


class _TlsHosts:
    """The hosts of a TlsTable, indexed.

    Attributes:
        named: Hosts of TLS entries, with and without a usable certificate.
        apart: These, and hosts whose clients are asked for certificates.
        undecrypted: Hosts whose TLS is passed through, or closed.
        defaults: The name of the default termination, if any.
        table: The table.
    """

    def __init__(self, table: TlsTable) -> None:
        self.table = table
        self.named = frozenset(table.named)
        self.apart = self.named | table.without_entry
        self.undecrypted = frozenset(table.undecrypted)
        self.defaults = frozenset(each.name for each in table.terminations if each.is_default)
        self._own = {each.name: frozenset(each.hosts) for each in table.terminations}
        by_host = [(host, each.name) for each in table.terminations for host in each.hosts]
        self._covering = _grouped(by_host)
        self._covered_by = _grouped((wildcard_of(host), name) for host, name in by_host)
        self._below = _grouped((wildcard_of(host), host) for host in self.apart)

    def of(self, termination: Termination) -> Set[str]:
        """The hosts of a termination."""
        return self._own[termination.name]

    def is_foreign(self, host: str, own: Set[str]) -> bool:
        """Whether connections for the host are others, and no host in `own` covers it."""
        return host in self.apart and not _is_covered(host, own)

    def below(self, wildcard: str) -> Set[str]:
        return self._below.get(wildcard, frozenset())

    def covering(self, host: str) -> Set[str]:
        """The names of terminations that cover a host, by name or by wildcard."""
        patterns = (host, wildcard_of(host), *self.table.deep_over(host))
        return frozenset[str]().union(*(self._covering.get(each, ()) for each in patterns))

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
