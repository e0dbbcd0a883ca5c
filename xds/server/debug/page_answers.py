"""The costly questions of the page: one at a time, each with a deadline."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.answers import Answers
from xds.server.debug.errors import OverdueError
from xds.server.debug.threads import OneThread

ANSWER_SECONDS: Final = 2.0
"""Longest wait for an answer, with the wait for the questions before."""

_Response = TypeVar("_Response")


class PageAnswers:
    """Answers as `Answers`, in a thread beside that of the debug API.

    An overdue question keeps the thread until its end, and the next questions wait. So no reader of the page piles up
    work.
    """

    def __init__(self, answers: Answers, seconds: float = ANSWER_SECONDS) -> None:
        self._answers = answers
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._thread = OneThread("page")
        self._running: set[asyncio.Task[Any]] = set()

    async def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse:
        return await self._in_time(lambda: self._answers.explain(request, self._thread))

    async def why_ingress(self, request: pb.WhyIngressRequest) -> pb.WhyIngressResponse:
        return await self._in_time(lambda: self._answers.why_ingress(request, self._thread))

    async def why_object(self, request: pb.WhyObjectRequest) -> pb.WhyObjectResponse:
        return await self._in_time(lambda: self._answers.why_object(request, self._thread))

    async def list_ingresses(self, request: pb.ListIngressesRequest) -> pb.ListIngressesResponse:
        return await self._in_time(lambda: self._answers.list_ingresses(request, self._thread))

    def close(self) -> None:
        """Begin no further work in the thread."""
        self._thread.close()

    async def _in_time(self, ask: Callable[[], Coroutine[Any, Any, _Response]]) -> _Response:
        try:
            async with asyncio.timeout(self._seconds):
                await self._turn.acquire()
                task = asyncio.create_task(ask())
                self._running.add(task)
                task.add_done_callback(self._end)
                return await asyncio.shield(task)
        except TimeoutError:
            text = f"the answer takes longer than {self._seconds:g} s: the server is busy; try again in a moment"
            raise OverdueError(text) from None

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._turn.release()
        if not task.cancelled():
            task.exception()  # may be nobody's any more
