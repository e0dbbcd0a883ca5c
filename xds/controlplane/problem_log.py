"""Logs problems that come and go, without holding anything up: there may be one for each of thousands of Ingresses."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from xds.problems.problem import Problem
from xds.problems.registry import ProblemDelta

PORTION: Final = 20
"""Lines that are logged at a time."""

_log = structlog.get_logger()


class ProblemLog:
    """News are logged one after the other, by `run`; each in the order of objects."""

    def __init__(self) -> None:
        self._news: deque[ProblemDelta] = deque()
        self._lines: deque[Callable[[], None]] = deque()
        self._filled = asyncio.Event()

    def put(self, news: ProblemDelta) -> None:
        if news.appeared or news.solved:
            self._news.append(news)
            self._filled.set()

    async def run(self) -> None:
        """For ever. When it is cancelled, it logs what is left."""
        try:
            while True:
                await self._filled.wait()
                await self._begin()
                while self._lines:
                    self._log(PORTION)
                    await asyncio.sleep(0)
        finally:
            for news in self._news:
                self._lines.extend(_lines(news))
            self._log(len(self._lines))

    async def _begin(self) -> None:
        """With the oldest. Those of thousands of problems take long to be sorted."""
        news = self._news[0]
        many = len(news.appeared) + len(news.solved) > PORTION
        lines = await asyncio.to_thread(_lines, news) if many else _lines(news)
        self._news.popleft()
        self._lines.extend(lines)
        if not self._news:
            self._filled.clear()

    def _log(self, count: int) -> None:
        for _ in range(min(count, len(self._lines))):
            self._lines.popleft()()


def _lines(news: ProblemDelta) -> list[Callable[[], None]]:
    appeared, solved = sorted(news.appeared, key=_rank), sorted(news.solved, key=_rank)
    return [*(partial(_appeared, each) for each in appeared), *(partial(_solved, each) for each in solved)]


def _rank(problem: Problem) -> tuple[str, ...]:
    """Sorts as the problem itself does, in a fifth of the time."""
    about = problem.object
    words = (problem.reason, problem.message, problem.remedy, str(problem.field), problem.location)
    return (about.kind, about.namespace, about.name, *words)


def _appeared(problem: Problem) -> None:
    _log.warning("problem", **_facts(problem))


def _solved(problem: Problem) -> None:
    _log.info("problem_solved", **_facts(problem))


def _facts(problem: Problem) -> dict[str, str]:
    facts = {name: str(getattr(problem, name)) for name in ("reason", "message", "remedy", "field", "location")}
    return {"object": str(problem.object), **{name: text for name, text in facts.items() if text}}
