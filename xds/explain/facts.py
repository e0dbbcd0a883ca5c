"""What there is to know about a request, taken from the live state in one go: the rest is told in another thread."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xds.explain.matcher import (
    Answer,
    Choice,
    Coverage,
    Edge,
    Excerpt,
    Fallback,
    Handshake,
    HostMatch,
    PathMatch,
    Redirect,
    Trial,
    answer,
    excerpt,
)
from xds.explain.request import Request, without_port
from xds.kube.objects import EndpointSlice, Ingress
from xds.kube.state import KubeState
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.registry import ProblemRegistry
from xds.resources import names
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import Store
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.hosts import NO_HOST
from xds.traffic.tls import Termination
from xds.translate.certificates import Verdict
from xds.translate.names import InvalidError, valid_path
from xds.translate.translator import Translator


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """All that an explanation is made of.

    `owners` are the Ingresses of the TLS hosts that decided something. `ingresses` are those of ours that have a say in
    it, `strangers` those that name the host and aren't ours, with why. `problems` are those of all these objects;
    `resources` what a proxy must have to answer so.
    """

    request: Request
    answer: Answer
    options: ProxyOptions
    owners: dict[str, Key]
    verdict: Verdict | None
    backend: Backend | None
    slices: tuple[EndpointSlice, ...]
    ingresses: tuple[Ingress, ...]
    strangers: tuple[tuple[Ingress, str], ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]


class StateReader:
    """Knows the live state. All methods but `answer` are for the loop that changes it, and cost little.

    Args:
        problems: All that stand.
        busy: Whether changes are being worked on that the snapshot doesn't have yet.
        default_secret: That of `--default-tls-secret`.
    """

    def __init__(
        self,
        state: KubeState,
        traffic: Translator,
        store: Store,
        options: ProxyOptions,
        problems: ProblemRegistry,
        *,
        busy: Callable[[], bool],
        default_secret: Key | None,
    ) -> None:
        self.state = state
        self.traffic = traffic
        self.store = store
        self.options = options
        self.problems = problems
        self.busy = busy
        self.default_secret = default_secret

    def look(self, request: Request) -> Excerpt:
        return excerpt(self.traffic, request)

    def answer(self, seen: Excerpt, request: Request) -> Answer:
        """What becomes of the request. Goes through all routes of a host: for any thread."""
        return answer(seen, request, Edge(self.options.redirect_https, self.options.trusted_hops))

    def evidence(self, request: Request, given: Answer) -> RequestFacts:
        termination, route = _termination(given), given.route
        backend = self.traffic.backends.get(route.backend) if route and route.backend else None
        slices = tuple(self.state.slices(backend.key.service_key)) if backend else ()
        ingresses = tuple(self._ingresses(given))
        about = [*_sources(given), *(each.ref for each in (*slices, *ingresses))]
        owners = self.traffic.tls.owners
        return RequestFacts(
            request,
            given,
            self.options,
            {host: owners[host] for host in _tls_hosts(given) if host in owners},
            self.traffic.verdict(termination.secret) if termination else None,
            backend,
            slices,
            ingresses,
            tuple(self._strangers(given)),
            tuple(self.problems.of(about)),
            tuple(self._resources(request, termination, route.backend if route else None)),
        )

    def _ingresses(self, given: Answer) -> Iterator[Ingress]:
        """Those whose rules or TLS entries were looked at, each once."""
        hosts = [host for step in given.steps if isinstance(step, HostMatch) for host in _hosts(step)]
        found = {each.key: each for host in hosts for each in self.state.ingresses_of_host(host)}
        wanted = [self.traffic.tls.owners.get(host) for host in _tls_hosts(given)]
        for key in (*wanted, given.route.origin.object.key if given.route else None):
            each = self.state.ingress(key) if key else None
            if each is not None:
                found[each.key] = each
        yield from found.values()

    def _strangers(self, given: Answer) -> Iterator[tuple[Ingress, str]]:
        """Ingresses that name the host and aren't ours, each with why: they count where no rule of ours names it."""
        for step in given.steps:
            if isinstance(step, HostMatch) and step.host and step.choice in (Choice.NONE, Choice.DEFAULT):
                for each in self.state.ingresses():
                    if self.state.ingress(each.key) is None and _names(each, step.host):
                        yield each, self.state.claim(each).why

    def _virtual_host(self, routes: str, host: str) -> str:
        """The name of the one that Envoy chooses: its wildcards stand for any number of labels, the longest wins."""
        labels = host.lower().split(".")
        wildcards = (".".join(("*", *labels[count:])) for count in range(1, len(labels) + 1))
        named = (names.virtual_host(routes, domain) for domain in (host.lower(), *wildcards))
        existing = self.store.virtual_hosts(routes)
        return next((name for name in named if name in existing), names.virtual_host(routes, "*"))

    def _resources(
        self, request: Request, termination: Termination | None, backend: BackendKey | None
    ) -> Iterator[Resource]:
        """What exists of what the answer comes from, in the order in which an update reaches a proxy."""
        wanted: list[tuple[ResourceType, str]] = []
        if backend:
            wanted += [(type_, names.cluster(backend)) for type_ in (ResourceType.CLUSTER, ResourceType.ENDPOINTS)]
        if termination:
            wanted.append((ResourceType.SECRET, names.secret(termination.secret)))
        wanted.append((ResourceType.LISTENER, names.HTTPS if request.https else names.HTTP))
        if termination or not request.https:
            routes = names.https_routes(termination.secret) if termination else names.HTTP
            wanted.append((ResourceType.ROUTES, routes))
            wanted.append((ResourceType.VIRTUAL_HOST, self._virtual_host(routes, without_port(request.authority))))
        yield from filter(None, (self.store.get(type_, name) for type_, name in wanted))


def _termination(given: Answer) -> Termination | None:
    return next((step.termination for step in given.steps if isinstance(step, Handshake)), None)


def _tls_hosts(given: Answer) -> list[str]:
    """The TLS hosts that decided something."""
    return [step.pattern for step in given.steps if isinstance(step, Handshake | Redirect | Coverage) and step.pattern]


def _hosts(step: HostMatch) -> Iterator[str]:
    """The hosts of the rules that were looked at: one that is named may be so by a rule that is left out."""
    yield step.host
    yield step.virtual_host.host if step.virtual_host else NO_HOST


def relevant(problem: Problem, evidence: RequestFacts) -> bool:
    """Whether a problem of these objects may have to do with the answer: one of an Ingress, if it is about a rule of
    the host, a TLS entry that decided, or what is used of the Ingress as a whole.
    """
    about = problem.object
    ingress = next((each for each in evidence.ingresses if each.ref == about), None)
    return ingress is None or _concerns(problem.field, ingress, evidence)


def _sources(given: Answer) -> Iterator[ObjectRef]:
    termination = _termination(given)
    if given.route:
        yield ObjectRef("Service", *given.route.service)
    if termination:
        yield ObjectRef("Secret", *termination.secret)


def _concerns(field: FieldPath, ingress: Ingress, evidence: RequestFacts) -> bool:
    match field.parts:
        case ("spec", "rules", int(index), "http", "paths", int(number), *_):
            return _rule_concerns(index, number, ingress, evidence)
        case ("spec", "rules", int(index), *_):
            return _rule_concerns(index, None, ingress, evidence)
        case ("spec", "tls", *_):
            return ingress.key in evidence.owners.values()
        case ("spec", "defaultBackend", *_):
            return any(isinstance(step, Fallback) for step in evidence.answer.steps)
        case _:
            return evidence.answer.route is not None and evidence.answer.route.origin.object == ingress.ref


def _rule_concerns(index: int, number: int | None, ingress: Ingress, evidence: RequestFacts) -> bool:
    """Whether the rule is one of the host, and its path, if it is about one, the one taken or one that is left out."""
    rules = ingress.spec.rules or ()
    hosts = [host for step in evidence.answer.steps if isinstance(step, HostMatch) for host in _hosts(step)]
    if index >= len(rules) or rules[index].hostname not in hosts:
        return False
    if number is None or number >= len(rules[index].paths):
        return True
    try:
        path = valid_path(rules[index].paths[number])
    except InvalidError:
        return True
    tried = {(trial.route.path, trial.route.path_type) for trial in _trials(evidence.answer)}
    route = evidence.answer.route
    return path not in tried or (route is not None and path == (route.path, route.path_type))


def _trials(given: Answer) -> Iterator[Trial]:
    return (trial for step in given.steps if isinstance(step, PathMatch) for trial in step.trials)


def _names(ingress: Ingress, host: str) -> bool:
    return any(rule.hostname == host for rule in ingress.spec.rules or ())
