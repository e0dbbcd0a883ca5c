"""From the Ingresses of ingress-nginx, as they are translated, to objects of the Gateway API.

The traffic model is converted, not the text of Ingresses: so the objects say what is served, canaries, defaults and
regular expressions included. An Ingress with a part that the API has no words for stays as it is, whole, if the part
protects or answers.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Final, NamedTuple, Protocol

from xds.kube.objects import Ingress
from xds.migrate.gateway.annotations import Saying, sayings
from xds.migrate.gateway.listeners import API_VERSION, Listeners, Parent
from xds.migrate.gateway.order import tried_otherwise
from xds.migrate.gateway.rules import Rule, UnsaidError, rule_of
from xds.migrate.subject import Subject
from xds.problems.problem import Key
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.hosts import NO_HOST, is_beginning, is_wildcard, wildcard_of
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import TlsTable

MAX_RULES: Final = 16
MAX_MATCHES: Final = 64
MAX_MATCHES_OF_ROUTE: Final = 128
MAX_HOSTNAMES: Final = 16
"""Of an HTTPRoute, and of a rule."""

GENERAL: Final = (
    "usual values of ingress-nginx (60 s for an answer, bodies of 1 MiB, retries) don't count for HTTPRoutes",
    "a wildcard stands for any number of labels, not for one",
)
"""The differences of all objects."""


class Traffic(Protocol):
    """The traffic model of all Ingresses."""

    @property
    def hosts(self) -> Mapping[str, VirtualHost]: ...
    @property
    def default(self) -> Route | None: ...
    @property
    def tls(self) -> TlsTable: ...
    @property
    def backends(self) -> Mapping[BackendKey, Backend]: ...


@dataclass(frozen=True, slots=True)
class Note:
    """A note about an Ingress.

    Attributes:
        saying: How the API says the part.
        about: The part: an annotation, or a path.
        text: The difference, or the remedy.
    """

    saying: Saying
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result.

    Attributes:
        objects: In the order in which they can be applied.
        notes: By Ingress.
        stays: The Ingresses that are not converted.
    """

    objects: tuple[dict[str, Any], ...]
    notes: Mapping[Key, tuple[Note, ...]]
    stays: frozenset[Key]


class _Part(NamedTuple):
    """The rules of an Ingress for a host.

    Attributes:
        plain: Whether plain requests are answered.
        tls: Whether requests that come by TLS are.
    """

    host: str
    plain: bool
    tls: bool
    rules: tuple[dict[str, Any], ...]


@dataclass
class _Ingress:
    """The routes of an Ingress by host, and what is noted."""

    routes: dict[str, list[Route]] = field(default_factory=dict)
    notes: dict[Note, None] = field(default_factory=dict)

    def note(self, saying: Saying, about: str, text: str) -> None:
        self.notes[Note(saying, about, text)] = None

    @property
    def stays(self) -> bool:
        return any(each.saying is Saying.STAYS for each in self.notes)


def convert(
    traffic: Traffic, subjects: Collection[Subject], is_wanted: Callable[[Ingress], bool], gateway: Key, class_name: str
) -> Conversion:
    """Convert Ingresses.

    Args:
        traffic: Of all Ingresses.
        subjects: All Ingresses.
        is_wanted: Whether to convert an Ingress.
        gateway: The Gateway to be made.
        class_name: Of the GatewayClass to be made.
    """
    listeners = Listeners.of(gateway, traffic.tls, _certificates(traffic.tls, subjects))
    ingresses = {each.key: _noted(each) for each in subjects if is_wanted(each.ingress)}
    _assign(traffic, ingresses)
    tls_hosts = frozenset(traffic.tls.named)
    names = {each.key for each in subjects}
    routes: list[dict[str, Any]] = []
    for key, ingress in sorted(ingresses.items()):
        parts = list(_parts(traffic, ingress, tls_hosts))
        if not ingress.stays:
            routes += _http_routes(key, parts, listeners, names)
    notes = {key: tuple(each.notes) for key, each in sorted(ingresses.items()) if each.notes}
    stays = frozenset(key for key, each in ingresses.items() if each.stays)
    return Conversion((*listeners.objects(class_name), *routes) if routes else (), notes, stays)


def _certificates(tls: TlsTable, subjects: Iterable[Subject]) -> dict[str, tuple[Key, ...]]:
    """The Secrets of each TLS host: the Secret that the TLS entry names, or several for certificates side by side.

    In the TLS table, Secrets with the same certificate are one Secret, and so are Secrets that the input lacks.
    """
    named: dict[str, Key] = {}
    for each in subjects:
        for entry in each.ingress.spec.tls or ():
            hosts = [host.lower() for host in entry.hosts or each.hosts]
            own = (host for host in hosts if entry.secret_name and tls.owners.get(host) == each.key)
            named |= {host: Key(each.key.namespace, entry.secret_name or "") for host in own}
    found: dict[str, tuple[Key, ...]] = {}
    for termination in tls.terminations:
        for host in termination.hosts:
            is_alone = len(termination.secrets) == 1 and host in named
            found[host] = (named[host],) if is_alone else termination.secrets
    return found


def _noted(subject: Subject) -> _Ingress:
    found = _Ingress()
    for name, said in sayings(subject):
        if said.saying is not Saying.SAID:
            found.note(said.saying, name, said.text)
    return found


def _assign(traffic: Traffic, ingresses: Mapping[Key, _Ingress]) -> None:
    """Give each Ingress its routes. An Ingress with a route that the API can't say stays."""
    for host, virtual_host in traffic.hosts.items():
        default = [virtual_host.default] if virtual_host.default else []
        for route in (*virtual_host.routes, *default):
            if ingress := _owner(route, ingresses):
                ingress.routes.setdefault(host, []).append(route)
                if virtual_host.client_certificates:
                    ingress.note(Saying.STAYS, host, "clients of the host are asked for certificates")
        for earlier, later in tried_otherwise(virtual_host.routes):
            for route, other in ((earlier, later), (later, earlier)):
                if ingress := _owner(route, ingresses):
                    text = f"the Gateway API tries the path and {other.path} in the other order"
                    ingress.note(Saying.STAYS, f"{route.path_type} {route.path}", text)
    if traffic.default and (ingress := _owner(traffic.default, ingresses)):
        ingress.routes.setdefault(NO_HOST, []).append(traffic.default)


def _owner(route: Route, ingresses: Mapping[Key, _Ingress]) -> _Ingress | None:
    about = route.origin.object
    return ingresses.get(about.key) if about.kind == Ingress.kind else None


def _parts(traffic: Traffic, ingress: _Ingress, tls_hosts: Set[str]) -> Iterator[_Part]:
    for host, routes in ingress.routes.items():
        if is_beginning(host):
            ingress.note(Saying.STAYS, host, "the Gateway API has no names by their beginning")
            continue
        if is_wildcard(host):
            ingress.note(Saying.PARTLY, host, "the wildcard stands for any number of labels")
        has_tls = not tls_hosts.isdisjoint((host, wildcard_of(host)))
        if host in traffic.tls.without_certificate:
            ingress.note(Saying.PARTLY, host, "there is no usable certificate, and no listener for HTTPS")
        found = _HostRules(has_tls=has_tls)
        for route in routes:
            _convert(route, traffic.backends, ingress, found)
        if found.everywhere.rules:
            yield _Part(host, plain=True, tls=True, rules=tuple(found.everywhere))
        if found.by_tls.rules:
            yield _Part(host, plain=False, tls=True, rules=tuple(found.by_tls))
            redirects = found.redirects if found.everywhere.rules else found.redirects.of_any_path()
            yield _Part(host, plain=True, tls=False, rules=tuple(redirects))


def _convert(route: Route, backends: Mapping[BackendKey, Backend], ingress: _Ingress, found: "_HostRules") -> None:
    about = f"{route.path_type} {route.path}"
    if route.policy.access or route.policy.rate_limits:
        ingress.note(Saying.STAYS, about, "the path has a protection that the Gateway API has no words for")
        return
    if any((used := backends.get(key)) and used.upstream.tls for key in route.backends):
        ingress.note(Saying.STAYS, about, "TLS to the backend has certificates; write a BackendTLSPolicy")
        return
    try:
        rule = rule_of(route, backends)
    except UnsaidError as error:
        ingress.note(Saying.STAYS, about, str(error))
        return
    for each in rule.differences:
        ingress.note(Saying.PARTLY, about, each)
    if route.https_redirect.holds(has_tls=found.has_tls, by_operator=False):
        asked = {"scheme": "https", "statusCode": route.https_redirect.status}
        redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": asked}]}
        found.by_tls.add(rule)
        found.redirects.add(Rule(rule.match, redirect))
    else:
        found.everywhere.add(rule)


class _Rules:
    """Rules, of which equal ones share their matches."""

    def __init__(self) -> None:
        self.rules: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}

    def add(self, rule: Rule) -> None:
        text = json.dumps(rule.rest, sort_keys=True)
        # A prefix is replaced in rules with one match alone.
        single = json.dumps(rule.match, sort_keys=True) if "replacePrefixMatch" in text else ""
        _, matches = self.rules.setdefault(f"{text} {single}", (rule.rest, []))
        if rule.match not in matches:
            matches.append(rule.match)

    def of_any_path(self) -> "_Rules":
        """The rules for every path, one for each answer."""
        found = _Rules()
        for rest, _ in self.rules.values():
            found.add(Rule({"path": {"type": "PathPrefix", "value": "/"}}, rest))
            break
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for rest, matches in self.rules.values():
            for start in range(0, len(matches), MAX_MATCHES):
                yield {"matches": matches[start : start + MAX_MATCHES], **rest}


@dataclass(frozen=True, slots=True)
class _HostRules:
    """The rules of an Ingress for a host.

    Attributes:
        has_tls: Whether a TLS entry covers the host.
        everywhere: For plain requests and for those that come by TLS.
        by_tls: For requests that come by TLS alone.
        redirects: For plain requests, to HTTPS.
    """

    has_tls: bool
    everywhere: _Rules = field(default_factory=_Rules)
    by_tls: _Rules = field(default_factory=_Rules)
    redirects: _Rules = field(default_factory=_Rules)


def _http_routes(key: Key, parts: Iterable[_Part], listeners: Listeners, names: Set[Key]) -> Iterator[dict[str, Any]]:
    """The HTTPRoutes of an Ingress: one for all hosts with the same rules and parents.

    Args:
        key: The Ingress.
        parts: Of the Ingress.
        listeners: Give the parents.
        names: Of all Ingresses, each of which is also the name of a route.
    """
    grouped: dict[str, tuple[_Part, tuple[Parent, ...], list[str]]] = {}
    for part in parts:
        if parents := listeners.parents(part.host, plain=part.plain, tls=part.tls):
            text = json.dumps((parents, part.rules), sort_keys=True)
            grouped.setdefault(text, (part, parents, []))[2].append(part.host)
    further = (name for number in count(2) if (name := Key(key.namespace, f"{key.name}-{number}")) not in names)
    free = chain([key], further)
    for part, parents, hosts in grouped.values():
        for rules in _chunks(part.rules):
            for start in range(0, len(hosts), MAX_HOSTNAMES):
                yield _http_route(next(free), parents, hosts[start : start + MAX_HOSTNAMES], rules)


def _chunks(rules: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    matches = 0
    for rule in rules:
        if chunk and (len(chunk) == MAX_RULES or matches + len(rule["matches"]) > MAX_MATCHES_OF_ROUTE):
            yield chunk
            chunk, matches = [], 0
        chunk.append(rule)
        matches += len(rule["matches"])
    if chunk:
        yield chunk


def _http_route(key: Key, parents: Iterable[Parent], hosts: list[str], rules: list[dict[str, Any]]) -> dict[str, Any]:
    refs = [
        {
            **({"kind": each.kind} if each.kind != "Gateway" else {}),
            "name": each.key.name,
            "namespace": each.key.namespace,
            **({"sectionName": each.section} if each.section else {}),
        }
        for each in parents
    ]
    named = {"hostnames": hosts} if NO_HOST not in hosts else {}
    metadata = {"name": key.name, "namespace": key.namespace}
    spec = {"parentRefs": refs, **named, "rules": rules}
    return {"apiVersion": API_VERSION, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
