"""The list of Ingresses: searched and paged by the debug API."""

from collections.abc import Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page, Query, list_page
from xds.ui.visit import Visit

PAGE_SIZE: Final = 50

STATES: Final = {
    "accepted": ("accepted", pb.ACCEPTANCE_ACCEPTED),
    "partly_accepted": ("partly accepted", pb.ACCEPTANCE_PARTLY),
    "not_served": ("not served", pb.ACCEPTANCE_NOT_SERVED),
    "not_ours": ("not ours", pb.ACCEPTANCE_NOT_OURS),
    "no_endpoints": ("without endpoints", None),
    "problems": ("with problems", None),
}
"""Values of the filter, as of `xds ingresses --state`: word and acceptance; None: another field of the request."""

ORDERS: Final = {
    "": ("name", pb.INGRESS_ORDER_UNSPECIFIED),
    "worst": ("most to do first", pb.INGRESS_ORDER_WORST),
    "newest": ("newest first", pb.INGRESS_ORDER_NEWEST),
}


async def show(visit: Visit) -> Page:
    query, number = visit.query, visit.query.number("page")
    asked = request(query, number)
    found = await visit.costly.list_ingresses(asked)
    if not found.ingresses and found.total:
        number = list_page(number, found.total, PAGE_SIZE).number
        asked = request(query, number)
        found = await visit.costly.list_ingresses(asked)
    return Page("ingresses.html", "Ingresses", lambda: view(query, number, found), "Ingresses")


def request(query: Query, number: int) -> pb.ListIngressesRequest:
    """The request for a page of the list, from 1. Unknown states and orders count as none."""
    state = STATES.get(query["state"])
    return pb.ListIngressesRequest(
        namespace=query["namespace"],
        host=query["host"],
        states=[state[1]] if state and state[1] is not None else [],
        text=query["q"],
        without_endpoints=query["state"] == "no_endpoints",
        with_problems=query["state"] == "problems",
        order=ORDERS.get(query["order"], ORDERS[""])[1],
        page_size=PAGE_SIZE,
        skip=(number - 1) * PAGE_SIZE,
    )


def view(query: Query, number: int, found: pb.ListIngressesResponse) -> Mapping[str, Any]:
    return {
        "query": query,
        "found": found,
        "list_page": list_page(number, found.total, PAGE_SIZE),
        "states": STATES,
        "orders": ORDERS,
        "filtered": any(query[name] for name in ("q", "namespace", "host", "state")),
        "kept": {name: query[name] for name in ("q", "namespace", "host", "state", "order")},
    }
