"""Names beside the hosts of rules: aliases of a host, and names that are redirected to a host.

A name may be wanted for several hosts, and may be a host of rules itself, so that another Ingress decides over a name
than the one that asks for the name.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from xds.kube.objects import Ingress
from xds.kube.state import KubeState, seniority, why_first
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import HostRedirect
from xds.traffic.hosts import NO_HOST, is_wildcard
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT
from xds.traffic.routes import Origin, PathType, Route, VirtualHost
from xds.translate.findings import UnitFindings
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.host_names import FROM_TO_WWW, NO_NAMES, SERVER_ALIAS, HostNames
from xds.translate.nginx.paths_policy import PathsPolicy
from xds.translate.ownership import HostOwnership, belonging

_WWW: Final = "www."


@dataclass(frozen=True, slots=True)
class FurtherName:
    """A name that an Ingress asks for beside a host of its rules.

    Attributes:
        name: In lower case.
        host: The host, or NO_HOST.
        origin: The Ingress and the annotation.
        redirect: The answer to requests; None for an alias, which has the routes of the host.
    """

    name: str
    host: str
    origin: Origin
    redirect: HostRedirect | None = None

    @property
    def precedence(self) -> tuple[bool, str]:
        """A sort key, the one that has the name first.

        Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/template/nginx.tmpl
        where redirects come first, then hosts by alphabet, `_` for the rules without host.
        """
        return (self.redirect is None, self.host or "_")

    def virtual_host(self, of_host: VirtualHost) -> VirtualHost:
        """The virtual host of the name.

        Args:
            of_host: The virtual host of the host.
        """
        if self.redirect is None:
            return replace(of_host, host=self.name, alias_of=self.host)
        service = Key(self.origin.object.namespace, "(none)")
        route = Route("/", PathType.PREFIX, self.redirect, self.origin, service)
        return VirtualHost(self.name, (route,), https_redirect=NO_HTTPS_REDIRECT, alias_of=self.host)


def further_names(
    host: str, policies: Sequence[tuple[Ingress, PathsPolicy]], routes: Iterable[Route], findings: UnitFindings
) -> Iterator[FurtherName]:
    """The names that are asked for beside a host.

    Args:
        host: The host.
        policies: The Ingresses of the host but for canaries, the oldest first.
        routes: The routes of the host. An Ingress without any redirects nothing.
        findings: Takes the problems.
    """
    if all(policy.names is NO_NAMES for _, policy in policies):
        return
    asking = [(ingress, policy.names) for ingress, policy in policies if policy.names.aliases]
    for ingress, _ in asking[1:]:
        first = asking[0][0]
        message = f"the server-alias of {first.ref} counts for {_called(host)}, {why_first(first, ingress)}"
        findings.report(ingress.ref, Reason.ALIAS_CONFLICT, message, _at(SERVER_ALIAS))
    for ingress, names in asking[:1]:
        for name in names.aliases:
            if name != host:
                yield FurtherName(name, host, Origin(ingress.ref, _at(SERVER_ALIAS)))
    asking = [(ingress, policy.names) for ingress, policy in policies if policy.names.www_status]
    if asking:
        owners = {route.origin.object for route in routes}
        yield from _redirected(host, [each for each in asking if each[0].ref in owners], findings)


def _redirected(
    host: str, asking: Sequence[tuple[Ingress, HostNames]], findings: UnitFindings
) -> Iterator[FurtherName]:
    if host == NO_HOST or is_wildcard(host):
        for ingress, _ in asking:
            message = f"from-to-www-redirect has no effect for {_called(host)}: a redirect needs a name"
            findings.report(ingress.ref, Reason.ANNOTATION_UNSUPPORTED, message, _at(FROM_TO_WWW))
        return
    other = host.removeprefix(_WWW) if host.startswith(_WWW) else f"{_WWW}{host}"
    for ingress, names in asking[:1]:
        yield FurtherName(other, host, Origin(ingress.ref, _at(FROM_TO_WWW)), HostRedirect(host, names.www_status))


class FurtherNames:
    """All names that are asked for beside hosts, and the host that has each name.

    Args:
        ownership: The namespaces that a name may belong to.
    """

    def __init__(self, ownership: HostOwnership = HostOwnership.SHARED) -> None:
        self._ownership = ownership
        self._of_host: dict[str, tuple[FurtherName, ...]] = {}
        self._asked: dict[str, set[FurtherName]] = {}
        self._owners: dict[str, str] = {}

    @property
    def owners(self) -> Mapping[str, str]:
        """The host of rules by name, for names that are served."""
        return self._owners

    @property
    def wildcards(self) -> Set[str]:
        """The wildcards among the names, which depend on the hosts that others own; none where hosts are shared."""
        return set(filter(is_wildcard, self._asked)) if self._ownership is HostOwnership.NAMESPACE else frozenset()

    def of_host(self, host: str) -> Iterator[FurtherName]:
        """The served names of a host."""
        return (each for each in self._of_host.get(host, ()) if self._owners.get(each.name) == host)

    def follow(self, host: str, asked: tuple[FurtherName, ...], *, changed: bool) -> Iterator[str]:
        """Note the names that are asked for beside a host, and return names to decide again.

        Args:
            host: The host.
            asked: The names.
            changed: Whether the virtual host changed.
        """
        if host in self._asked:
            yield host
        before = self._of_host.pop(host, ())
        if asked:
            self._of_host[host] = asked
        # Where names are owned, the age of an asking Ingress decides, and a re-created one is younger.
        if before == asked and not changed and self._ownership is HostOwnership.SHARED:
            return
        for each in before:
            self._asked[each.name].discard(each)
        for each in asked:
            self._asked.setdefault(each.name, set()).add(each)
        for each in (*before, *asked):
            if not self._asked.get(each.name, True):
                del self._asked[each.name]
            yield each.name

    def decide(
        self, name: str, hosts: Mapping[str, VirtualHost], state: KubeState, findings: UnitFindings
    ) -> VirtualHost | None:
        """The virtual host of a name; None where no host has the name as a further one.

        Args:
            name: The name.
            hosts: The virtual hosts, up to date but for names that are to be decided.
            state: Finds the Ingresses with a rule for the name.
            findings: Takes the problems.
        """
        self._owners.pop(name, None)
        asked = sorted(self._asked.get(name, ()), key=lambda each: each.precedence)
        own = hosts.get(name)
        if own is not None and not own.is_alias:
            ingresses = state.ingresses_of_host(name)
            _report(asked, f"{shown(name)} is a host of {ingresses[0].ref}", findings)
            return None
        if self._ownership is HostOwnership.NAMESPACE:
            asked = _of_owner(name, asked, hosts, state, findings)
        if not asked:
            return None
        winner = asked[0]
        does = "is redirected to" if winner.redirect else "is an alias of"
        _report(asked[1:], f"{shown(name)} {does} {_called(winner.host)}, by {winner.origin.object}", findings)
        self._owners[name] = winner.host
        return winner.virtual_host(hosts[winner.host])


def _of_owner(
    name: str, asked: list[FurtherName], hosts: Mapping[str, VirtualHost], state: KubeState, findings: UnitFindings
) -> list[FurtherName]:
    """The names that the namespace of the oldest Ingress asks for. Reports all others.

    A wildcard among aliases precedes those of rules, and must not take the hosts of another namespace.
    """
    asking = [(each, ingress) for each in asked if (ingress := state.ingress(each.origin.object.key))]
    if not asking:
        return []
    _, owner = min(asking, key=lambda each: seniority(each[1]))
    for each, ingress in asking:
        if ingress.key.namespace != owner.key.namespace:
            message = f"{belonging(name, owner, ingress)}; {_left_out(each)}"
            findings.report(ingress.ref, Reason.HOST_OF_OTHER_NAMESPACE, message, each.origin.field)
    kept = [(each, ingress) for each, ingress in asking if ingress.key.namespace == owner.key.namespace]
    for covered in filter(is_wildcard, hosts) if is_wildcard(name) else ():
        host = hosts[covered]
        if not host.is_alias and host.owner != owner.key.namespace and covered.endswith(name[1:]):
            for each, ingress in kept:
                message = (
                    f"host {covered} belongs to namespace {host.owner}, and {shown(name)} covers it; {_left_out(each)}"
                )
                findings.report(ingress.ref, Reason.HOST_OF_OTHER_NAMESPACE, message, each.origin.field)
            return []
    return [each for each, _ in kept]


def _left_out(name: FurtherName) -> str:
    if name.redirect:
        return f"from-to-www-redirect has no effect for {_called(name.host)}"
    return f"alias {shown(name.name)} of {_called(name.host)} is left out"


def _report(losers: Collection[FurtherName], why: str, findings: UnitFindings) -> None:
    """Report the names that are left out."""
    for each in losers:
        if each.redirect:
            message = f"from-to-www-redirect has no effect for {_called(each.host)}, as in ingress-nginx: {why}"
            findings.report(each.origin.object, Reason.ANNOTATION_UNSUPPORTED, message, each.origin.field)
        else:
            message = f"alias {shown(each.name)} of {_called(each.host)} is left out: {why}"
            findings.report(each.origin.object, Reason.ALIAS_CONFLICT, message, each.origin.field)


def _at(annotation: AnyAnnotation) -> FieldPath:
    return FieldPath.of("metadata", "annotations", MapKey(annotation.full_name))


def _called(host: str) -> str:
    return f"host {host}" if host else "the rules without host"
