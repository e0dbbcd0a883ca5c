"""The pipeline: from Kubernetes changes to revisions of the snapshot.

The only module that sees all stages, and the only writer of the known and the wanted state. Two paths: `endpoint_path`
for EndpointSlices, `routing_job` for all other objects.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from xds.controlplane.endpoint_path import EndpointPath
from xds.controlplane.gateway_statuses import GatewayStatuses
from xds.controlplane.routing_job import RoutingJob, RoutingPath
from xds.explain import attribution
from xds.explain.facts import StateReader
from xds.kube.change import Batch, Change
from xds.kube.pending import PendingChanges
from xds.kube.stale import NOTHING_STALE, Stale
from xds.kube.state import KubeState
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.registry import ProblemDelta, ProblemRegistry
from xds.protocol.rejection.reports import RejectionReport
from xds.reporting.gateway_delta import NO_GATEWAY_DELTA, GatewayDelta
from xds.resources.builder import Builder
from xds.resources.built import BuiltResources
from xds.resources.options import ProxyOptions
from xds.server.unsupported import UnsupportedProxy
from xds.snapshot.store import Revision, Store
from xds.translate.options import TranslateOptions
from xds.translate.translator import Translator


@dataclass(frozen=True, slots=True)
class Progress:
    """The result of a slice of work.

    Attributes:
        revision: The revision committed; None: no resource differs, or routing is not done.
        changes: The changes that the snapshot now reflects, once their routing job is done.
        routing_seconds: From the start of a routing job to the end of its building; None: no building ended.
    """

    revision: Revision | None = None
    changes: tuple[Change, ...] = ()
    routing_seconds: float | None = None


class Pipeline:
    """Turns changes into revisions of `store`, the wanted snapshot.

    All methods are for the tasks of one event loop: the reader of the source calls `put`, the worker calls `work`, and
    further tasks call the `report_` methods, which replace problems alone. Any task of the loop may read.

    Routing is worked on in slices, and committed as one revision, or as several stages if many resources change.
    Endpoint changes don't wait for the end of routing, and have separate revisions.

    Args:
        state: Kubernetes objects. Only the pipeline changes the state.
        translate: Options of the translation.
        proxy: Options of the Envoy listeners.
        utc_now: The system's clock, against which the dates of certificates are judged.
        deletion_grace_seconds: How long deletions wait for a re-creation: see `DelayedDeletions`; 0: none waits.
    """

    def __init__(
        self,
        state: KubeState,
        translate: TranslateOptions,
        proxy: ProxyOptions,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        deletion_grace_seconds: float = 0.0,
    ) -> None:
        self.store = Store()
        self._problems = ProblemRegistry()
        self._state = state
        self._translate = translate
        self._proxy = proxy
        self._translator = Translator(state, translate, self._problems)
        builder = Builder(self._translator, proxy, self._problems.report)
        self._pending = PendingChanges(state, deletion_grace_seconds)
        self._endpoints = EndpointPath(state, self._translator, builder)
        self._routing = RoutingPath(
            self._pending.routing,
            state,
            self._translator,
            builder,
            self.store,
            endpoints=self._endpoints,
            utc_now=utc_now,
        )
        self._gateway_statuses = GatewayStatuses(
            self._translator.gateway, has_services=translate.gateway.target_ports is not None
        )
        self._utc_now = utc_now
        self._date_passed = False
        self._buckets_due = False
        self._job: RoutingJob | None = None
        self._rejections: dict[RejectionReport, list[Problem]] = {}

    @property
    def ready(self) -> bool:
        """Whether the first snapshot exists. Nothing is served before."""
        return self.store.revision > 0

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return self.has_routing or bool(self._pending) or bool(self._endpoints.due)

    @property
    def has_routing(self) -> bool:
        """Whether `work` has routing to do, not only endpoints."""
        return self._job is not None or bool(self._pending.routing) or self._date_passed or self._buckets_due

    @property
    def next_date_seconds(self) -> float:
        """Seconds until the next date of a certificate, by the system's clock; infinite without one."""
        until = self._translator.date_period.until
        return max(0.0, (until - self._utc_now()).total_seconds()) if until else inf

    def note_dates(self) -> None:
        """Make the TLS table stale if a date of a certificate has passed since it was translated."""
        if self._job is None and self._utc_now() not in self._translator.date_period:
            self._date_passed = True

    def next_buckets_seconds(self, now: float) -> float:
        """Seconds until a change of the buckets of rate limits; infinite: none waits."""
        return max(0.0, self._routing.buckets.due - now)

    def note_buckets(self, now: float) -> None:
        """Take up a change of the buckets of rate limits that has waited long enough."""
        if self._job is None and now >= self._routing.buckets.due:
            self._buckets_due = True

    def next_deletion_seconds(self, now: float) -> float:
        """Seconds until a deletion has waited long enough; infinite: none waits."""
        return max(0.0, self._pending.deletions_due_at - now)

    def note_deletions(self, now: float) -> None:
        """Take up the deletions that have waited long enough."""
        self._pending.put_due_deletions(now)

    @property
    def state(self) -> KubeState:
        """The state, for reading."""
        return self._state

    @property
    def traffic(self) -> Translator:
        """The traffic model, for reading."""
        return self._translator

    @property
    def state_reader(self) -> StateReader:
        """Facts for `explain` and `why`."""
        secret = self._translate.default_tls_secret
        known = (self._state, self._translator, self.store, self._proxy)
        return StateReader(*known, self._problems, busy=lambda: self.busy, default_secret=secret)

    @property
    def problems(self) -> list[Problem]:
        return self._problems.problems

    @property
    def problem_reasons(self) -> Mapping[str, int]:
        """Number of problems by reason."""
        return self._problems.counts_by_reason

    def take_problem_delta(self) -> ProblemDelta:
        """Problems that appeared and were solved since the last call.

        Empty while routing is under way: a problem that seems solved may only have moved.
        """
        return ProblemDelta((), ()) if self._job else self._problems.take_delta()

    def take_created_again(self) -> Set[ObjectRef]:
        """Objects, since the last call, that replace one of the same name and count now. Empty while work is left."""
        return frozenset() if self.busy else self._pending.take_created_again()

    def take_gateway_delta(self) -> GatewayDelta:
        """The changes of the Gateway API to report since the last call.

        None while routing is under way: the statuses are a mixture of the old state and the new one.
        """
        return NO_GATEWAY_DELTA if self._job else self._gateway_statuses.take_delta()

    def report_rejections(self, reports: Iterable[RejectionReport]) -> None:
        """Replace the problems of objects whose resources proxies reject.

        Args:
            reports: All rejections as of now.
        """
        known = self._rejections
        self._rejections = {report: known.get(report) or self._attribute(report) for report in reports}
        self._gateway_statuses.note_rejections(self._rejections)
        self._problems.report("proxies", (problem for found in self._rejections.values() for problem in found))

    def report_rejecting_proxies(self, nodes: Iterable[str]) -> None:
        """Replace the problems of proxies that reject more resources than are reported one by one."""
        reason = Reason.PROXY_REJECTS_MANY
        message = "the proxy rejects many resources, and not every one has a problem of its own"
        proxies = (ObjectRef("Proxy", "", node) for node in nodes)
        problems = (Problem(proxy, reason, message, reason.remedy) for proxy in proxies)
        self._problems.report("rejecting proxies", problems)

    def report_unsupported(self, proxies: Iterable[UnsupportedProxy]) -> None:
        """Replace the problems of proxies that are not served."""
        reason = Reason.PROXY_UNSUPPORTED
        self._problems.report(
            "unsupported proxies",
            (Problem(ObjectRef("Proxy", "", each.node.id), reason, each.reason, reason.remedy) for each in proxies),
        )

    def report_publishing(self, problems: Iterable[Problem]) -> None:
        """Replace the problems of the addresses that are published in statuses."""
        self._problems.report("publishing", problems)

    def _attribute(self, report: RejectionReport) -> list[Problem]:
        verdict = attribution.Verdict(report.message, report.effect, is_unbound=report.of_proxies > 0)
        return attribution.problems(report.resource, report.good, verdict, self._state, self._translator)

    def apply(self, batches: Iterable[Batch], now: float) -> Revision | None:
        """Apply batches, and work until nothing is left to do.

        Args:
            batches: In the order of reading.
            now: Seconds of the clock of the batches' `read_at`.

        Returns:
            The one revision; None: no resource differs.
        """
        for batch in batches:
            self.put(batch)
        return self.work(lambda: now).revision

    def put(self, batch: Batch) -> None:
        """Add a batch to the pending changes. Batches come in the order of reading."""
        self._pending.put(batch)

    def work(
        self, clock: Callable[[], float], *, endpoint_seconds: float = inf, routing_seconds: float = inf
    ) -> Progress:
        """Work on pending changes, endpoints first.

        Args:
            clock: Seconds: the clock of the batches' `read_at`.
            endpoint_seconds: Longest time to build endpoints before a commit.
            routing_seconds: Longest time to work on routing before returning.
        """
        self.note_deletions(clock())
        if not self._state.synced:  # all EndpointSlices come before their Listed, which is in the routing queue
            endpoint_seconds = inf
        built, read_at = self._endpoints.work(self._pending.endpoints, clock, clock() + endpoint_seconds)
        if self._job is None and (self._pending.routing or self._date_passed or self._buckets_due):
            stale = Stale(tls=True) if self._date_passed else NOTHING_STALE
            self._date_passed = self._buckets_due = False
            self._job = self._routing.start(clock(), whole=routing_seconds == inf or not self.ready, stale=stale)
        if self._job is not None:
            self._job.newer_endpoints |= built.keys()
        if self._job is None or not self._job.work(clock, clock() + routing_seconds):
            return Progress(self.store.commit(built, read_at=read_at, now=clock()) if built else None)
        return self._commit_stage(self._job, built, min(read_at, self._job.read_at), clock())

    def _commit_stage(self, job: RoutingJob, endpoints: BuiltResources, read_at: float, now: float) -> Progress:
        """Commit the next stage of a job, together with newer endpoints."""
        revision, routing_seconds = None, None
        if job.stages:
            routing_seconds = job.take_seconds(now)
            stage = endpoints | job.next_stage()
            revision = self.store.commit(stage, read_at=read_at, now=now, unfinished=bool(job.stages))
        if job.stages:
            return Progress(revision, routing_seconds=routing_seconds)
        self._job = None
        return Progress(revision, tuple(job.changes), routing_seconds)
