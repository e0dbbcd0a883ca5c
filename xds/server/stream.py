"""One gRPC stream: its session, and what its writer waits for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import grpc

from xds.protocol.messages import ProtocolError, Response
from xds.protocol.session import Session
from xds.server.convergence import RevisionProgress, StreamProgress
from xds.snapshot.store import Revision

Clock = Callable[[], float]
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class Stream:
    """A stream has one writer, the task that makes it. It waits here for its turn, and then asks the session for what
    is to be sent if that isn't handed to it. `untold` are the revisions of which the session doesn't know yet.
    """

    __slots__ = (
        "_called",
        "_clock",
        "_loop",
        "_timer",
        "_waiter",
        "context",
        "error",
        "lag",
        "node",
        "over",
        "peer",
        "session",
        "untold",
        "writer",
    )

    def __init__(self, session: Session, context: Context, clock: Clock) -> None:
        writer = asyncio.current_task()
        if writer is None:
            raise RuntimeError("a stream is made outside of a task")
        self.writer = writer
        self.session = session
        self.context = context
        self.peer = str(context.peer())
        self.lag = StreamProgress()
        self.node = ""
        self.untold: list[tuple[Revision, RevisionProgress]] = []
        self.over = False
        self.error: ProtocolError | None = None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._called = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[Sequence[Response]] | None = None

    @property
    def idle(self) -> bool:
        """Whether the writer waits for its turn."""
        return self._waiter is not None

    def turn(self) -> asyncio.Future[Sequence[Response]]:
        """Wait for what is to be sent; nothing, if the session is to be asked."""
        turn: asyncio.Future[Sequence[Response]] = self._loop.create_future()
        if self._called:
            self._called = False
            turn.set_result(())
        else:
            self.set_timer()
            self._waiter = turn
        return turn

    def hand(self, responses: Sequence[Response]) -> None:
        """Give an idle writer what the session was just asked for."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(responses)

    def wake(self) -> None:
        """Let the writer ask the session: now if it is idle, else when it has written what it is at."""
        if self._waiter is None:
            self._called = True
        else:
            self.hand(())

    def end(self, error: ProtocolError | None = None) -> None:
        """Let the writer end when it is idle, with the error if there is one."""
        self.over = True
        self.error = self.error or error
        self.wake()

    def set_timer(self) -> None:
        """Have the writer woken when the session may have something to say though nothing happens."""
        if self._timer is not None:
            self.stop_timer()
        deadline = self.session.deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock()), self.wake)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
