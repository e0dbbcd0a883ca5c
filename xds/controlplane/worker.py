"""The worker: turns pending changes into revisions, publishes each, and gives the results to the log and the reporter.

A small batch of endpoints that meets an idle worker is worked on and published in the turn of the reader. The worker's
own turn follows with everything that no proxy waits for.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from xds.controlplane import gc_tuning
from xds.controlplane.pipeline import Pipeline, Progress
from xds.controlplane.problem_log import ProblemLog
from xds.controlplane.revision_log import RevisionLog
from xds.kube.change import Batch, Change
from xds.reporting.reporter import Reporter
from xds.server.ads import AdsService
from xds.server.debug.revisions import Revisions
from xds.server.debug.service import Health
from xds.snapshot.store import Revision

ENDPOINT_BUILD_SECONDS: Final = 0.01
"""Longest time to build endpoints before the ones built are pushed."""

ROUTING_SLICE_SECONDS: Final = 0.002
"""Longest time of routing work without a pause. An urgent change takes several turns of the event loop from a socket to
the pipeline, and as many to the proxies, and each turn may find routing at work.
"""

ROUTING_PAUSE_SECONDS: Final = 0.001
"""Sleep after each slice of routing work. gRPC sends and receives in threads, and on two processors a thread that the
kernel had queued behind the event loop's waited for the end of routing when the event loop didn't sleep.
"""

CLOCK_CHECK_SECONDS: Final = 60.0
"""Longest wait for the date of a certificate. The event loop's clock stands still while a machine sleeps, and doesn't
follow when the system's clock is set.
"""

FREEZE_CHANGES: Final = 1000
"""Smallest number of resource changes, made without an idle moment, after which objects are frozen."""

AT_ONCE_CHANGES: Final = 10
"""Most changes of a batch that is worked on in the reader's turn: less than a millisecond's worth each."""


class Logs(NamedTuple):
    """The logs that the worker feeds."""

    problems: ProblemLog
    revisions: RevisionLog


class Worker:
    """The only caller of `Pipeline.work` and `AdsService.publish`, with nothing awaited between the two.

    Args:
        clock: Seconds, monotonic: the clock of the store's revisions.
        note_routing: Is told the seconds of each routing job.

    Attributes:
        committed_at: Unix time of the newest revision; 0 before the first one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ads: AdsService,
        revisions: Revisions,
        logs: Logs,
        *,
        clock: Callable[[], float],
        note_routing: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._pipeline = pipeline
        self._ads = ads
        self._revisions = revisions
        self._logs = logs
        self._clock = clock
        self._note_routing = note_routing
        self.committed_at = 0.0
        self._has_work = asyncio.Event()
        self._is_waiting = False
        self._published: Progress | None = None
        self._failure: Exception | None = None
        self._changes_since_idle = 0

    def put(self, batch: Batch) -> None:
        """Take a batch. Batches come in the order of reading."""
        self._pipeline.put(batch)
        self._has_work.set()

    def notify(self) -> None:
        """Look at the pipeline's problems, although no change came."""
        self._has_work.set()

    def work_at_once(self, batch: Batch) -> bool:
        """Take a small batch of endpoints, work on it and publish the revision now, if the worker is idle.

        Returns:
            Whether the batch was taken.
        """
        if not self._is_idle or len(batch.changes) > AT_ONCE_CHANGES:
            return False
        self._pipeline.put(batch)
        self._has_work.set()
        if not self._pipeline.has_routing:
            try:
                self._published = self._work()
            except Exception as error:  # noqa: BLE001 - raised in the worker's task: no reader may take it for its own
                self._failure = error
        return True

    @property
    def _is_idle(self) -> bool:
        """Whether the worker has nothing to do and nothing to wait for. Before the first revision it never is."""
        return (
            self._is_waiting
            and not self._has_work.is_set()
            and self._pipeline.ready
            and not self._pipeline.busy
            and not self._ads.debounce.is_unanswered
        )

    async def run(self, health: Health, reporter: Reporter | None) -> None:
        """Work on pending changes until cancelled."""
        is_unfinished = False
        while True:
            if not self._pipeline.busy:
                self._freeze_after_burst()
                await self._wait_for_work()
            if self._failure is not None:
                raise self._failure
            published, self._published = self._published, None
            if published is None and not is_unfinished:
                await self._ads.debounce.wait(is_urgent=lambda: self._pipeline.has_routing)
            progress = published or self._work()
            self._has_work.clear()
            is_unfinished = self._pipeline.busy
            if progress.routing_seconds is not None:
                self._note_routing(progress.routing_seconds)
            if progress.revision is not None:
                await self._note_revision(progress.revision, progress.changes, health)
            delta = self._pipeline.take_problem_delta()
            self._logs.problems.put(delta)
            if reporter is not None and self._pipeline.ready:
                created_again = self._pipeline.take_created_again()
                gateway = self._pipeline.take_gateway_delta()
                reporter.note(progress.changes, delta.appeared, delta.solved, created_again, gateway)
            if published is None:
                await self._pause()

    def _work(self) -> Progress:
        progress = self._pipeline.work(
            self._clock, endpoint_seconds=ENDPOINT_BUILD_SECONDS, routing_seconds=ROUTING_SLICE_SECONDS
        )
        if progress.revision is not None:
            self._ads.publish(progress.revision)
        return progress

    async def _wait_for_work(self) -> None:
        """Wait for a change, the date of a certificate, the time of other buckets, or a deletion that becomes due."""
        self._note_time()
        self._is_waiting = True
        try:
            while not (self._has_work.is_set() or self._pipeline.busy):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._longest_wait()):
                        await self._has_work.wait()
                self._note_time()
        finally:
            self._is_waiting = False

    def _longest_wait(self) -> float:
        now = self._clock()
        buckets, deletion = self._pipeline.next_buckets_seconds(now), self._pipeline.next_deletion_seconds(now)
        return min(self._pipeline.next_date_seconds, buckets, deletion, CLOCK_CHECK_SECONDS)

    def _note_time(self) -> None:
        self._pipeline.note_dates()
        now = self._clock()
        self._pipeline.note_buckets(now)
        self._pipeline.note_deletions(now)

    async def _note_revision(self, revision: Revision, changes: Sequence[Change], health: Health) -> None:
        self.committed_at = time.time()
        self._revisions.publish(revision)
        self._logs.revisions.note(revision, changes)
        if revision.number == 1:
            gc_tuning.end_loading()
            await health.set_serving(True)
        self._changes_since_idle += len(revision.changes)

    async def _pause(self) -> None:
        """Let other tasks run: the source's sockets, the streams."""
        is_busy = self._pipeline.ready and self._pipeline.busy
        if self._pipeline.ready:
            gc_tuning.set_threshold(routing=is_busy)
        await asyncio.sleep(ROUTING_PAUSE_SECONDS if is_busy else 0)

    def _freeze_after_burst(self) -> None:
        if self._changes_since_idle >= FREEZE_CHANGES:
            gc_tuning.freeze()
        self._changes_since_idle = 0
