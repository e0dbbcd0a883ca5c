"""The registry of problems.

Covers: one problem reported by several units, deltas, counts by reason. Excludes: who reports which problem.
"""

from datetime import UTC, datetime, timedelta

from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemDelta, ProblemRegistry

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def problem(name: str) -> Problem:
    return Problem(ObjectRef("Ingress", "default", name), Reason.BACKEND_NOT_FOUND, "it isn't there", "Create it.")


A, B = problem("a"), problem("b")


def test_a_problem_stands_until_the_last_unit_has_solved_the_problem() -> None:
    registry = ProblemRegistry()
    registry.report("one", [A, B])
    registry.report("two", [A])
    assert registry.problems == [A, B]
    registry.report("one", [])
    assert registry.problems == [A]
    registry.report("two", [])
    assert registry.problems == []


def test_a_delta_is_taken_once() -> None:
    registry = ProblemRegistry()
    registry.report("one", [B, A, A])
    delta = registry.take_delta()
    assert (sorted(delta.appeared), delta.solved) == ([A, B], ())
    assert registry.take_delta() == ProblemDelta((), ())
    registry.report("one", [B])
    assert registry.take_delta() == ProblemDelta((), (A,))


def test_a_problem_that_came_and_went_is_in_no_delta() -> None:
    registry = ProblemRegistry()
    registry.report("one", [A])
    registry.report("one", [])
    assert registry.take_delta() == ProblemDelta((), ())
    registry.report("one", [A])
    registry.take_delta()
    registry.report("one", [])
    registry.report("one", [A])
    assert registry.take_delta() == ProblemDelta((), ())


def test_problems_are_counted_by_reason() -> None:
    registry = ProblemRegistry()
    registry.report("one", [A, B])
    registry.report("two", [A])
    assert registry.counts_by_reason == {"BackendNotFound": 2}
    registry.report("one", [])
    assert registry.counts_by_reason == {"BackendNotFound": 1}


def test_problems_are_found_by_object() -> None:
    registry = ProblemRegistry()
    registry.report("one", [B, A])
    assert registry.of([A.object]) == [A]
    assert registry.of([B.object, A.object, A.object]) == [A, B]
    registry.report("one", [])
    assert registry.of([A.object]) == []


def test_a_problem_is_dated_by_the_first_report_since_the_problem_stands() -> None:
    registry = ProblemRegistry()
    registry.set_time(NOW)
    registry.report("one", [A])
    registry.set_time(NOW + timedelta(hours=1))
    registry.report("two", [A, B])
    assert (registry.since(A), registry.since(B)) == (NOW, NOW + timedelta(hours=1))
    registry.report("one", [])
    registry.report("two", [])
    assert registry.since(A) is None
