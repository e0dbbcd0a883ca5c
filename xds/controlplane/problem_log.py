"""The log of problems that appear and are solved. There may be thousands at once, so other tasks run in between."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from xds.problems.problem import Problem
from xds.problems.registry import ProblemDelta

LOG_LINES_PER_TURN: Final = 20
"""Lines logged before other tasks get a turn."""

_log = structlog.get_logger()


class ProblemLog:
    """Logs deltas in the order of arrival, each sorted by object."""

    def __init__(self) -> None:
        self._deltas: deque[ProblemDelta] = deque()
        self._lines: deque[Callable[[], None]] = deque()
        self._filled = asyncio.Event()

    def put(self, delta: ProblemDelta) -> None:
        if delta.appeared or delta.solved:
            self._deltas.append(delta)
            self._filled.set()

    async def run(self) -> None:
        """Log until cancelled, and log the rest then."""
        try:
            while True:
                await self._filled.wait()
                await self._begin()
                while self._lines:
                    self._log(LOG_LINES_PER_TURN)
                    await asyncio.sleep(0)
        finally:
            for delta in self._deltas:
                self._lines.extend(_lines(delta))
            self._log(len(self._lines))

    async def _begin(self) -> None:
        """Queue the lines of the oldest delta, sorted in a thread if there are many."""
        delta = self._deltas[0]
        is_large = len(delta.appeared) + len(delta.solved) > LOG_LINES_PER_TURN
        lines = await asyncio.to_thread(_lines, delta) if is_large else _lines(delta)
        self._deltas.popleft()
        self._lines.extend(lines)
        if not self._deltas:
            self._filled.clear()

    def _log(self, count: int) -> None:
        for _ in range(min(count, len(self._lines))):
            self._lines.popleft()()


def _lines(delta: ProblemDelta) -> list[Callable[[], None]]:
    appeared, solved = sorted(delta.appeared, key=_rank), sorted(delta.solved, key=_rank)
    return [*(partial(_log_appeared, each) for each in appeared), *(partial(_log_solved, each) for each in solved)]


def _rank(problem: Problem) -> tuple[str, ...]:
    """A sort key with the order of Problem, five times as fast."""
    about = problem.object
    texts = (problem.reason, problem.message, problem.remedy, str(problem.field), problem.location)
    return (about.kind, about.namespace, about.name, *texts)


def _log_appeared(problem: Problem) -> None:
    _log.warning("problem", **_facts(problem))


def _log_solved(problem: Problem) -> None:
    _log.info("problem_solved", **_facts(problem))


def _facts(problem: Problem) -> dict[str, str]:
    facts = {name: str(getattr(problem, name)) for name in ("reason", "message", "remedy", "field", "location")}
    return {"object": str(problem.object), **{name: text for name, text in facts.items() if text}}
