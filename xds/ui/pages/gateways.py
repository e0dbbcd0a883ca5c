"""The Gateways with addresses, conditions and attached routes, and each object of the Gateway API."""

from collections.abc import Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page, Query, list_page
from xds.ui.pages.ports import object_view
from xds.ui.visit import Visit

PAGE_SIZE: Final = 100
MAX_ROUTES: Final = 20
"""Most routes that a row names."""

STATES: Final[Mapping[str, pb.Acceptance]] = {
    "accepted": pb.ACCEPTANCE_ACCEPTED,
    "partly_accepted": pb.ACCEPTANCE_PARTLY,
    "not_served": pb.ACCEPTANCE_NOT_SERVED,
}
"""Choices of the filter."""


async def show(visit: Visit) -> Page:
    query = visit.query
    found = await visit.answers.list_gateways(pb.ListGatewaysRequest())
    return Page("gateways.html", "Gateways", lambda: view(query, found), "Gateways")


async def show_object(visit: Visit) -> Page:
    """The conditions and parts of an object of the Gateway API; a GatewayClass has no namespace."""
    kind, *namespace, name = visit.names
    reference = pb.ObjectReference(kind=kind, namespace="".join(namespace), name=name)
    found = await visit.costly.why_object(pb.WhyObjectRequest(object=reference))
    title = f"{kind} {'/'.join((*namespace, name))}"
    return Page("object.html", title, lambda: object_view(found, is_port=False), "Gateways")


def view(query: Query, found: pb.ListGatewaysResponse) -> Mapping[str, Any]:
    words, state = query["q"].lower().split(), STATES.get(query["state"])
    chosen = [
        each
        for each in found.gateways
        if state in (None, each.acceptance) and (not words or all(word in _text(each) for word in words))
    ]
    shown = list_page(query.number("page"), len(chosen), PAGE_SIZE)
    return {
        "query": query,
        "gateways": chosen[shown.start : shown.start + PAGE_SIZE],
        "max_routes": MAX_ROUTES,
        "list_page": shown,
        "total": len(found.gateways),
        "kept": {"q": query["q"], "state": query["state"]},
    }


def _text(gateway: pb.GatewaySummary) -> str:
    objects = (word for each in (gateway.gateway, *gateway.routes) for word in (each.kind, each.namespace, each.name))
    reasons = (each.reason for each in gateway.conditions)
    return " ".join((gateway.class_name, *gateway.addresses, *objects, *reasons)).lower()
