"""The form that explains the answer to a request."""

from collections.abc import Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.problems.text import shown
from xds.server.debug.brief import shown_routes
from xds.server.debug.errors import InvalidRequestError
from xds.ui.page import Page, Query
from xds.ui.visit import Visit
from xds.ui.words import answer

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def show(visit: Visit) -> Page:
    query = visit.query
    if not query["url"]:
        return Page("explain.html", "Explain", lambda: view(query, None), "Explain")
    try:
        asked = request(query)
        found = await visit.costly.explain(asked)
    except InvalidRequestError as error:
        fault = str(error)
        return Page("explain.html", "Explain", lambda: view(query, None, fault), "Explain", status=400)
    return Page("explain.html", "Explain", lambda: view(query, found), "Explain")


def request(query: Query) -> pb.ExplainRequest:
    """The request that the form asks about.

    Raises:
        InvalidRequestError: a line of the headers is none.
    """
    headers = []
    for line in query["headers"].splitlines():
        name, colon, value = line.partition(":")
        if not colon and line.strip():
            raise InvalidRequestError(f"{shown(line)} is no header; write a line such as Host: other.example.com")
        if colon:
            headers.append(pb.Header(name=name.strip(), value=value.strip()))
    return pb.ExplainRequest(url=query["url"], method=query["method"] or "GET", headers=headers, source=query["source"])


def view(query: Query, found: pb.ExplainResponse | None, fault: str = "") -> Mapping[str, Any]:
    steps = [(step, *shown_routes(step.routes)) for step in found.steps] if found else []
    return {
        "query": query,
        "found": found,
        "outcome": outcome(found) if found else "",
        "fault": fault,
        "methods": METHODS,
        "steps": steps,
        "in_sync": sum(each.in_sync for each in found.proxies) if found else 0,
    }


def outcome(found: pb.ExplainResponse) -> str:
    """The outcome without the status, or the end, which stands before."""
    text = found.outcome
    return text.removeprefix(answer(found).word).lstrip(":, ") or text
