"""Each warning and error in the source names its object, cause and remedy, and is in the table of docs/operations.md.

A static check. Excludes the form of lines (tests/test_logs.py) and the occasions (the tests of each package).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from xds.server import own_certificates

PACKAGE: Final = Path(__file__).parents[1] / "xds"
OPERATIONS: Final = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
ROW: Final = re.compile(r"^\| (`.*?`) \| ((?:debug|info|warning|error|critical)[a-z, ]*) \|", re.MULTILINE)

LOUD: Final = ("warning", "error", "exception", "critical", "log")
OBJECTS: Final = {
    *("object", "ingress", "secret", "namespace", "collection", "lease", "watch", "server", "file", "address"),
    *("peer", "node", "thread", "logger"),
}
CAUSES: Final = {"error", "reason", "cause", "message", "exc_info"}

WITHOUT_OBJECT: Final = {
    "descriptors_scarce": "it is about the process",
    "events_dropped": "it is about all objects",
    "reporting_failed": "an error in the program",
    "overview_failed": "an error in the program",
    "check_failed": "an error in the program; nothing of the request may be shown",
    "uncaught_exception": "an error in the program",
    "unraisable_exception": "an error in the program",
    "log_lines_dropped": "it is about the log",
    "problem": "the object is in its facts",
    "*_unavailable": "the object, or the namespace, is in its facts",
}
WITHOUT_REMEDY: Final = {
    "problem": "the remedy is in its facts",
    "library_message": "a library's text is all that is known",
}
WITHOUT_CAUSE: Final = {"problem": "the cause is in its facts"}


class Call(NamedTuple):
    """A call of the log.

    Attributes:
        event: `*` stands for a part that the program computes.
    """

    place: str
    level: str
    event: str
    keys: frozenset[str]


def calls() -> Iterator[Call]:
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name("_log" | "logger"), attr=level), args=[*_, event]):
                    yield _call(f"{file.relative_to(PACKAGE)}:{node.lineno}", level, event, node)
                case ast.Call(func=ast.Name("log"), args=[event, *_]) if file.name == "own_certificates.py":
                    yield _call(f"{file.relative_to(PACKAGE)}:{node.lineno}", "warning", event, node)


def _call(place: str, level: str, event: ast.expr, node: ast.Call) -> Call:
    keys = {each.arg for each in node.keywords if each.arg} | ({"exc_info"} if level == "exception" else set())
    return Call(place, level, _text(event), frozenset(keys))


def _text(event: ast.expr) -> str:
    match event:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
    return "tls_certificate_*"


CALLS: Final = [each for each in calls() if each.level in LOUD]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.place} {call.event}")
def test_a_warning_names_object_cause_and_remedy(call: Call) -> None:
    assert "remedy" in call.keys or call.event in WITHOUT_REMEDY
    assert call.keys & CAUSES or call.event in WITHOUT_CAUSE
    assert call.keys & OBJECTS or call.event in WITHOUT_OBJECT


def test_the_exceptions_are_needed() -> None:
    for exceptions, keys in (
        (WITHOUT_REMEDY, {"remedy"}),
        (WITHOUT_CAUSE, CAUSES),
        (WITHOUT_OBJECT, OBJECTS),
    ):
        assert {each.event for each in CALLS if not each.keys & keys} == set(exceptions)


def documented() -> set[str]:
    return {event for cell, _ in ROW.findall(OPERATIONS) for event in _code(cell)}


def _code(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def expanded(event: str) -> set[str]:
    if event == "tls_certificate_*":
        return set(own_certificates._STATES)
    if event == "*_unavailable":
        subjects = re.compile(r"(?:Outage|FailedWrites(?:\[\w+\])?)\(\s*\"(\w+)\"")
        found = {subject for file in PACKAGE.rglob("*.py") for subject in subjects.findall(file.read_text())}
        return {f"{each}_unavailable" for each in found}
    return {event}


def test_the_table_has_each_warning_and_no_event_that_does_not_exist() -> None:
    loud = set[str]().union(*(expanded(each.event) for each in CALLS))
    quiet = {each.event for each in calls() if each.level not in LOUD}
    assert loud <= documented()
    assert documented() <= loud | quiet
