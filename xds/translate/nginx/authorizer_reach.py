"""The Services that no authorizer may be, and the methods with which Services of other namespaces may be asked.

An Ingress has proxies send requests of its choice from within the cluster. So no Ingress may have them sent to the API
server, to the control plane or to the proxies, nor change anything of another namespace.
"""

from collections.abc import Iterator
from typing import Final

from xds.address import is_ip
from xds.kube.objects import Service
from xds.problems.problem import Key
from xds.traffic.authorizer import Authorizer
from xds.translate.nginx.authorizer_url import HOST_VARIABLES, service_of
from xds.translate.nginx.named_objects import NamedObjects

API_SERVER: Final = Key("default", "kubernetes")
"""Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""

PART_OF: Final = "app.kubernetes.io/part-of"
OURS: Final = "xds-ingress"

_READING: Final = ("", "GET", "HEAD", "POST")
"""Methods of questions to other namespaces. Other ones change things, and no authorizer needs them."""


def asked_service(host: str, objects: NamedObjects) -> Key | None:
    """The Service that a host names; None for an outside host.

    A name of two labels is a Service's if there is one: the search domains of a proxy's resolver would find it.
    """
    if found := service_of(host):
        return found
    name, _, namespace = host.partition(".")
    key = Key(namespace, name)
    return key if "." not in namespace and (key == API_SERVER or objects.state.service(key)) else None


def why_out_of_reach(asked: Authorizer, objects: NamedObjects) -> str:
    """Why an Ingress can't have an authorizer; empty for a host in reach, and for one that each request decides."""
    return "" if asked.url.host in HOST_VARIABLES else why_host_out_of_reach(asked.url.host, asked.method, objects)


def why_host_out_of_reach(host: str, method: str, objects: NamedObjects) -> str:
    """Why no proxy asks a host by a method; empty for a host that may be asked."""
    for service in _services_of(host, objects):
        if why := why_never_asked(service, objects) or why_not_by(method, service, objects.namespace):
            return why
    return f"{host} is an address of the API server, or our own" if is_ip(host) and _is_ours(host, objects) else ""


def _services_of(host: str, objects: NamedObjects) -> Iterator[Key]:
    """The Services behind a host: the one with the name, or those of endpoints with names of their own.

    Source: https://github.com/kubernetes/dns/blob/master/docs/specification.md
    """
    if service := asked_service(host, objects):
        yield service
    labels = host.split(".")
    for at, label in enumerate(labels):
        if label == "svc" and at > 2:
            yield Key(labels[at - 1], labels[at - 2])


def why_never_asked(service: Key, objects: NamedObjects) -> str:
    """Why nobody may have a Service asked; empty for one that may be."""
    if service == API_SERVER:
        return "the API server is never asked"
    found = objects.state.service(service)
    if service == objects.published or (found and _is_part_of_ours(found)):
        return f"Service {service} is a part of {OURS}, and is never asked"
    return ""


def why_not_by(method: str, service: Key, namespace: str) -> str:
    """Why a method can't be used for a Service; empty for one that can."""
    if service.namespace == namespace or method in _READING:
        return ""
    return f"Service {service} of another namespace can't be asked by {method}"


def _is_part_of_ours(service: Service) -> bool:
    return (service.metadata.labels or {}).get(PART_OF) == OURS


def _is_ours(address: str, objects: NamedObjects) -> bool:
    """Whether an address is that of a Service that nobody may have asked, or of one of its endpoints."""
    state = objects.state
    ours = [each for each in state.services() if why_never_asked(each.key, objects)]
    slices = (each for key in (API_SERVER, *(each.key for each in ours)) for each in state.slices(key))
    endpoints = (endpoint for each in slices for endpoint in each.endpoints or ())
    return any(each.spec.cluster_ip == address for each in ours) or any(
        address in (endpoint.addresses or ()) for endpoint in endpoints
    )
