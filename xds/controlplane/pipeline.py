"""The way of the data, from changes to a revision: the only module that sees all stages, and the only writer."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from xds.explain import attribution
from xds.explain.facts import StateReader
from xds.kube.change import Batch, Change
from xds.kube.pending import ChangeQueue, PendingChanges
from xds.kube.state import NOTHING_STALE, KubeState, Stale
from xds.problems.problem import Key, Problem
from xds.problems.registry import ProblemDelta, ProblemRegistry
from xds.protocol.rejection.reports import RejectionReport
from xds.resources.builder import Builder
from xds.resources.built import BuiltResources
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.snapshot.stages import STAGE_SIZE, Stage, stages
from xds.snapshot.store import ResourceKey, Revision, Store
from xds.steps import Steps
from xds.traffic.model import TrafficChange
from xds.translate.translator import TranslateOptions, Translator

PORTION: Final = 50
"""Changes that are taken in at a time: less than a millisecond's worth."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a while of work came to: a revision, if something differs; and if routing is done, the changes that the
    snapshot now has.
    """

    revision: Revision | None = None
    changes: tuple[Change, ...] = ()


class Pipeline:
    """Turns changes into revisions of `store`. One task calls `take` and `work`; anyone may ask the rest.

    Routing is worked on for a while at a time, and becomes a revision when it is done, or several if it changes much.
    Endpoints that change meanwhile are not kept waiting: they have revisions of their own.

    Args:
        state: What is known; nobody else may change it.
        translate: What the operator allows.
        proxy: What the operator chose of the listeners.
    """

    def __init__(self, state: KubeState, translate: TranslateOptions, proxy: ProxyOptions) -> None:
        self.store = Store()
        self._problems = ProblemRegistry()
        self._state = state
        self._translate = translate
        self._proxy = proxy
        self._translator = Translator(state, translate, self._problems)
        self._builder = Builder(self._translator, proxy, self._problems.report)
        self._waiting = PendingChanges(state.service_of_slice)
        self._endpoints = _Endpoints(state, self._translator, self._builder)
        self._stale = NOTHING_STALE
        self._routing: _Routing | None = None
        self._complaints: dict[RejectionReport, list[Problem]] = {}

    @property
    def ready(self) -> bool:
        """Whether there is a first snapshot; until then nothing may be served."""
        return self.store.revision > 0

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return self._routing is not None or bool(self._waiting) or bool(self._endpoints.due)

    @property
    def routes(self) -> bool:
        """Whether that is something else than endpoints, too."""
        return self._routing is not None or bool(self._waiting.routing)

    @property
    def state(self) -> KubeState:
        """For questions only."""
        return self._state

    @property
    def traffic(self) -> Translator:
        return self._translator

    @property
    def witness(self) -> StateReader:
        """For questions why something is as it is."""
        secret = self._translate.default_tls_secret
        known = (self._state, self._translator, self.store, self._proxy)
        return StateReader(*known, self._problems, busy=lambda: self.busy, default_secret=secret)

    @property
    def problems(self) -> list[Problem]:
        return self._problems.problems

    @property
    def problem_reasons(self) -> Mapping[str, int]:
        """How many problems there are, by reason."""
        return self._problems.counts_by_reason

    def take_news(self) -> ProblemDelta:
        """The problems that came and went since this was last asked. None while routing is worked on: what went may
        only have moved.
        """
        return ProblemDelta((), ()) if self._routing else self._problems.take_delta()

    def complain(self, complaints: Iterable[RejectionReport]) -> None:
        """These are all that proxies refuse now: it becomes a problem of the objects that it comes from."""
        known = self._complaints
        self._complaints = {each: known.get(each) or self._attributed(each) for each in complaints}
        self._problems.report("proxies", (problem for found in self._complaints.values() for problem in found))

    def _attributed(self, complaint: RejectionReport) -> list[Problem]:
        said = (complaint.message, complaint.effect)
        return attribution.problems(complaint.resource, complaint.good, said, self._state, self._translator)

    def apply(self, batches: Iterable[Batch], now: float) -> Revision | None:
        """Take in the batches, and work until nothing is left to do. Returns the revision they make, None if nothing
        differs.

        Args:
            batches: In the order in which they were read.
            now: Seconds of the clock that the batches' `read_at` is of.
        """
        for batch in batches:
            self.take(batch)
        return self.work(lambda: now).revision

    def take(self, batch: Batch) -> None:
        """Note what is to be done. Batches come in the order in which they were read."""
        self._waiting.put(batch)

    def work(self, clock: Callable[[], float], *, urgent: float = inf, routing: float = inf) -> Progress:
        """Do some of what is to be done, endpoints first.

        Args:
            clock: Gives seconds, and is that of the batches' `read_at`.
            urgent: Seconds after which the endpoints that are done are to be told.
            routing: Seconds after which routing is to be left for the next time.
        """
        urgent = urgent if self._state.synced else inf  # that they are listed comes by the other lane
        built, since = self._endpoints.work(self._waiting.endpoints, clock, clock() + urgent)
        if self._routing is None and self._waiting.routing:
            self._routing = self._begun(whole=routing == inf or not self.ready)
        if self._routing is not None:
            self._routing.newer |= built.keys()
        if self._routing is None or not self._routing.work(clock, clock() + routing):
            return Progress(self.store.commit(built, read_at=since, now=clock()) if built else None)
        return self._commit(self._routing, built, min(since, self._routing.read_at), clock())

    def _commit(self, routing: "_Routing", built: BuiltResources, read_at: float, now: float) -> Progress:
        """The next portion of routing that is done, if it made any."""
        revision = None
        if routing.rest:
            portion = built | routing.take()
            revision = self.store.commit(portion, read_at=read_at, now=now, unfinished=bool(routing.rest))
        if routing.rest:
            return Progress(revision)
        self._routing = None
        return Progress(revision, tuple(routing.changes))

    def _begun(self, *, whole: bool) -> "_Routing":
        """Work on all that waits. `whole`: it is to be one revision."""
        routing = _Routing(self._waiting.routing.read_at)
        routing.steps = self._in_portions(routing, sys.maxsize if whole else STAGE_SIZE)
        return routing

    def _in_portions(self, routing: "_Routing", size: int) -> Steps[None]:
        """What all that waits builds, and what was taken in before; nothing until each kind has been listed."""
        yield from self._collect(self._taken_in(routing.changes))
        if not self._state.synced:
            return
        yield from self._collect(self._state.settle())
        stale, self._stale = self._stale, NOTHING_STALE
        change = yield from self._translator.update(stale, datetime.now(UTC))
        self._endpoints.touched.clear()
        built = yield from self._builder.build(change)
        for again in self._again(change):
            built |= again
            yield
        differing: BuiltResources = {}
        for key, resource in self.store.differing(built):
            differing[key] = resource
            yield
        made = yield from stages(differing, self.store.resources(ResourceType.CLUSTER), size)
        self._translator.publish()
        # What was built meanwhile by the backends as they were differs from the snapshot now, or will.
        newest: BuiltResources = {key: built[key] for key in routing.newer & built.keys() if built[key] is not None}
        for again in self._again(change):  # what changed during that is little, and without an end if there were pauses
            newest |= again
        routing.finish(made, newest)

    def _again(self, change: TrafficChange) -> Iterator[BuiltResources]:
        """The endpoints that were built, and changed since."""
        touched = self._translator.used_of(self._endpoints.touched)
        self._endpoints.touched.clear()
        for key in touched & change.endpoints:
            yield self._builder.endpoints(key, self._translator.backends[key])

    def _taken_in(self, changes: list[Change]) -> Iterator[Stale]:
        """What the changes that wait make stale."""
        while self._waiting.routing:  # one by one, as what waits may yet be replaced by something newer
            changes.append(self._waiting.routing.pop())
            yield from self._state.steps(changes[-1])
            yield NOTHING_STALE

    def _collect(self, stales: Iterable[Stale]) -> Steps[None]:
        unions, collected = [self._stale], list[Stale]()
        for stale in stales:
            collected.append(stale)
            if len(collected) > PORTION:
                unions.append(Stale.union(collected))
                collected.clear()
            yield
        self._stale = Stale.union([*unions, *collected])


class _Routing:
    """Work that is under way. `rest` are the portions of what it made, once it is done; none if that was too early.
    `newer` are endpoints that were built meanwhile.
    """

    def __init__(self, read_at: float) -> None:
        self.read_at = read_at
        self.changes: list[Change] = []
        self.rest: deque[Stage] = deque()
        self.newer: set[ResourceKey] = set()
        self.steps: Steps[None] | None = None

    def work(self, clock: Callable[[], float], until: float) -> bool:
        """Whether it is done."""
        try:
            while self.steps is not None:
                next(self.steps)
                if clock() >= until:
                    return False
        except StopIteration:
            self.steps = None
        return True

    def finish(self, made: Iterable[Stage], newest: Stage) -> None:
        """This is what it made; what is in `newest` replaces what is older."""
        self.rest.extend(made)
        self._drop(newest.keys())
        self.rest[0] |= newest
        self.newer.clear()  # that was by the backends as they were

    def take(self) -> Stage:
        """The next portion, without what is newer."""
        self._drop(self.newer)
        self.newer.clear()
        return self.rest.popleft()

    def _drop(self, keys: Set[ResourceKey]) -> None:
        for portion in self.rest:
            for key in keys & portion.keys():
                del portion[key]


class _Endpoints:
    """From EndpointSlices that changed to what the published backends' clusters are assigned.

    `due` are the Services that are to be looked at; `touched` those that were, for whoever looked at them before.
    """

    def __init__(self, state: KubeState, translator: Translator, builder: Builder) -> None:
        self.due: dict[Key, None] = {}
        self.touched: set[Key] = set()
        self._state = state
        self._translator = translator
        self._builder = builder
        self._since = inf

    def work(self, lane: ChangeQueue, clock: Callable[[], float], until: float) -> tuple[BuiltResources, float]:
        """What the changes in the lane build, or as many of them as there is time for, and when the oldest was read."""
        built: BuiltResources = {}
        since = self._since
        while self.due or lane:
            if not self.due:
                since = min(since, lane.read_at)
                self._take_in(lane)
            built |= self._build_one()
            if clock() >= until:
                break
        self._since = since if self.due else inf
        return built, since

    def _take_in(self, lane: ChangeQueue) -> None:
        for _ in range(PORTION):
            if not lane:
                break
            for stale in self._state.steps(lane.pop()):
                self.due |= dict.fromkeys(stale.endpoints)
                self.touched |= stale.endpoints

    def _build_one(self) -> BuiltResources:
        """Of the first Service that is due."""
        built: BuiltResources = {}
        if self.due:
            service = next(iter(self.due))
            del self.due[service]
            for key in self._translator.published_of([service]):
                built |= self._builder.endpoints(key, self._translator.published[key])
        return built
