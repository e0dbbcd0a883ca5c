"""Writes to streams: a budget for large responses, and an end for writes that a proxy doesn't read."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

import grpc

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.server.stream import Context

WRITE_TIMEOUT_SECONDS: Final = 60.0
"""Longest duration of a write. A proxy that doesn't read loses its stream rather than fills our memory."""

UNREAD_SECONDS: Final = 10.0
"""Duration of a write, or time without an answer, after which the end of a connection is blamed on a proxy that doesn't
read. gRPC ends such a connection after 20 s.
"""

WRITE_CHECK_SECONDS: Final = 1.0
"""Interval between two checks of unfinished writes. A write that takes longer gives its budget back."""

LARGE_WRITE_BYTES: Final = 64 * 1024
"""Smallest response that waits for the budget. Endpoint changes overtake the first responses of new proxies."""

LARGE_WRITES_BUDGET_BYTES: Final = 8 * 1024 * 1024
"""Large responses written at a time. gRPC copies a response for each stream, and keeps the copy until it is sent."""

_Task = asyncio.Task[Any]


class _BegunWrite:
    """A write that begins now, outside of the writer's task, and goes on when the writer awaits. An error is the
    writer's as well.
    """

    def __init__(self, write: Coroutine[Any, Any, None]) -> None:
        self._write = write
        self._waits_for: Any = None
        self._end: BaseException | None = None
        try:
            self._waits_for = write.send(None)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised in the writer
            self._end = error

    def __await__(self) -> Generator[Any, Any, None]:
        """Go on as `yield from` does.

        Source: https://peps.python.org/pep-0380/#formal-semantics
        """
        try:
            if self._end is not None:
                raise self._end
            while True:
                try:
                    result = yield self._waits_for
                except BaseException as error:  # noqa: BLE001 - a cancellation of the writer
                    self._waits_for = self._write.throw(error)
                else:
                    self._waits_for = self._write.send(result)
        except StopIteration:
            return

    def close(self) -> None:
        self._write.close()


class Writes:
    """All unfinished writes, watched by one timer: a timer for each would cost more than most writes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: dict[_Task, float] = {}
        self._begun: dict[_Task, _BegunWrite] = {}
        self._timed_out: set[_Task] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._large: dict[_Task, int] = {}
        self._waiting: deque[tuple[asyncio.Future[None], _Task, int]] = deque()
        self._budget = LARGE_WRITES_BUDGET_BYTES

    def begin(self, task: _Task, context: Context, data: bytes) -> bool:
        """Begin the next write of an idle writer: `write` goes on with it. Returns False for data that need the budget.

        An error is raised in `write`, as it concerns no other stream.
        """
        if len(data) >= LARGE_WRITE_BYTES or task in self._begun:
            return False
        self._note_begin(task)
        self._begun[task] = _BegunWrite(context.write(data))
        return True

    def forget(self, task: _Task) -> None:
        """Drop the write of a writer that ended before it went on."""
        begun = self._begun.pop(task, None)
        if begun is not None:
            begun.close()
            self._began.pop(task, None)

    async def write(self, task: _Task, context: Context, data: bytes) -> None:
        """Write to a stream. The task is the current one: the stream's only writer, and a writer of no other stream.

        Raises:
            ProtocolError: the proxy read nothing for WRITE_TIMEOUT_SECONDS, or for UNREAD_SECONDS when gRPC ended the
                stream.
        """
        try:
            begun = self._begun.pop(task, None)
            if begun is not None:
                await begun
                return
            if len(data) >= LARGE_WRITE_BYTES:
                await self._wait_for_budget(task, len(data))
            self._note_begin(task)
            await context.write(data)
        except (asyncio.CancelledError, grpc.aio.InternalError):
            seconds = self._clock() - self._began.get(task, self._clock())
            # As asyncio.timeout does: https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.uncancel
            is_unread = task in self._timed_out or seconds >= UNREAD_SECONDS
            if is_unread and (not task.cancelling() or task.uncancel() == 0):
                text = f"the proxy read nothing for {seconds:.0f} s"
                raise ProtocolError(ErrorCode.RESOURCE_EXHAUSTED, text) from None
            raise
        finally:
            self._began.pop(task, None)
            self._timed_out.discard(task)
            if task in self._large:
                self._release(task)

    def _note_begin(self, task: _Task) -> None:
        self._began[task] = self._clock()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_CHECK_SECONDS, self._check)

    async def _wait_for_budget(self, task: _Task, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, task, size))
        self._admit()
        await turn

    def _admit(self) -> None:
        """Let large writes begin in the order of arrival. The last one may exceed the rest of the budget."""
        while self._waiting and self._budget > 0:
            turn, task, size = self._waiting.popleft()
            if not turn.cancelled():
                self._large[task] = size
                self._budget -= size
                turn.set_result(None)

    def _release(self, task: _Task) -> None:
        size = self._large.pop(task, 0)
        if size:
            self._budget += size
            self._admit()

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WRITE_CHECK_SECONDS, self._check) if self._began else None
        now = self._clock()
        for task, began in self._began.items():  # oldest first
            if now - began < WRITE_CHECK_SECONDS:
                break
            self._release(task)
            if now - began >= WRITE_TIMEOUT_SECONDS and task not in self._timed_out:
                self._timed_out.add(task)
                task.cancel()
