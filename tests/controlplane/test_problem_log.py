"""The log of problems: a line for each, sorted, also when the log is cancelled."""

import asyncio

import pytest
from structlog.testing import capture_logs

from xds.controlplane.problem_log import LOG_LINES_PER_TURN, ProblemLog
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemDelta


def problems(count: int) -> tuple[Problem, ...]:
    about = ObjectRef("Ingress", "default", "web")
    return tuple(
        Problem(about, Reason.PATH_CONFLICT, f"{number:02}", "Correct it.") for number in reversed(range(count))
    )


@pytest.mark.parametrize("turns", [0, 1, 10])
async def test_all_problems_are_logged_in_order(turns: int) -> None:
    """The log is cancelled before the first line, between lines, or after the last line."""
    log, count = ProblemLog(), 3 * LOG_LINES_PER_TURN
    with capture_logs() as lines:
        task = asyncio.create_task(log.run())
        await asyncio.sleep(0)
        log.put(ProblemDelta(problems(count), problems(1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [line["message"] for line in lines] == [*(f"{number:02}" for number in range(count)), "00"]
    assert [line["event"] for line in lines] == ["problem"] * count + ["problem_solved"]
