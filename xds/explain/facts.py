"""The facts behind an answer, read from the live state at one moment, so that another thread can explain them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xds.explain.answer import Answer, ChainMatch, Choice, Coverage, Handshake, HostMatch, PathMatch, Redirect
from xds.explain.bound import BoundExcerpt, bound_answer
from xds.explain.credentials import credentials_of
from xds.explain.edge import EdgeOptions
from xds.explain.listening import listened
from xds.explain.matcher import TrafficExcerpt, answer
from xds.explain.request import Request, host_of
from xds.kube.objects import EndpointSlice, Ingress
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.registry import ProblemRegistry
from xds.resources import names
from xds.resources.gateway.listeners import bound_options
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import Store
from xds.traffic.actions import Forward
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, Chain
from xds.traffic.hosts import NO_HOST, beginnings_of, wildcards_of
from xds.traffic.routes import Route
from xds.traffic.tls import Termination
from xds.translate.certificates import Verdict
from xds.translate.translator import Translator


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The material of an explanation.

    Attributes:
        request: The request.
        answer: The answer and its steps.
        options: Settings of the listeners.
        listener: The bound listener that the request meets; None: one of the two of Ingress.
        others: Other bound listeners that answer requests for the host at the port.
        owners: The Ingress behind each TLS host that took part in a decision.
        verdicts: On the Secrets of the chosen termination, in its order; None for a Secret that does not exist.
        backend: Of the route, the main one of several, or the one that TLS is passed through to; None if there is no
            usable one.
        slices: EndpointSlices of the backend's Service.
        fallback: The backend that serves while the other one has no endpoint, with the EndpointSlices of its Service;
            None if there is no such.
        default_backend: The backend that answers in place of errors, likewise.
        ingresses: Ingresses of our class whose rules or TLS entries were looked at.
        foreign: Ingresses of other classes that name the host, each with the reason why it is not ours.
        problems: Of the Service, the Secret, the slices and the Ingresses.
        resources: Resources that a proxy needs for the answer, in the order of make before break.
        closed: The TLS hosts that an Ingress asks to be passed through, and that can't be.
    """

    request: Request
    answer: Answer
    options: ProxyOptions
    listener: BoundListener | None
    others: tuple[BoundListener, ...]
    owners: dict[str, Key]
    verdicts: tuple[Verdict | None, ...]
    backend: Backend | None
    slices: tuple[EndpointSlice, ...]
    fallback: tuple[Backend, tuple[EndpointSlice, ...]] | None
    default_backend: tuple[Backend, tuple[EndpointSlice, ...]] | None
    ingresses: tuple[Ingress, ...]
    foreign: tuple[tuple[Ingress, str], ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]
    closed: tuple[str, ...]

    @property
    def handshake(self) -> Handshake | None:
        """The choice by SNI; None for a plain request."""
        return handshake_of(self.answer)

    @property
    def is_passed(self) -> bool:
        """Whether the connection goes to the backend undecrypted."""
        found = self.handshake
        chain = chain_of(self.answer)
        if chain and chain.route:
            return True
        return found is not None and found.passthrough is not None and not found.is_denied


class StateReader:
    """Reads the live state. All methods except `answer` must run on the loop that changes the state, and are cheap.

    Args:
        state: Kubernetes objects.
        traffic: The traffic model.
        store: The snapshot.
        options: Settings of the listeners.
        problems: All problems that stand.
        busy: Whether changes are pending that the snapshot does not have yet.
        default_secret: The Secret of `--default-tls-secret`; None without the flag.
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

    def excerpt(self, request: Request) -> TrafficExcerpt | BoundExcerpt:
        """The part of the traffic model that decides: of the listener that the request is for."""
        return listened(self.traffic, request)

    def answer(self, traffic: TrafficExcerpt | BoundExcerpt, request: Request) -> Answer:
        """The answer to a request. Goes through all routes of a host, and may run in any thread."""
        options = self.options
        edge = EdgeOptions(options.redirect_https, options.trusted_hops, options.merge_slashes)
        if isinstance(traffic, BoundExcerpt):
            return bound_answer(traffic, request, edge)
        return answer(traffic, request, edge)

    def request_facts(self, request: Request, given: Answer) -> RequestFacts:
        """The facts behind an answer."""
        listening = self.excerpt(request)
        bound = listening if isinstance(listening, BoundExcerpt) else None
        termination, route = _termination(given), given.route
        forward = route.action if route and isinstance(route.action, Forward) else None
        keys = [key for each in forward.shares if (key := each.key_of(tls=request.https))] if forward else []
        if passed := _passed_to(given):
            keys = [passed]
        own = self._backend(keys[0].alone) if keys else None
        pages = route.policy.error_pages if route and forward else None
        backend, slices = own or (None, ())
        ingresses = () if bound else tuple(self._ingresses(given))
        objects = [*_sources(given), *(each.ref for each in (*slices, *ingresses))]
        objects += [bound.listener.origin.object] if bound else []
        objects += (each for each in _routes_of(given) if each.kind != "Ingress")
        owners = self.traffic.tls.owners
        used = sorted({each for key in keys for each in key.all})
        resources = (
            self._bound_resources(bound, request, given, used)
            if bound
            else self._resources(request, termination, route, used)
        )
        return RequestFacts(
            request,
            given,
            bound_options(self.options, bound.listener) if bound else self.options,
            bound.listener if bound else None,
            bound.others if bound else (),
            {host: owners[host] for host in _tls_hosts(given) if host in owners},
            tuple(self.traffic.verdict(each) for each in termination.secrets) if termination else (),
            backend,
            slices,
            self._backend(keys[0].behind) if keys and keys[0].behind else None,
            self._backend(pages.backend) if pages and not pages.instead else None,
            ingresses,
            () if bound else tuple(self._foreign_ingresses(given)),
            tuple(self.problems.of(objects)),
            tuple(resources),
            self.traffic.tls.closed,
        )

    def _backend(self, key: BackendKey) -> tuple[Backend, tuple[EndpointSlice, ...]] | None:
        """A backend in use, with the EndpointSlices of its Service."""
        backend = self.traffic.backends.get(key)
        return (backend, tuple(self.state.slices(key.service_key))) if backend else None

    def _ingresses(self, given: Answer) -> Iterator[Ingress]:
        """Ingresses of our class whose rules or TLS entries were looked at, each once."""
        hosts = [host for step in given.steps if isinstance(step, HostMatch) for host in compared_hosts(step)]
        found = {each.key: each for host in hosts for each in self.state.ingresses_of_host(host)}
        wanted = [self.traffic.tls.owners.get(host) for host in _tls_hosts(given)]
        about = given.route.origin.object if given.route else None
        for key in (*wanted, about.key if about and about.kind == "Ingress" else None):
            ingress = self.state.ingress(key) if key else None
            if ingress is not None:
                found[ingress.key] = ingress
        yield from found.values()

    def _foreign_ingresses(self, given: Answer) -> Iterator[tuple[Ingress, str]]:
        """Ingresses of other classes that name a host which no rule of ours names."""
        for step in given.steps:
            if isinstance(step, HostMatch) and step.host and step.choice in (Choice.NONE, Choice.DEFAULT):
                for ingress in self.state.ingresses():
                    if self.state.ingress(ingress.key) is None and _names(ingress, step.host):
                        yield ingress, self.state.claim(ingress).why

    def _resources(
        self,
        request: Request,
        termination: Termination | None,
        route: Route | None,
        backends: Sequence[BackendKey],
    ) -> Iterator[Resource]:
        """Existing resources behind the answer, in the order of make before break."""
        types = (ResourceType.CLUSTER, ResourceType.ENDPOINTS)
        wanted = [(type_, names.cluster(each)) for type_ in types for each in backends]
        wanted += credentials_of(self.traffic.backends, backends)
        if termination:
            wanted += [(ResourceType.SECRET, names.secret(each)) for each in termination.secrets]
            if termination.checked and (credential := termination.checked.certificates.credential):
                wanted.append((ResourceType.SECRET, names.credential(credential)))
        if route and route.policy.rate_limits:
            wanted.append((ResourceType.EXTENSION, names.RATE_LIMITS))
        wanted.append((ResourceType.LISTENER, names.HTTPS if request.https else names.HTTP))
        if termination or not request.https:
            routes = names.https_routes(termination) if termination else names.HTTP_ROUTES
            wanted.append((ResourceType.ROUTES, routes))
            wanted.append((ResourceType.VIRTUAL_HOST, self._virtual_host(routes, host_of(request.authority))))
        yield from filter(None, (self.store.get(type_, name) for type_, name in wanted))

    def _bound_resources(
        self, bound: BoundExcerpt, request: Request, given: Answer, backends: Sequence[BackendKey]
    ) -> Iterator[Resource]:
        """Existing resources behind the answer of a bound listener, in the order of make before break."""
        listener = bound.listener
        chain = chain_of(given) or listener.chains[0]
        types = (ResourceType.CLUSTER, ResourceType.ENDPOINTS)
        wanted = [(type_, names.cluster(each)) for type_ in types for each in backends]
        wanted += credentials_of(self.traffic.backends, backends)
        if chain.tls:
            wanted += [(ResourceType.SECRET, names.secret(each)) for each in chain.tls.secrets]
            if chain.tls.clients:
                wanted.append((ResourceType.SECRET, names.credential(chain.tls.clients.authorities)))
        wanted.append((ResourceType.LISTENER, str(listener.key)))
        if chain.table:
            routes = names.table_routes(chain.table)
            wanted.append((ResourceType.ROUTES, routes))
            wanted.append((ResourceType.VIRTUAL_HOST, self._virtual_host(routes, host_of(request.authority))))
        yield from filter(None, (self.store.get(type_, name) for type_, name in wanted))

    def _virtual_host(self, routes: str, host: str) -> str:
        """The name of the virtual host that Envoy chooses: by name, by the longest end, by the longest beginning."""
        domains = (host, *wildcards_of(host), *beginnings_of(host))
        candidates = (names.virtual_host(routes, domain) for domain in domains)
        existing = self.store.virtual_hosts(routes)
        return next((name for name in candidates if name in existing), names.virtual_host(routes, "*"))


def compared_hosts(step: HostMatch) -> Iterator[str]:
    """The hosts whose rules took part in a match: the request's own, which a left out rule may name, and the match."""
    yield step.host
    found = step.virtual_host
    yield NO_HOST if found is None else found.host if found.alias_of is None else found.alias_of


def chain_of(given: Answer) -> Chain | None:
    """The chain of a bound listener that was chosen by server name; None without such a choice."""
    return next((step.chain for step in given.steps if isinstance(step, ChainMatch)), None)


def handshake_of(given: Answer) -> Handshake | None:
    return next((step for step in given.steps if isinstance(step, Handshake)), None)


def _termination(given: Answer) -> Termination | None:
    found = handshake_of(given)
    return found.termination if found else None


def _tls_hosts(given: Answer) -> list[str]:
    """The TLS hosts that took part in a decision."""
    return [step.pattern for step in given.steps if isinstance(step, Handshake | Redirect | Coverage) and step.pattern]


def _passed_to(given: Answer) -> BackendKey | None:
    """The backend that a connection goes to as bytes; None for a request."""
    for step in given.steps:
        if isinstance(step, Handshake) and step.passthrough:
            return step.passthrough.backend
        if isinstance(step, ChainMatch) and step.chain and step.chain.route:
            return next(iter(step.chain.route.backends), None)
    return None


def _routes_of(given: Answer) -> Iterator[ObjectRef]:
    """The objects of the routes that were compared, and of the one of a connection."""
    for step in given.steps:
        if isinstance(step, PathMatch):
            yield from dict.fromkeys(each.route.origin.object for each in step.routes)
        if isinstance(step, ChainMatch) and step.chain and step.chain.route:
            yield step.chain.route.origin.object


def _sources(given: Answer) -> Iterator[ObjectRef]:
    termination, chosen = _termination(given), handshake_of(given)
    if given.route:
        yield ObjectRef("Service", *given.route.service)
    if chosen and chosen.passthrough:
        yield ObjectRef("Service", *chosen.passthrough.backend.service_key)
    if termination:
        yield from (ObjectRef("Secret", *each) for each in termination.secrets)


def _names(ingress: Ingress, host: str) -> bool:
    return any(rule.hostname == host for rule in ingress.spec.rules or ())
