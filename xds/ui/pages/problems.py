"""The problems with their remedies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page, Query, list_page
from xds.ui.text import object_text
from xds.ui.visit import Visit

PAGE_SIZE: Final = 50

LEVELS: Final = {"error": pb.LEVEL_ERROR, "warning": pb.LEVEL_WARNING}


async def show(visit: Visit) -> Page:
    query = visit.query
    found = await visit.answers.list_problems(pb.ListProblemsRequest())
    return Page("problems.html", "Problems", lambda: view(query, found.problems), "Problems")


def view(query: Query, problems: Sequence[pb.Problem]) -> Mapping[str, Any]:
    chosen = [each for each in problems if matches(query, each)]
    shown = list_page(query.number("page"), len(chosen), PAGE_SIZE)
    return {
        "query": query,
        "problems": chosen[shown.start : shown.start + PAGE_SIZE],
        "list_page": shown,
        "total": len(problems),
        "reasons": sorted(Counter(each.reason for each in problems).items()),
        "levels": Counter(each.level for each in chosen),
        "kept": {name: query[name] for name in ("reason", "level", "object")},
    }


def matches(query: Query, problem: pb.Problem) -> bool:
    """Whether a problem passes the filters. The filter of objects is a part of `KIND NAMESPACE/NAME`, in any case."""
    level = LEVELS.get(query["level"])
    return (
        (not query["reason"] or problem.reason == query["reason"])
        and (level is None or problem.level == level)
        and query["object"].lower() in object_text(problem.object).lower()
    )
