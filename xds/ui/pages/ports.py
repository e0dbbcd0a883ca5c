"""The ports of TCP and UDP that ConfigMaps and Services ask for, and each object with parts that are explained."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page, Query, list_page
from xds.ui.visit import Visit

PAGE_SIZE: Final = 100

STATES: Final[Mapping[str, Callable[[pb.Port], bool]]] = {
    "served": lambda port: port.status == pb.UNIT_STATUS_SERVED and not port.rejecting_proxies,
    "no_endpoints": lambda port: port.status == pb.UNIT_STATUS_NO_ENDPOINTS,
    "not_served": lambda port: port.status not in (pb.UNIT_STATUS_SERVED, pb.UNIT_STATUS_NO_ENDPOINTS),
    "rejected": lambda port: port.rejecting_proxies > 0,
}
"""Choices of the filter."""


async def show(visit: Visit) -> Page:
    query = visit.query
    found = await visit.answers.list_ports(pb.ListPortsRequest())
    return Page("ports.html", "Ports", lambda: view(query, found), "Ports")


async def show_object(visit: Visit) -> Page:
    """The uses of a Service, or the entries of a ConfigMap."""
    kind, namespace, name = visit.names
    reference = pb.ObjectReference(kind=kind, namespace=namespace, name=name)
    found = await visit.costly.why_object(pb.WhyObjectRequest(object=reference))
    return Page("object.html", f"{kind} {namespace}/{name}", lambda: object_view(found, is_port=True), "Ports")


def object_view(found: pb.WhyObjectResponse, *, is_port: bool) -> Mapping[str, Any]:
    return {"found": found, "is_port": is_port, "in_sync": sum(each.in_sync for each in found.proxies)}


def view(query: Query, found: pb.ListPortsResponse) -> Mapping[str, Any]:
    words, state = query["q"].lower().split(), STATES.get(query["state"])
    chosen = [
        each for each in found.ports if all(word in _text(each) for word in words) and (state is None or state(each))
    ]
    shown = list_page(query.number("page"), len(chosen), PAGE_SIZE)
    return {
        "query": query,
        "ports": chosen[shown.start : shown.start + PAGE_SIZE],
        "list_page": shown,
        "total": len(found.ports),
        "kept": {"q": query["q"], "state": query["state"]},
    }


def _text(port: pb.Port) -> str:
    source, service = port.source, port.service
    words = (port.name, port.text, source.kind, source.namespace, source.name, service.namespace, service.name)
    return " ".join(words).lower()
