"""From a resource that proxies refused to the Kubernetes objects that it is made of, and to what is said of them."""

from collections.abc import Iterable, Set
from typing import Any, Final

from xds.envoyapi import codec
from xds.kube.objects import Ingress
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.resources import names
from xds.snapshot.resource import Resource, ResourceType
from xds.traffic.model import BackendKey
from xds.traffic.traffic import Traffic

MOST: Final = 10
"""Objects that are told of one refusal. Where it may be any of more, it is told of the resource itself."""

WORDS: Final = 400
"""Characters of a proxy's words in a problem; `xds proxies` has more of them."""

_LISTENER_REMEDY: Final = (
    "If it cannot bind, free the port, allow it (below 1024 that takes a right), or choose another with --http-port or "
    "--https-port; then restart the proxy."
)


def problems(
    refused: Resource, good: Resource | None, said: tuple[str, str], state: KubeState, traffic: Traffic
) -> list[Problem]:
    """The problem of each object that the refused resource is made of; its own if none is known.

    `good` is the last version that was accepted; `said` the proxy's words, and what the refusal leads to.
    """
    words, effect = said
    kind = refused.type.message.rpartition(".")[2]
    message = f"{effect.format(f'{kind} {refused.name}')}; the proxy says {_quoted(words)}"
    remedy = _LISTENER_REMEDY if refused.type is ResourceType.LISTENER else Reason.REJECTED_BY_PROXY.remedy
    owners = _owners(refused, good, words, state, traffic)
    about = [ObjectRef("Ingress", *key) for key in owners] if 0 < len(owners) <= MOST else [_itself(kind, refused)]
    return [Problem(each, Reason.REJECTED_BY_PROXY, message, remedy) for each in about]


def _quoted(words: str) -> str:
    text = " ".join(words.split()) or "nothing about it"
    return "".join(sign if sign.isprintable() else shown(sign) for sign in text[:WORDS])


def _itself(kind: str, resource: Resource) -> ObjectRef:
    if resource.type is ResourceType.SECRET and resource.name.count("/") == 1:
        return ObjectRef("Secret", *resource.name.split("/"))
    return ObjectRef(kind, "", resource.name)


def _owners(refused: Resource, good: Resource | None, words: str, state: KubeState, traffic: Traffic) -> list[Key]:
    match refused.type:
        case ResourceType.CLUSTER | ResourceType.ENDPOINTS:
            return _using(refused.name, state, traffic)
        case ResourceType.SECRET:
            return [each.key for each in state.ingresses_of_secret(_key(refused.name))]
        case ResourceType.LISTENER:
            return []
        case _:
            return sorted(_of_routes(refused, good, words))


def _key(name: str) -> Key:
    namespace, _, rest = name.partition("/")
    return Key(namespace, rest)


def _using(cluster: str, state: KubeState, traffic: Traffic) -> list[Key]:
    """The Ingresses whose routes use a cluster."""
    namespace, service, port = cluster.split("/") if cluster.count("/") == 2 else ("", "", "")
    if not port.isdecimal():
        return []
    backend = BackendKey(namespace, service, int(port))
    return [each.key for each in state.ingresses_of_service(backend.service_key) if _uses(each, backend, traffic)]


def _uses(ingress: Ingress, backend: BackendKey, traffic: Traffic) -> bool:
    hosts = {rule.hostname for rule in ingress.spec.rules or ()}
    found = [traffic.hosts[host] for host in hosts if host in traffic.hosts]
    routes = [route for host in found for route in (*host.routes, host.default)]
    return any(
        route and (route.backend, route.ingress) == (backend, ingress.key) for route in (*routes, traffic.default)
    )


def _of_routes(refused: Resource, good: Resource | None, words: str) -> Set[Key]:
    """The Ingresses of the virtual hosts that are new or changed: of these, of those that the words name, if any."""
    before = {host.SerializeToString(deterministic=True) for host in _virtual_hosts(good)} if good else set()
    changed = [host for host in _virtual_hosts(refused) if host.SerializeToString(deterministic=True) not in before]
    blamed = [host for host in changed if any(domain in words for domain in host.domains if domain != "*")]
    return {_key(found) for host in blamed or changed for found in _ingresses(host)}


def _virtual_hosts(resource: Resource) -> Iterable[Any]:
    message: Any = codec.upb(codec.decode(resource.type.message, resource.body))
    return message.virtual_hosts if resource.type is ResourceType.ROUTES else [message]


def _ingresses(host: Any) -> Iterable[str]:
    metadata = (route.metadata.filter_metadata for route in host.routes)
    return {each[names.METADATA].fields["ingress"].string_value for each in metadata if names.METADATA in each}
