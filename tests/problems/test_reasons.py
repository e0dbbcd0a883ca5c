"""The catalogue of reasons.

Covers: each reason is used, none is written as a string elsewhere, the words are fit for Events and metrics, and
docs/problems.md. Excludes: which input has which reason (tests/translate, tests/kube, tests/sources).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support import problem_table
from xds.problems.reasons import Level, Reason

PACKAGE = Path(__file__).parents[2] / "xds"
CATALOGUE = PACKAGE / "problems/reasons.py"


def nodes() -> Iterator[ast.AST]:
    """The syntax of all modules but the catalogue."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if file != CATALOGUE:
            yield from ast.walk(ast.parse(file.read_text()))


def test_each_reason_is_used() -> None:
    used = {each.attr for each in nodes() if isinstance(each, ast.Attribute)}
    assert {each.name for each in Reason} <= used


def test_no_reason_is_written_as_a_string_elsewhere() -> None:
    strings = {each.value for each in nodes() if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    assert strings.isdisjoint(Reason)


def test_reasons_are_fit_for_events_and_metrics() -> None:
    for each in Reason:
        assert re.fullmatch("[A-Z][A-Za-z]{1,127}", each)


def test_each_reason_has_a_level_a_meaning_and_a_remedy() -> None:
    for each in Reason:
        assert each.level in Level
        assert each.meaning.endswith(".")
        assert each.remedy.endswith(".")


def test_reasons_are_in_the_order_of_their_words() -> None:
    assert list(Reason) == sorted(Reason, key=str.lower)


def test_the_page_is_up_to_date() -> None:
    assert problem_table.PAGE.read_text() == problem_table.text(), "run `make generate`"
