"""The writes that are going on: how much at once, and the end of those that no proxy makes room for."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import grpc

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.server.stream import Context

WRITE_TIMEOUT: Final = 60.0
"""Seconds that a proxy may take to make room for a response. One that doesn't read loses its stream, not our memory."""

UNREAD: Final = 10.0
"""Seconds of a write, or without an answer, after which a connection that ends does so because nobody read. gRPC gives
that 20 s.
"""

SWEEP: Final = 1.0
"""Seconds between two looks at how long writes have been going on. What took longer stands in no other's way."""

LARGE: Final = 64 * 1024
"""Bytes from which on a response waits for its turn: an endpoint change overtakes what new proxies are fed."""

AT_ONCE: Final = 8 * 1024 * 1024
"""Bytes of large responses that are written at a time. gRPC copies each for each stream until the proxy has it."""

_Task = asyncio.Task[Any]


class Writes:
    """One timer watches over all of them: one for each would cost more than many a write."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: dict[_Task, float] = {}
        self._stuck: set[_Task] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._large: dict[_Task, int] = {}
        self._waiting: deque[tuple[asyncio.Future[None], _Task, int]] = deque()
        self._free = AT_ONCE

    async def write(self, task: _Task, context: Context, data: bytes) -> None:
        """Write to a stream. It belongs to this task, the current one, which has no other.

        Raises:
            ProtocolError: the proxy didn't read for WRITE_TIMEOUT, or for UNREAD when gRPC ended the stream.
        """
        try:
            if len(data) >= LARGE:
                await self._turn(task, len(data))
            self._began[task] = self._clock()
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)
            await context.write(data)
        except (asyncio.CancelledError, grpc.aio.InternalError):
            seconds = self._clock() - self._began.get(task, self._clock())
            # As asyncio.timeout does: https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.uncancel
            if (task in self._stuck or seconds >= UNREAD) and (not task.cancelling() or task.uncancel() == 0):
                text = f"nothing was read for {seconds:.0f} s"
                raise ProtocolError(ErrorCode.RESOURCE_EXHAUSTED, text) from None
            raise
        finally:
            self._began.pop(task, None)
            self._stuck.discard(task)
            if task in self._large:
                self._release(task)

    async def _turn(self, task: _Task, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, task, size))
        self._admit()
        await turn

    def _admit(self) -> None:
        """In the order in which they came; the last may be larger than what is free."""
        while self._waiting and self._free > 0:
            turn, task, size = self._waiting.popleft()
            if not turn.cancelled():
                self._large[task] = size
                self._free -= size
                turn.set_result(None)

    def _release(self, task: _Task) -> None:
        size = self._large.pop(task, 0)
        if size:
            self._free += size
            self._admit()

    def _sweep(self) -> None:
        """The oldest come first."""
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep) if self._began else None
        now = self._clock()
        for task, began in self._began.items():
            if now - began < SWEEP:
                break
            self._release(task)
            if now - began >= WRITE_TIMEOUT and task not in self._stuck:
                self._stuck.add(task)
                task.cancel()
