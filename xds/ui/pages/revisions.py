"""The last revisions, and the difference that each made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page
from xds.ui.visit import Visit

MAX_CHANGES: Final = 50
"""Most changes shown of a revision: as many as one message of the debug API has, so that no other is rendered."""

MAX_FIELDS: Final = 60
"""Changed fields of a resource that are shown, at most."""

MAX_VALUE_CHARACTERS: Final = 300

MAX_DEPTH: Final = 40
"""Levels of a resource that are compared field by field; deeper values are compared as a whole."""


class Field(NamedTuple):
    """A field before and after; None: absent."""

    path: str
    old: str | None
    new: str | None


class Change(NamedTuple):
    """A changed resource.

    Attributes:
        fields: The first of the changed fields.
        more: The number of further fields.
    """

    change: pb.ResourceChange
    fields: list[Field]
    more: int


async def show(visit: Visit) -> Page:
    found = await visit.answers.list_revisions(pb.ListRevisionsRequest())
    return Page("revisions.html", "Revisions", lambda: {"revisions": found.revisions}, "Revisions")


async def show_one(visit: Visit) -> Page:
    number = _number(visit.names[0])
    revisions = await visit.answers.list_revisions(pb.ListRevisionsRequest())
    summary = next((each for each in revisions.revisions if each.revision.number == number), None)
    if summary is None:
        return Page("revision.html", f"Revision {number}", lambda: absent(number, revisions), "Revisions", status=404)
    asked = pb.DiffSnapshotsRequest(from_revision=number - 1, to_revision=number, view=pb.RESOURCE_VIEW_FULL)
    changes: list[pb.ResourceChange] = []
    async for response in visit.answers.diff_snapshots(asked):
        changes.extend(response.changes)
        if len(changes) >= MAX_CHANGES:
            break
    return Page("revision.html", f"Revision {number}", lambda: view(summary, changes, revisions), "Revisions")


def view(
    summary: pb.RevisionSummary, changes: Sequence[pb.ResourceChange], kept: pb.ListRevisionsResponse
) -> Mapping[str, Any]:
    shown = changes[:MAX_CHANGES]
    total = sum(each.added + each.changed + each.removed for each in summary.changes)
    return {
        "number": summary.revision.number,
        "summary": summary,
        "changed": [compared(each) for each in shown if each.HasField("old") and each.HasField("new")],
        "others": [each for each in shown if not (each.HasField("old") and each.HasField("new"))],
        "more": max(total - MAX_CHANGES, 0),
        **_neighbours(summary.revision.number, kept),
    }


def absent(number: int, kept: pb.ListRevisionsResponse) -> Mapping[str, Any]:
    """The variables of a revision that the history does not have."""
    return {"number": number, "summary": None, "changed": [], "others": [], "more": 0, **_neighbours(number, kept)}


def _neighbours(number: int, kept: pb.ListRevisionsResponse) -> Mapping[str, Any]:
    numbers = {each.revision.number for each in kept.revisions}
    return {
        "older": number - 1 if number - 1 in numbers else None,
        "newer": number + 1 if number + 1 in numbers else None,
        "reach": (min(numbers), max(numbers)) if numbers else None,
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def compared(change: pb.ResourceChange) -> Change:
    """A change with its fields."""
    old, new = _content(change, "old"), _content(change, "new")
    fields = list(differences(old, new)) if old is not None and new is not None else []
    return Change(change, fields[:MAX_FIELDS], max(len(fields) - MAX_FIELDS, 0))


def _content(change: pb.ResourceChange, side: str) -> Any:
    resource = getattr(change, side)
    return json.loads(resource.json) if change.HasField(side) and resource.json else None


def differences(old: Any, new: Any, path: str = "", depth: int = 0) -> Iterator[Field]:
    """The fields that differ, in the order of the older resource. Elements of lists are compared by place, without the
    equal elements at the beginning and at the end.
    """
    if old == new:
        return
    if depth < MAX_DEPTH and isinstance(old, dict) and isinstance(new, dict):
        for key in (*old, *(each for each in new if each not in old)):
            yield from _side(old, new, key, f"{path}.{key}" if path else str(key), depth)
    elif depth < MAX_DEPTH and isinstance(old, list) and isinstance(new, list):
        yield from _elements(old, new, path, depth)
    else:
        yield Field(path, _text(old), _text(new))


def _side(old: Mapping[str, Any], new: Mapping[str, Any], key: str, path: str, depth: int) -> Iterator[Field]:
    if key not in new:
        yield Field(path, _text(old[key]), None)
    elif key not in old:
        yield Field(path, None, _text(new[key]))
    else:
        yield from differences(old[key], new[key], path, depth + 1)


def _elements(old: list[Any], new: list[Any], path: str, depth: int) -> Iterator[Field]:
    begin, shorter = 0, min(len(old), len(new))
    while begin < shorter and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    before, after = old[begin : len(old) - end], new[begin : len(new) - end]
    for place in range(max(len(before), len(after))):
        at = f"{path}[{begin + place}]"
        if place >= len(after):
            yield Field(at, _text(before[place]), None)
        elif place >= len(before):
            yield Field(at, None, _text(after[place]))
        else:
            yield from differences(before[place], after[place], at, depth + 1)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
