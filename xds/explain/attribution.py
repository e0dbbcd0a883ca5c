"""From a resource that proxies rejected to problems of the Kubernetes objects that the resource comes from."""

from collections.abc import Iterable, Sequence, Set
from typing import Any, Final, NamedTuple

from xds.envoyapi import codec
from xds.explain.gateway_attribution import owners_of_listener, users_of_backend, users_of_secret
from xds.kube.objects import Ingress
from xds.kube.state import KubeState
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.redaction import scrub_text
from xds.problems.text import shown
from xds.resources import names
from xds.resources.filters.rate_limits import rates_of
from xds.resources.layer4.passthrough import passthrough_name
from xds.resources.origin import origin_of
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import BackendKey
from xds.traffic.bound import ListenerKey
from xds.traffic.layer4 import PortKey, PortListener
from xds.traffic.model import Traffic, TrafficModel
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Route

MAX_OWNERS: Final = 10
"""Objects that get a problem for one rejection. With more candidates the problem is the resource's own."""

MESSAGE_CHARACTERS: Final = 400
"""Length of a proxy's message in a problem, at most. `xds proxies` shows more."""

_CANNOT_BIND_REMEDY: Final = (
    "`xds proxies --rejecting` names the proxies. Free the port on their machines, allow the port (below 1024 needs a "
    "capability or net.ipv4.ip_unprivileged_port_start), or choose another{}. A freed port needs no restart."
)


def cannot_bind_remedy(listeners: Iterable[str]) -> str:
    """The remedy for listeners, by name, whose port a machine doesn't give."""
    is_port = all(PortKey.named(each) or ListenerKey.named(each) for each in listeners)
    return _CANNOT_BIND_REMEDY.format("" if is_port else " with --http-port or --https-port")


class Verdict(NamedTuple):
    """The answer of proxies to a resource.

    Attributes:
        text: The proxy's message.
        effect: The effect of the rejection, with a place for the resource's name.
        is_unbound: Whether only the port of a listener is at fault, on the machines of some proxies.
    """

    text: str
    effect: str
    is_unbound: bool = False


class Owner(NamedTuple):
    """An object that a resource comes from.

    Attributes:
        field: The part that asks for the resource; WHOLE_OBJECT where several do, or none is known.
    """

    object: ObjectRef
    field: FieldPath = WHOLE_OBJECT


def problems(
    rejected: Resource, last_good: Resource | None, verdict: Verdict, state: KubeState, traffic: TrafficModel
) -> list[Problem]:
    """A problem for each object that the resource comes from; for the resource itself if no object is known.

    Args:
        rejected: The resource that a NACK blames.
        last_good: The last version that a proxy accepted; None if there is none.
        verdict: The answer of the proxies that reject the resource.
        state: Finds the Ingresses that use a Service or Secret.
        traffic: Finds the routes and ports that use a backend.
    """
    kind = rejected.type.message.rpartition(".")[2]
    message = f"{verdict.effect.format(f'{kind} {rejected.name}')}; the proxy says {_quoted(verdict.text)}"
    remedy = Reason.REJECTED_BY_PROXY.remedy
    if verdict.is_unbound:
        remedy = cannot_bind_remedy([rejected.name])
    owners = _few(_owners(rejected, last_good, verdict.text, state, traffic)) or [Owner(_reference(kind, rejected))]
    return [Problem(each.object, Reason.REJECTED_BY_PROXY, message, remedy, each.field) for each in owners]


def _few(owners: Iterable[Owner]) -> Sequence[Owner]:
    """The owners, without fields if only the objects are few enough; empty if there are too many of these, too."""
    found = sorted(set(owners))
    if len(found) > MAX_OWNERS:
        found = [Owner(each) for each in sorted({owner.object for owner in found})]
    return found if len(found) <= MAX_OWNERS else []


def _quoted(text: str) -> str:
    line = " ".join(scrub_text(text).split()) or "nothing about it"
    return "".join(sign if sign.isprintable() else shown(sign) for sign in line[:MESSAGE_CHARACTERS])


def _reference(kind: str, resource: Resource) -> ObjectRef:
    if resource.type is ResourceType.SECRET and "/" in resource.name:
        return ObjectRef("Secret", *names.kubernetes_secret(resource.name))
    return ObjectRef(kind, "", resource.name)


def _owners(
    rejected: Resource, last_good: Resource | None, text: str, state: KubeState, traffic: TrafficModel
) -> Iterable[Owner]:
    if rejected.type is ResourceType.LISTENER:
        return _listener_owners(rejected.name, text, traffic)
    owners = [Owner(each) for each in _objects_of(rejected, last_good, text, state, traffic)]
    backend = names.backend(rejected.name) if rejected.type in (ResourceType.CLUSTER, ResourceType.ENDPOINTS) else None
    if backend is None:
        return owners
    ports = [each for each in traffic.ports.values() if backend in each.route.backends]
    return [*owners, *map(_port_owner, ports), *_passed_to(backend, traffic)]


def _listener_owners(name: str, text: str, traffic: TrafficModel) -> list[Owner]:
    if (port := PortKey.named(name)) and (listener := traffic.ports.get(port)):
        return [_port_owner(listener)]
    if (key := ListenerKey.named(name)) and (bound := traffic.bound.get(key)):
        return [Owner(each.object, each.field) for each in owners_of_listener(bound, text)]
    return _passed_owners(text, traffic)


def _port_owner(listener: PortListener) -> Owner:
    return Owner(listener.route.origin.object, listener.route.origin.field)


def _passed_owners(text: str, traffic: Traffic) -> list[Owner]:
    """The Ingresses whose filter chain of the HTTPS listener is in the proxy's message."""
    named = (each.backend for each in traffic.tls.passed if passthrough_name(each.backend) in text)
    return [owner for backend in named for owner in _passed_to(backend, traffic)]


def _passed_to(backend: BackendKey, traffic: Traffic) -> list[Owner]:
    """The Ingresses whose hosts are passed through to a backend."""
    hosts = (host for each in traffic.tls.passed if each.backend == backend for host in each.hosts)
    return [Owner(ObjectRef("Ingress", *traffic.tls.owners[host])) for host in hosts if host in traffic.tls.owners]


def _objects_of(
    rejected: Resource, last_good: Resource | None, text: str, state: KubeState, traffic: TrafficModel
) -> list[ObjectRef]:
    match rejected.type:
        case ResourceType.CLUSTER | ResourceType.ENDPOINTS:
            backend = names.backend(rejected.name)
            return _users_of_cluster(backend, state, traffic) if backend else []
        case ResourceType.SECRET:
            secret = names.kubernetes_secret(rejected.name)
            if rejected.name == names.secret(secret):
                found = state.ingresses_of_secret(secret)
            else:
                found = state.ingresses_of_object(ObjectRef("Secret", *secret))
            return [*(each.ref for each in found), *users_of_secret(rejected.name, traffic)]
        case ResourceType.EXTENSION:
            rates, known = rates_of(rejected.body), rates_of(last_good.body) if last_good else set()
            return [ObjectRef("Ingress", *key) for key in sorted(_users_of_rates(rates - known or rates, traffic))]
        case _:
            return sorted(_owners_of_routes(rejected, last_good, text))


def _users_of_cluster(backend: BackendKey, state: KubeState, traffic: TrafficModel) -> list[ObjectRef]:
    found = [each.ref for each in state.ingresses_of_service(backend.service_key) if _uses(each, backend, traffic)]
    return [*found, *users_of_backend(backend, traffic)]


def _uses(ingress: Ingress, backend: BackendKey, traffic: Traffic) -> bool:
    hosts = {rule.hostname for rule in ingress.spec.rules or ()}
    found = [traffic.hosts[host] for host in hosts if host in traffic.hosts]
    routes = [route for host in found for route in (*host.routes, host.default)]
    return any(route and _forwards(route, ingress, backend) for route in (*routes, traffic.default))


def _forwards(route: Route, ingress: Ingress, backend: BackendKey) -> bool:
    """Whether a route forwards to a backend for an Ingress. A canary's backend is in routes of its primary, too."""
    is_main = route.backend is not None and backend.service_key == route.backend.service_key
    return backend in route.backends and (route.origin.object == ingress.ref or not is_main)


def _users_of_rates(rates: Set[Rate], traffic: Traffic) -> Set[Key]:
    routes = (route for host in traffic.hosts.values() for route in (*host.routes, host.default))
    limits = (route.policy.rate_limits for route in (*routes, traffic.default) if route)
    return {each.zone for each in limits if each and not rates.isdisjoint(each.rates)}


def _owners_of_routes(rejected: Resource, last_good: Resource | None, text: str) -> Set[ObjectRef]:
    """The objects of changed virtual hosts, only of the hosts in the proxy's message if it names hosts."""
    before = {host.SerializeToString(deterministic=True) for host in _virtual_hosts(last_good)} if last_good else set()
    changed = [host for host in _virtual_hosts(rejected) if host.SerializeToString(deterministic=True) not in before]
    named = [host for host in changed if any(domain in text for domain in host.domains if domain != "*")]
    found = (origin_of(route.metadata) for host in named or changed for route in host.routes)
    return set(filter(None, found))


def _virtual_hosts(resource: Resource) -> Iterable[Any]:
    message: Any = codec.upb(codec.decode(resource.type.message, resource.body))
    return message.virtual_hosts if resource.type is ResourceType.ROUTES else [message]
