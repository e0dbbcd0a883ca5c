"""Computes slow hashes for checks, one for those that ask the same, and gives up in time for Envoy."""

import asyncio
import time
from enum import Enum
from functools import partial
from typing import Final

from xds.authz.answers import Answers
from xds.authz.hashes import slow_kind
from xds.authz.metrics import Figures
from xds.authz.overload_log import OverloadLog
from xds.authz.waiting import Check, WaitingChecks
from xds.authz.workers import WorkerError, Workers

MAX_WAIT_SECONDS: Final = 2.5
"""Longest time for a check to wait. With MAX_HASH_SECONDS it is below the 5 s that Envoy waits for an answer."""

MAX_HASH_SECONDS: Final = 2.3
"""Longest time for a hash: bcrypt of cost 14 on an idle machine. A longer one is abandoned."""


class Outcome(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    OVERLOADED = "overloaded"
    FAILED = "failed"


class SlowChecks:
    """Waiting and running checks, and the cache of their answers.

    Args:
        slots: Most hashes at once.
    """

    def __init__(self, slots: int, workers: Workers, answers: Answers, figures: Figures, log: OverloadLog) -> None:
        self._waiting = WaitingChecks(slots)
        self._workers = workers
        self._answers = answers
        self._figures = figures
        self._log = log
        self._shared: dict[bytes, asyncio.Future[Outcome]] = {}
        self._running: set[asyncio.Task[None]] = set()
        figures.slots = slots
        figures.answers = answers.__len__
        figures.waiting = lambda: self._waiting.waiting
        figures.running = lambda: self._waiting.running

    def outcome(self, check: Check) -> Outcome | asyncio.Future[Outcome]:
        """The outcome of a check, or of one with the same key that waits or runs already. Nobody may cancel it."""
        shared = self._shared.get(check.key)
        if shared is None:
            if not self._waiting.put(check):
                self._log.note(check.ingress, "too many checks wait")
                return Outcome.OVERLOADED
            loop = asyncio.get_running_loop()
            shared = self._shared[check.key] = loop.create_future()
            loop.call_later(MAX_WAIT_SECONDS, self._give_up, check)
            self._start()
        return shared

    async def stop(self) -> None:
        """End running checks, and the workers."""
        while self._running:  # the end of a task starts a waiting check
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        await self._workers.stop()

    def _start(self) -> None:
        for check in self._waiting.take():
            task = asyncio.create_task(self._run(check))
            self._running.add(task)
            task.add_done_callback(partial(self._ended, check))

    def _ended(self, check: Check, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._waiting.end(check)
        self._start()

    async def _run(self, check: Check) -> None:
        outcome = Outcome.FAILED
        began = time.perf_counter()
        try:
            right = await self._workers.matches(check.hash, check.password, MAX_HASH_SECONDS)
            right = right and bool(check.user)
            self._answers.put(check.key, right=right)
            outcome = Outcome.RIGHT if right else Outcome.WRONG
        except TimeoutError:
            self._log.note(check.ingress, f"a hash takes longer than {MAX_HASH_SECONDS} s: choose a lower cost")
        except WorkerError as error:
            self._log.note(check.ingress, str(error))
        finally:
            self._figures.note_hash(slow_kind(check.hash) or "", time.perf_counter() - began)
            self._settle(check, outcome)

    def _give_up(self, check: Check) -> None:
        if self._waiting.withdraw(check):
            self._log.note(check.ingress, f"a check waited for {MAX_WAIT_SECONDS} s")
            self._settle(check, Outcome.OVERLOADED)

    def _settle(self, check: Check, outcome: Outcome) -> None:
        shared = self._shared.pop(check.key, None)
        if shared is not None and not shared.done():
            shared.set_result(outcome)
