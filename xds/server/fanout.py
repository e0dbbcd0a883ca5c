"""Fan-out: revisions are pushed to the streams whose subscriptions cover a change.

A small revision, such as one endpoint change, is pushed to all its streams in one go, beginning with a random one. The
first writes begin at once: a look at a thousand sessions takes 30 ms. A large revision, or a stage of a large commit,
takes a thousand streams too long for one go: its streams are queued, and pushed to in slices of PUSH_SLICE_SECONDS, so
that endpoint changes and requests come in between.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from random import randrange
from typing import Final, TypeVar

from xds.protocol.fleet import BuildFleet, Fleet
from xds.protocol.messages import Response, Variant
from xds.server.convergence import Convergence, RevisionProgress
from xds.server.debounce import EndpointDebounce
from xds.server.encoding import LARGE_RESPONSE_RESOURCES, PausingEncoder
from xds.server.stream import Clock, Stream
from xds.server.subscribers import SubscriberIndex
from xds.server.writes import Writes
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision

LARGE_REVISION_CHANGES: Final = 500
"""Smallest number of changes that takes milliseconds for a stream, and is pushed to one stream after the other."""

PUSH_SLICE_SECONDS: Final = 0.002
"""Longest time of pushing to queued streams without a pause."""

PROMPT_WRITES: Final = 32
"""Writes that begin during a push. With 200 of 1,000 streams, or all, CPU grows and the last stream comes later."""

_T = TypeVar("_T")


class Fanout:
    """Pushes revisions to streams.

    A session makes responses from the store as it is, so each session is updated to every revision before it is used
    for anything else: a queued stream has to `catch_up` first.

    Args:
        streams: All open streams.
        convergence: Measures each push.
        debounce: Notes each push.
        clock: Seconds, monotonic: the clock of the store's revisions.

    Attributes:
        queued: Streams with pending revisions or with routing that was held back, in the order of their turn.
    """

    def __init__(
        self,
        streams: Collection[Stream],
        fleet: Fleet,
        encoder: PausingEncoder,
        convergence: Convergence,
        debounce: EndpointDebounce,
        *,
        writes: Writes,
        clock: Clock,
    ) -> None:
        self._streams = streams
        self._fleet = fleet
        self._encoder = encoder
        self._writes = writes
        self._convergence = convergence
        self._debounce = debounce
        self._clock = clock
        self._subscribers: dict[tuple[BuildFleet, Variant], SubscriberIndex[Stream]] = {}
        self._is_scheduled = False
        self._was_unfinished = False
        self.queued: dict[Stream, None] = {}

    def publish(self, revision: Revision) -> None:
        """Push a revision of the wanted snapshot, without versions on trial."""
        was_unfinished, self._was_unfinished = self._was_unfinished, revision.unfinished
        served = self._fleet.follow(revision)
        if was_unfinished or revision.unfinished:
            self._encode_ahead(revision)
        if was_unfinished and not revision.unfinished:
            self.queued |= dict.fromkeys(self._streams)  # for routing that was held back until the last stage
        if served:
            self.push(*_from_any(served))

    def _encode_ahead(self, stage: Revision) -> None:
        """Encode a stage's resources now: all stages of a commit are sent together after the last one."""
        if any(stream.session.variant is Variant.DELTA for stream in self._streams):
            types = self._fleet.unnamed.response_cache(Variant.DELTA).view.types
            news = (change.new for change in stage.changes if change.type in types and change.new is not None)
            self._encoder.encode_ahead(Variant.DELTA, news)

    def push(self, *revisions: tuple[BuildFleet, Revision]) -> None:
        """Push revisions of builds' served snapshots.

        Args:
            revisions: Oldest first. Each served store already holds its last revision.
        """
        last, begun = revisions[-1], 0
        updated = {stream: None for build, revision in revisions[:-1] for stream in self._update_now(build, revision)}
        for stream in self._update_now(*last):
            updated.pop(stream, None)
            begun += self.flush(stream, begin=begun < PROMPT_WRITES)
        for stream in updated:
            begun += self.flush(stream, begin=begun < PROMPT_WRITES)
        if not self._is_scheduled:
            self._push_queued()

    def _update_now(self, build: BuildFleet, revision: Revision) -> Iterator[Stream]:
        """Update the sessions of a build that a revision concerns, and yield the stream of each.

        For a large revision or a stage, streams are queued instead. A stream that is queued already stays so, as its
        session takes revisions in order.
        """
        progress = self._convergence.begin(revision)
        is_large = revision.unfinished or len(revision.changes) >= LARGE_REVISION_CHANGES
        streams = [stream for variant in Variant for stream in self._subscribed(build, variant, revision)]
        for stream in _from_any(streams):
            if is_large or stream.pending_revisions:
                stream.pending_revisions.append((revision, progress))
                progress.streams += 1
                self.queued[stream] = None
            else:
                self._update(stream, revision, progress)
                yield stream
        self._debounce.pushed(progress if revision.by_type.keys() <= {ResourceType.ENDPOINTS} else None)

    def _subscribed(self, build: BuildFleet, variant: Variant, revision: Revision) -> Iterable[Stream]:
        subscribers = self._subscribers.get((build, variant))
        return subscribers.streams(build.changes(revision, variant)) if subscribers else ()

    def _update(self, stream: Stream, revision: Revision, progress: RevisionProgress) -> None:
        if stream.session.update(revision):
            stream.progress.await_answer(progress)
        if stream.session.resubscribed:
            self.resubscribe(stream)

    def _push_queued(self) -> None:
        until = self._clock() + PUSH_SLICE_SECONDS
        try:
            while self.queued:
                stream = next(iter(self.queued))
                self.catch_up(stream)
                self.flush(stream)
                if self._clock() >= until:
                    break
        finally:  # an exception of one stream must not stop the pushes to all others
            self._is_scheduled = bool(self.queued)
            if self._is_scheduled:
                asyncio.get_running_loop().call_soon(self._push_queued)

    def catch_up(self, stream: Stream) -> None:
        """Update the session to all pending revisions. A caller that takes no responses next has to `flush`."""
        self.queued.pop(stream, None)
        if not stream.pending_revisions:
            return
        for revision, progress in stream.pending_revisions:
            self._update(stream, revision, progress)
            self._convergence.pushed(progress)
        stream.pending_revisions.clear()

    def catch_up_all(self) -> None:
        for stream in list(self.queued):
            self.catch_up(stream)
            self.flush(stream)

    def resubscribe(self, stream: Stream) -> None:
        """Index the stream by the session's current subscriptions. Requests, updates and responses change them."""
        session = stream.session
        session.resubscribed = False
        group = (session.build, session.variant)
        self._subscribers.setdefault(group, SubscriberIndex()).subscribe(stream, session.subscriptions)

    def remove(self, stream: Stream) -> None:
        """Forget a stream that ended. Revisions no longer wait for its answers."""
        self.catch_up(stream)
        group = (stream.session.build, stream.session.variant)
        if group in self._subscribers:
            self._subscribers[group].remove(stream)
            if not self._subscribers[group]:
                del self._subscribers[group]
        self._convergence.ended(stream.progress)

    def flush(self, stream: Stream, *, begin: bool = False) -> bool:
        """Give an idle writer the responses that are due.

        The responses are taken now rather than by the writer later: with a thousand streams, the session would have
        left the processor's cache by then. With `begin`, the write of one small response begins too. Returns whether
        it does.
        """
        if not stream.idle:
            stream.wake()
            return False
        if not stream.session.is_active:
            return False
        try:
            responses = self.take_responses(stream)
        except Exception:  # noqa: BLE001 - the writer meets the exception again, which ends this stream only
            stream.wake()
            return False
        if not responses:
            stream.set_timer()
            return False
        begins = begin and len(responses) == 1 and self._begin(stream, responses[0])
        stream.give(responses)
        return begins

    def _begin(self, stream: Stream, response: Response) -> bool:
        if len(response.resources) >= LARGE_RESPONSE_RESOURCES:
            return False
        try:
            data = self._encoder.encode(response)
        except Exception:  # noqa: BLE001 - as above
            return False
        return self._writes.begin(stream.writer, stream.context, data)

    def take_responses(self, stream: Stream) -> list[Response]:
        """Take the responses that are due from the session; none once the stream is ending."""
        if stream.is_ending:
            return []
        if stream.pending_revisions or self.queued:
            self.catch_up(stream)
        responses = stream.session.take_responses(self._clock())
        if stream.session.resubscribed:
            self.resubscribe(stream)
        return responses


def _from_any(values: Sequence[_T]) -> Sequence[_T]:
    """The values in their order, from a random one on and around the end, so that none is always the first."""
    first = randrange(len(values)) if len(values) > 1 else 0  # noqa: S311
    return [*values[first:], *values[:first]] if first else values
