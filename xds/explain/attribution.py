"""From a resource that proxies rejected to problems of the Kubernetes objects that the resource comes from."""

from collections.abc import Iterable, Set
from typing import Any, Final

from xds.envoyapi import codec
from xds.kube.objects import Ingress
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.resources import names
from xds.resources.filters.rate_limits import rates_of
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.backends import BackendKey
from xds.traffic.model import Traffic
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Route

MAX_OWNERS: Final = 10
"""Ingresses that get a problem for one rejection. With more candidates the problem is the resource's own."""

MESSAGE_CHARACTERS: Final = 400
"""Length of a proxy's message in a problem, at most. `xds proxies` shows more."""

_LISTENER_REMEDY: Final = (
    "If the listener cannot bind, free the port, allow the port (below 1024 needs a capability), or choose another "
    "with --http-port or --https-port; then restart the proxy."
)


def problems(
    rejected: Resource, last_good: Resource | None, said: tuple[str, str], state: KubeState, traffic: Traffic
) -> list[Problem]:
    """A problem for each Ingress that the resource comes from; for the resource itself if no Ingress is known.

    Args:
        rejected: The resource that a NACK blames.
        last_good: The last version that a proxy accepted; None if there is none.
        said: The proxy's message, and the effect of the rejection with a place for the resource's name.
        state: Finds the Ingresses that use a Service or Secret.
        traffic: Finds the routes that use a backend.
    """
    text, effect = said
    kind = rejected.type.message.rpartition(".")[2]
    message = f"{effect.format(f'{kind} {rejected.name}')}; the proxy says {_quoted(text)}"
    remedy = _LISTENER_REMEDY if rejected.type is ResourceType.LISTENER else Reason.REJECTED_BY_PROXY.remedy
    owners = _owners(rejected, last_good, text, state, traffic)
    known = 0 < len(owners) <= MAX_OWNERS
    blamed = [ObjectRef("Ingress", *key) for key in owners] if known else [_reference(kind, rejected)]
    return [Problem(each, Reason.REJECTED_BY_PROXY, message, remedy) for each in blamed]


def _quoted(text: str) -> str:
    line = " ".join(text.split()) or "nothing about it"
    return "".join(sign if sign.isprintable() else shown(sign) for sign in line[:MESSAGE_CHARACTERS])


def _reference(kind: str, resource: Resource) -> ObjectRef:
    if resource.type is ResourceType.SECRET and "/" in resource.name:
        return ObjectRef("Secret", *names.kubernetes_secret(resource.name))
    return ObjectRef(kind, "", resource.name)


def _owners(rejected: Resource, last_good: Resource | None, text: str, state: KubeState, traffic: Traffic) -> list[Key]:
    match rejected.type:
        case ResourceType.CLUSTER | ResourceType.ENDPOINTS:
            return _users_of_cluster(rejected.name, state, traffic)
        case ResourceType.SECRET:
            secret = names.kubernetes_secret(rejected.name)
            if rejected.name == names.secret(secret):
                return [each.key for each in state.ingresses_of_secret(secret)]
            return [each.key for each in state.ingresses_of_object(ObjectRef("Secret", *secret))]
        case ResourceType.EXTENSION:
            rates, known = rates_of(rejected.body), rates_of(last_good.body) if last_good else set()
            return sorted(_users_of_rates(rates - known or rates, traffic))
        case ResourceType.LISTENER:
            return []
        case _:
            return sorted(_owners_of_routes(rejected, last_good, text))


def _key(name: str) -> Key:
    namespace, _, rest = name.partition("/")
    return Key(namespace, rest)


def _users_of_cluster(cluster: str, state: KubeState, traffic: Traffic) -> list[Key]:
    backend = names.backend(cluster)
    if backend is None:
        return []
    return [each.key for each in state.ingresses_of_service(backend.service_key) if _uses(each, backend, traffic)]


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


def _owners_of_routes(rejected: Resource, last_good: Resource | None, text: str) -> Set[Key]:
    """The Ingresses of changed virtual hosts, only of the hosts in the proxy's message if it names hosts."""
    before = {host.SerializeToString(deterministic=True) for host in _virtual_hosts(last_good)} if last_good else set()
    changed = [host for host in _virtual_hosts(rejected) if host.SerializeToString(deterministic=True) not in before]
    named = [host for host in changed if any(domain in text for domain in host.domains if domain != "*")]
    return {_key(found) for host in named or changed for found in _ingresses(host)}


def _virtual_hosts(resource: Resource) -> Iterable[Any]:
    message: Any = codec.upb(codec.decode(resource.type.message, resource.body))
    return message.virtual_hosts if resource.type is ResourceType.ROUTES else [message]


def _ingresses(virtual_host: Any) -> Iterable[str]:
    metadata = (route.metadata.filter_metadata for route in virtual_host.routes)
    namespace = names.METADATA_NAMESPACE
    found = (each[namespace].fields["ingress"].string_value for each in metadata if namespace in each)
    return set(filter(None, found))
