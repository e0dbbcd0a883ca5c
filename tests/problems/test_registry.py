"""The ledger of problems.

Covers: one problem found by several units, what is news, and what came and went in between.
Excludes: where problems come from.
"""

from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemDelta, ProblemRegistry


def problem(name: str) -> Problem:
    return Problem(ObjectRef("Ingress", "default", name), Reason.BACKEND_NOT_FOUND, "it isn't there", "Create it.")


A, B = problem("a"), problem("b")


def test_a_problem_stays_until_the_last_unit_has_solved_it() -> None:
    ledger = ProblemRegistry()
    ledger.report("one", [A, B])
    ledger.report("two", [A])
    assert ledger.problems == [A, B]
    ledger.report("one", [])
    assert ledger.problems == [A]
    ledger.report("two", [])
    assert ledger.problems == []


def test_news_are_told_once() -> None:
    ledger = ProblemRegistry()
    ledger.report("one", [B, A, A])
    news = ledger.take_news()
    assert (sorted(news.appeared), news.solved) == ([A, B], ())
    assert ledger.take_news() == ProblemDelta((), ())
    ledger.report("one", [B])
    assert ledger.take_news() == ProblemDelta((), (A,))


def test_what_came_and_went_is_no_news() -> None:
    ledger = ProblemRegistry()
    ledger.report("one", [A])
    ledger.report("one", [])
    assert ledger.take_news() == ProblemDelta((), ())
    ledger.report("one", [A])
    ledger.take_news()
    ledger.report("one", [])
    ledger.report("one", [A])
    assert ledger.take_news() == ProblemDelta((), ())


def test_problems_are_counted_by_reason() -> None:
    ledger = ProblemRegistry()
    ledger.report("one", [A, B])
    ledger.report("two", [A])
    assert ledger.reasons == {"BackendNotFound": 2}
    ledger.report("one", [])
    assert ledger.reasons == {"BackendNotFound": 1}
