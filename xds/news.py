"""Logs problems that come and go, without holding anything up: there may be one for each of thousands of Ingresses."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from xds.kube.problem import Problem
from xds.translate.ledger import News

PORTION: Final = 20
"""Lines that are logged at a time."""

_log = structlog.get_logger()


class NewsLog:
    """Lines are logged in the order in which they were put, by `run`."""

    def __init__(self) -> None:
        self._lines: deque[Callable[[], None]] = deque()
        self._filled = asyncio.Event()

    def put(self, news: News) -> None:
        self._lines.extend(partial(_appeared, problem) for problem in news.appeared)
        self._lines.extend(partial(_solved, problem) for problem in news.solved)
        if self._lines:
            self._filled.set()

    async def run(self) -> None:
        """For ever. When it is cancelled, it logs what is left."""
        try:
            while True:
                await self._filled.wait()
                self._log(PORTION)
                if not self._lines:
                    self._filled.clear()
                await asyncio.sleep(0)
        finally:
            self._log(len(self._lines))

    def _log(self, count: int) -> None:
        for _ in range(min(count, len(self._lines))):
            self._lines.popleft()()


def _appeared(problem: Problem) -> None:
    _log.warning("problem", **_facts(problem))


def _solved(problem: Problem) -> None:
    _log.info("problem_solved", **_facts(problem))


def _facts(problem: Problem) -> dict[str, str]:
    facts = {name: getattr(problem, name) for name in ("reason", "message", "remedy", "field", "location")}
    return {"object": str(problem.object), **{name: text for name, text in facts.items() if text}}
