"""TLS passthrough: hosts whose connections go to a Service undecrypted, or are closed where passthrough is impossible.

Of the Ingresses with a TLS entry or ssl-passthrough for a host, the oldest decides. Passthrough takes all connections
of a host, so ssl-passthrough counts only in the namespace of the host's oldest Ingress.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from typing import Final, NamedTuple

from xds.kube.objects import HTTPIngressPath, Ingress
from xds.kube.state import seniority, why_first
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.backends import BackendKey
from xds.traffic.hosts import NO_HOST, is_beginning, is_wildcard, wildcard_of
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT, Transport
from xds.traffic.routes import PathType, VirtualHost
from xds.traffic.tls import Sources
from xds.traffic.upstream import BackendProtocol, UpstreamPolicy
from xds.translate import cert_manager
from xds.translate.backends import resolve
from xds.translate.findings import UnitFindings
from xds.translate.further_names import FurtherNames
from xds.translate.names import InvalidError, valid_host, valid_path
from xds.translate.nginx.ingress_policy import asked_passthrough, connecting_clients
from xds.translate.nginx.passthrough_wish import PassthroughWish
from xds.translate.own.service import idle_timeout
from xds.translate.ownership import NO_OWNERS
from xds.translate.routes import TranslationContext
from xds.translate.undecrypted import ALL_CLIENTS, NOTHING_UNDECRYPTED, Undecrypted, UndecryptedHosts, intersection

MAX_NETWORKS: Final = 20_000
"""Networks of an Ingress, at most, counted for each host and alias: a megabyte of the listener, which every change of a
TLS host sends again.
"""


class _Root(NamedTuple):
    """The path `/` of a host, with its Ingress."""

    ingress: Ingress
    at: FieldPath
    path: HTTPIngressPath


class _ClosedError(ValueError):
    """The TLS connections of a host are closed, for the reason in the message."""


class PassthroughTranslation:
    """One pass over all Ingresses that ask for passthrough, the oldest first.

    Args:
        context: The objects and options.
        findings: Collects backends and problems.
        hosts: The virtual hosts.
        names: The names beside the hosts of rules.
        owners: As in TlsTranslation.
    """

    def __init__(
        self,
        context: TranslationContext,
        findings: UnitFindings,
        hosts: Mapping[str, VirtualHost],
        names: FurtherNames,
        owners: Mapping[str, Ingress] = NO_OWNERS,
    ) -> None:
        self._context = context
        self._state = context.state
        self._findings = findings
        self._hosts = hosts
        self._names = names
        self._owners = owners
        self._found: dict[str, Undecrypted] = {}
        self._networks: Counter[Key] = Counter()

    def run(self) -> Steps[UndecryptedHosts]:
        wished: dict[str, list[tuple[Ingress, PassthroughWish]]] = {}
        for ingress in self._state.ingresses_with_passthrough():
            wish = asked_passthrough(ingress, self._context.annotations)
            if wish and not self._context.is_canary(ingress):
                for host in self._wished_hosts(ingress, wish):
                    wished.setdefault(host, []).append((ingress, wish))
            yield
        if not wished:
            return NOTHING_UNDECRYPTED
        aliases = {host: [*self._aliases(host)] for host in wished}
        names = {*wished, *(name for each in aliases.values() for name in each)}
        named, terminating = yield from self._terminating(names)
        for host in sorted(wished):
            self._decide(host, wished[host], aliases[host], terminating)
            yield
        kept = {name for host in self._found if is_wildcard(host) for name in self._kept(host, named)}
        return UndecryptedHosts(self._found, kept, {*self._found, *kept} - named)

    def _wished_hosts(self, ingress: Ingress, wish: PassthroughWish) -> Iterator[str]:
        """The hosts for which the wish of an Ingress counts."""
        for written in dict.fromkeys(rule.hostname for rule in ingress.spec.rules or ()):
            if written == NO_HOST:
                message = (
                    f"{_short_name(wish)} has no effect for the rules without host: no server name stands for them"
                )
                self._report(ingress, wish, Reason.ANNOTATION_UNSUPPORTED, message)
                continue
            try:
                host = valid_host(written)
            except InvalidError:
                continue  # the translation of the rule reports the host
            owner = self._owners.get(host)
            oldest = next(self._ordinary(host), ingress)
            if owner and owner.key.namespace != ingress.key.namespace:
                continue  # the rule is left out, and reported
            if oldest.key.namespace == ingress.key.namespace:
                yield host
                continue
            message = (
                f"host {shown(host)} is of namespace {oldest.key.namespace} by {oldest.ref}, "
                f"{why_first(oldest, ingress)}; its TLS is not passed through"
            )
            self._report(ingress, wish, Reason.PASSTHROUGH_CONFLICT, message)

    def _aliases(self, host: str) -> Iterator[str]:
        """The aliases of a host without those like `example.*`, which no SNI matches."""
        for each in self._names.of_host(host):
            if each.redirect is None and not is_beginning(each.name):
                yield each.name

    def _ordinary(self, host: str) -> Iterator[Ingress]:
        """The Ingresses that count for a host, but for canaries, the oldest first."""
        owner = self._owners.get(host)
        for ingress in self._state.ingresses_of_host(host):
            if not self._context.is_canary(ingress) and (not owner or owner.key.namespace == ingress.key.namespace):
                yield ingress

    def _terminating(self, names: Set[str]) -> Steps[tuple[Set[str], Mapping[str, Ingress]]]:
        """The hosts of all TLS entries, and for each of `names` the oldest Ingress whose TLS entries cover the name."""
        named: set[str] = set()
        terminating: dict[str, Ingress] = {}
        for ingress in self._state.ingresses_with_tls():
            if not self._context.is_canary(ingress):
                rules = {rule.hostname for rule in ingress.spec.rules or ()}
                entries = ingress.spec.tls or ()
                hosts = {host.lower() for entry in entries for host in entry.hosts or ()}
                hosts |= rules if any(not entry.hosts for entry in entries) else set()
                hosts = {host for host in hosts if self._may_claim(ingress, host)}
                named |= hosts
                for host in names & {*hosts, *(host for host in rules if wildcard_of(host) in hosts)}:
                    terminating.setdefault(host, ingress)
            yield
        return named, terminating

    def _may_claim(self, ingress: Ingress, host: str) -> bool:
        owner = self._owners.get(self._names.owners.get(host, host))
        return owner is None or owner.key.namespace == ingress.key.namespace

    def _decide(
        self,
        host: str,
        asking: Sequence[tuple[Ingress, PassthroughWish]],
        aliases: Sequence[str],
        terminating: Mapping[str, Ingress],
    ) -> None:
        first, wish = asking[0]
        if (senior := terminating.get(host)) and seniority(senior) < seniority(first):
            for ingress, each in asking:
                message = f"TLS of host {shown(host)} is terminated, as {senior.ref} says, {why_first(senior, ingress)}"
                self._report(ingress, each, Reason.PASSTHROUGH_CONFLICT, message)
            return
        for ingress, each in asking[1:]:
            message = f"{first.ref} decides over TLS of host {shown(host)}, {why_first(first, ingress)}"
            self._report(ingress, each, Reason.PASSTHROUGH_CONFLICT, message)
        found = self._undecrypted(host, first, wish, names=1 + len(aliases))
        self._found[host] = found
        for name in aliases:
            if (senior := terminating.get(name)) and seniority(senior) < seniority(first):
                message = f"TLS of alias {shown(name)} is terminated, as {senior.ref} says, {why_first(senior, first)}"
                self._report(first, wish, Reason.PASSTHROUGH_CONFLICT, message)
            else:
                self._found[name] = found

    def _undecrypted(self, host: str, ingress: Ingress, wish: PassthroughWish, *, names: int) -> Undecrypted:
        if not wish.is_valid:
            return Undecrypted(ingress)  # the translation of the Ingress reports the value
        try:
            root = self._own_root(host, ingress)
            sources = self._sources(ingress, root.ingress)
            self._count(ingress, sources, names)
            backend = self._backend(host, root, wish)
        except _ClosedError as why:
            message = f"{why}; TLS connections of host {shown(host)} are closed"
            self._report(ingress, wish, Reason.PASSTHROUGH_CLOSED, message)
            return Undecrypted(ingress)
        self._report_unseen(host, root, self._ordinary(host))
        sources = intersection(Sources(denied=self._context.annotations.blocked), sources)
        return Undecrypted(ingress, backend, sources, self._idle_timeout(backend.service_key))

    def _own_root(self, host: str, ingress: Ingress) -> _Root:
        root = self._root(host)
        if root is None:
            raise _ClosedError(f"host {shown(host)} has no path / of type Prefix")
        if root.ingress.key.namespace != ingress.key.namespace:
            raise _ClosedError(f"path / of host {shown(host)} is of {root.ingress.ref}")
        return root

    def _sources(self, *ingresses: Ingress) -> Sources:
        """The clients that each of the Ingresses lets in."""
        lists = []
        for each in dict.fromkeys(ingress.key for ingress in ingresses):
            ingress = self._state.ingress(each)
            found = connecting_clients(ingress, self._context.annotations) if ingress else ALL_CLIENTS
            if isinstance(found, str):
                raise _ClosedError(f"{found} can't be read")
            lists.append(found)
        return functools.reduce(intersection, lists)

    def _count(self, ingress: Ingress, sources: Sources, names: int) -> None:
        """Count the networks that an Ingress adds to the one listener of all hosts."""
        self._networks[ingress.key] += names * (len(sources.allowed or ()) + len(sources.denied))
        if self._networks[ingress.key] > MAX_NETWORKS:
            why = f"the lists of {ingress.ref} have more than {MAX_NETWORKS:,} networks, counted for each of its hosts"
            raise _ClosedError(why)

    def _backend(self, host: str, root: _Root, wish: PassthroughWish) -> BackendKey:
        service = root.path.backend.service
        if service is None:
            raise _ClosedError(f"path / of host {shown(host)} has no Service")
        resolved = resolve(
            self._state,
            root.ingress.key.namespace,
            service,
            UpstreamPolicy(protocol=BackendProtocol.TCP, proxy_header=wish.proxy_header),
            allow_external_name=self._context.allow_external_name,
            effect=f"host {shown(host)} can't be passed through",
        )
        if resolved.backend is None:
            raise _ClosedError(resolved.fault.message if resolved.fault else f"Service {service.name} can't be used")
        self._findings.backends[resolved.backend.key] = resolved.backend
        return resolved.backend.key

    def _idle_timeout(self, service: Key) -> timedelta:
        found = self._state.service(service)

        def report(reason: Reason, message: str, remedy: str) -> None:
            self._findings.report(ObjectRef("Service", *service), reason, message, _ANNOTATIONS, remedy)

        return (idle_timeout(found.annotations, Transport.TCP, report) if found else None) or TCP_IDLE_TIMEOUT

    def _root(self, host: str) -> _Root | None:
        """The path `/` of a host: that of the oldest Ingress, as for requests."""
        for ingress in self._ordinary(host):
            for index, rule in self._state.rules(ingress, host):
                for number, path in enumerate(rule.paths):
                    if _is_root(path):
                        return _Root(ingress, FieldPath.of("spec", "rules", index, "http", "paths", number), path)
        return None

    def _report_unseen(self, host: str, root: _Root, ingresses: Iterable[Ingress]) -> None:
        """Report the paths beside `/`, a problem for each rule."""
        for ingress in ingresses:
            for index, rule in self._state.rules(ingress, host):
                paths = [each for each in rule.paths if not _is_root(each) and not cert_manager.is_solver(each)]
                if not paths:
                    continue
                more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
                message = (
                    f"path {shown(paths[0].path or '')}{more} of host {shown(host)} is seen in plain requests only: "
                    f"TLS is passed through to the Service of / by {root.ingress.ref}"
                )
                at = FieldPath.of("spec", "rules", index)
                self._findings.report(ingress.ref, Reason.PATH_NOT_SEEN, message, at)

    def _kept(self, wildcard: str, named: Set[str]) -> Iterator[str]:
        """The names below a wildcard that no TLS entry names, and that older Ingresses have or other namespaces own.

        The owner of a wildcard doesn't own the names below.
        """
        decided = self._found[wildcard]
        for name, virtual_host in sorted(self._hosts.items()):
            if is_wildcard(name) or wildcard_of(name) != wildcard or name in named or name in self._found:
                continue
            host = name if virtual_host.alias_of is None else virtual_host.alias_of
            oldest = next(self._ordinary(host), None)
            if oldest is None:
                continue
            owner = self._owners.get(host)
            is_foreign = owner is not None and owner.key.namespace != decided.ingress.key.namespace
            if is_foreign or seniority(oldest) < seniority(decided.ingress):
                yield name
                continue
            for index, _ in self._state.rules(oldest, name):
                message = f"TLS of host {shown(name)} is not terminated: {decided.ingress.ref} has {shown(wildcard)}"
                at = FieldPath.of("spec", "rules", index, "host")
                self._findings.report(oldest.ref, Reason.PATH_NOT_SEEN, message, at, _TLS_ENTRY)

    def _report(self, ingress: Ingress, wish: PassthroughWish, reason: Reason, message: str) -> None:
        at = FieldPath.of("metadata", "annotations", MapKey(wish.annotation))
        self._findings.report(ingress.ref, reason, message, at)


_ANNOTATIONS: Final = FieldPath.of("metadata", "annotations")
_TLS_ENTRY: Final = "Add a TLS entry for the host to have its TLS terminated."


def _short_name(wish: PassthroughWish) -> str:
    return wish.annotation.rpartition("/")[2]


def _is_root(path: HTTPIngressPath) -> bool:
    try:
        return valid_path(path) == ("/", PathType.PREFIX)
    except InvalidError:
        return False
