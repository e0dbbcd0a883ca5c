"""Problems in the log: each once, in order, and all of them however it ends."""

import asyncio

import pytest
from structlog.testing import capture_logs

from xds.controlplane.problem_log import PORTION, ProblemLog
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemDelta


def problems(count: int) -> tuple[Problem, ...]:
    about = ObjectRef("Ingress", "default", "web")
    return tuple(
        Problem(about, Reason.PATH_CONFLICT, f"{number:02}", "Correct it.") for number in reversed(range(count))
    )


@pytest.mark.parametrize("turns", [0, 1, 10])
async def test_all_is_logged_in_order(turns: int) -> None:
    """Cancelled before it began to log, in the midst of it, or when it had nothing left to do."""
    log, count = ProblemLog(), 3 * PORTION
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
