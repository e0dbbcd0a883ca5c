"""The routing path: from changes of Ingresses, Services, Secrets and classes to the stages of a commit.

A job translates and builds all pending changes, in steps that may be paused. Endpoints that the endpoint path builds
meanwhile replace the older ones of the job.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from datetime import datetime
from typing import Final

from xds.controlplane.bucket_schedule import BucketSchedule
from xds.controlplane.endpoint_path import EndpointPath
from xds.kube.change import Change
from xds.kube.pending import ChangeQueue
from xds.kube.stale import NOTHING_STALE, Stale
from xds.kube.state import KubeState
from xds.resources.builder import Builder
from xds.resources.built import BuiltResources
from xds.snapshot.resource import ResourceType
from xds.snapshot.stages import STAGE_SIZE, Stage, stages
from xds.snapshot.store import ResourceKey, Store
from xds.steps import Steps
from xds.traffic.model import TrafficChange
from xds.translate.translator import Translator

STALE_CHUNK: Final = 50
"""Values merged into one union, in less than a millisecond."""


class RoutingJob:
    """Routing work under way.

    Args:
        began_at: Seconds of the same clock as `read_at`.

    Attributes:
        read_at: When the oldest change was read.
        changes: Changes applied to the state so far.
        stages: Stages to commit once the work is done; empty if not every kind has been listed.
        newer_endpoints: Endpoints that the endpoint path built since the job began, or since its last stage.
    """

    def __init__(self, read_at: float, began_at: float) -> None:
        self.read_at = read_at
        self._began_at: float | None = began_at
        self.changes: list[Change] = []
        self.stages: deque[Stage] = deque()
        self.newer_endpoints: set[ResourceKey] = set()
        self.steps: Steps[None] | None = None

    def work(self, clock: Callable[[], float], until: float) -> bool:
        """Work until the clock shows `until`. Returns whether the work is done."""
        try:
            while self.steps is not None:
                next(self.steps)
                if clock() >= until:
                    return False
        except StopIteration:
            self.steps = None
        return True

    def finish(self, stages: Iterable[Stage], newest: Stage) -> None:
        """Set the stages. Endpoints in `newest` replace older ones, and are committed first."""
        self.stages.extend(stages)
        self._drop(newest.keys())
        self.stages[0] |= newest
        self.newer_endpoints.clear()  # built for the backends as they were before

    def take_seconds(self, now: float) -> float | None:
        """The time from the start until now, when all resources are built; None at the next calls."""
        began_at, self._began_at = self._began_at, None
        return None if began_at is None else now - began_at

    def next_stage(self) -> Stage:
        """Take the next stage, without endpoints that have newer ones in the snapshot."""
        self._drop(self.newer_endpoints)
        self.newer_endpoints.clear()
        return self.stages.popleft()

    def _drop(self, keys: Set[ResourceKey]) -> None:
        for stage in self.stages:
            for key in keys & stage.keys():
                del stage[key]


class RoutingPath:
    """Starts routing jobs, one at a time.

    Args:
        queue: Pending changes. A running job takes new ones too, until it begins to translate.
        utc_now: The system's clock, against which the dates of certificates are judged.

    Attributes:
        buckets: The times at which proxies get other buckets for rate limits.
    """

    def __init__(
        self,
        queue: ChangeQueue,
        state: KubeState,
        translator: Translator,
        builder: Builder,
        store: Store,
        *,
        endpoints: EndpointPath,
        utc_now: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._state = state
        self._translator = translator
        self._builder = builder
        self._store = store
        self._endpoints = endpoints
        self._utc_now = utc_now
        self._stale = NOTHING_STALE
        self.buckets = BucketSchedule()

    def start(self, now: float, *, whole: bool, stale: Stale = NOTHING_STALE) -> RoutingJob:
        """Start a job for the pending changes.

        Args:
            now: Seconds of the clock of the batches' `read_at`.
            whole: Whether to commit everything in one stage.
            stale: Units that are stale without a change.
        """
        self._stale = Stale.union([self._stale, stale])
        job = RoutingJob(self._queue.read_at if self._queue else now, now)
        job.steps = self._steps(job, sys.maxsize if whole else STAGE_SIZE, now)
        return job

    def _steps(self, job: RoutingJob, stage_size: int, now: float) -> Steps[None]:
        """Build resources for all pending changes, and for changes applied earlier. Until every kind has been
        listed, builds nothing, and reports only the problems of the source.
        """
        yield from self._collect(self._apply_pending(job.changes))
        if not self._state.synced:
            self._translator.report_source()
            return
        yield from self._collect(self._state.settle())
        stale, self._stale = self._stale, NOTHING_STALE
        change = yield from self._translator.update(stale, self._utc_now())
        self._endpoints.touched.clear()
        built = yield from self._builder.build(change)
        rates = self.buckets.advance(self._translator.rates, now)
        if rates is None and change.listeners:  # the status of limited requests may be another
            rates = self.buckets.served
        if rates is not None:
            built |= self._builder.rate_limit_buckets(rates)
        for rebuilt in self._rebuild_touched(change):
            built |= rebuilt
            yield
        differing: BuiltResources = {}
        for key, resource in self._store.differing(built):
            differing[key] = resource
            yield
        made = yield from stages(differing, self._store.resources(ResourceType.CLUSTER), stage_size)
        self._translator.publish()
        # Endpoints built meanwhile for the backends as they were differ from the snapshot now, or will after a stage.
        newest: BuiltResources = {
            key: built[key] for key in job.newer_endpoints & built.keys() if built[key] is not None
        }
        for rebuilt in self._rebuild_touched(change):  # a few; with pauses, there could always be more
            newest |= rebuilt
        job.finish(made, newest)

    def _apply_pending(self, applied: list[Change]) -> Iterator[Stale]:
        while self._queue:  # one by one, as a newer change may still replace a pending one
            applied.append(self._queue.pop())
            yield from self._state.steps(applied[-1])
            yield NOTHING_STALE

    def _collect(self, stales: Iterable[Stale]) -> Steps[None]:
        unions, collected = [self._stale], list[Stale]()
        for stale in stales:
            collected.append(stale)
            if len(collected) > STALE_CHUNK:
                unions.append(Stale.union(collected))
                collected.clear()
            yield
        self._stale = Stale.union([*unions, *collected])

    def _rebuild_touched(self, change: TrafficChange) -> Iterator[BuiltResources]:
        """Build the change's endpoints again whose EndpointSlices changed since."""
        touched = self._translator.used_of(self._endpoints.touched)
        self._endpoints.touched.clear()
        for key in touched & change.endpoints:
            yield self._builder.endpoints(key, self._translator.backends[key])
