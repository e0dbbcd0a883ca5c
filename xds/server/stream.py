"""One gRPC stream: the protocol session and the state of its writer task."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias
from urllib.parse import unquote

import grpc

from xds.protocol.messages import ProtocolError, Response
from xds.protocol.session import Session
from xds.server.convergence import RevisionProgress, StreamProgress
from xds.snapshot.store import Revision

Clock = Callable[[], float]
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class Stream:
    """A stream and its one writer, the task that creates the stream.

    The writer waits in `next_responses`. It is given responses, or woken to ask the session for some.

    Attributes:
        peer: The proxy's address, e.g. `ipv4:10.0.0.7:51234` or `ipv6:[fd00::7]:51234`.
        node: The proxy's node id; empty before the first request.
        pending_revisions: Revisions that the session has not been updated to yet, oldest first.
        progress: Revisions that the proxy has not answered yet.
        is_ending: Whether the writer ends the stream as soon as it is idle.
        error: The reason to end the stream with; None: OK.
        excess_nacks: NACKs beyond the ACKs so far; never negative.
    """

    __slots__ = (
        "_clock",
        "_loop",
        "_timer",
        "_waiter",
        "_woken",
        "context",
        "error",
        "excess_nacks",
        "is_ending",
        "node",
        "peer",
        "pending_revisions",
        "progress",
        "session",
        "writer",
    )

    def __init__(self, session: Session, context: Context, clock: Clock) -> None:
        writer = asyncio.current_task()
        if writer is None:
            raise RuntimeError("a stream is created outside of a task")
        self.writer = writer
        self.session = session
        self.context = context
        self.peer = unquote(context.peer())
        self.progress = StreamProgress()
        self.node = ""
        self.pending_revisions: list[tuple[Revision, RevisionProgress]] = []
        self.is_ending = False
        self.error: ProtocolError | None = None
        self.excess_nacks = 0
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._woken = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[Sequence[Response]] | None = None

    @property
    def idle(self) -> bool:
        """Whether the writer waits in `next_responses`."""
        return self._waiter is not None

    def next_responses(self) -> asyncio.Future[Sequence[Response]]:
        """Wait for responses to write. An empty result asks the writer to take some from the session."""
        waiter: asyncio.Future[Sequence[Response]] = self._loop.create_future()
        if self._woken:
            self._woken = False
            waiter.set_result(())
        else:
            self.set_timer()
            self._waiter = waiter
        return waiter

    def give(self, responses: Sequence[Response]) -> None:
        """Give an idle writer responses that were just taken from the session."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(responses)

    def wake(self) -> None:
        """Let the writer ask the session: now if idle, else after the current write."""
        if self._waiter is None:
            self._woken = True
        else:
            self.give(())

    def end(self, error: ProtocolError | None = None) -> None:
        """Let the writer end the stream when idle, with the first error given."""
        self.is_ending = True
        self.error = self.error or error
        self.wake()

    def set_timer(self) -> None:
        """Wake the writer at the session's deadline, as time alone can make a response due."""
        if self._timer is not None:
            self.stop_timer()
        deadline = self.session.deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock()), self.wake)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
