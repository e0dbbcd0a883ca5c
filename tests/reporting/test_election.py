"""The election of one writer.

Covers: at no instant do two candidates believe that they lead, whatever is delayed, lost, paused, killed or deleted,
and however clocks are set (they may run 5 % fast or slow); somebody leads when nothing is in the way; how long it
takes when a holder dies or gives up. The store is a model: linearizable, each write bound to a version.
Excludes: the API (test_lease.py), a real one (tests/cluster/test_report.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xds.reporting.election import TERMS, Elector, Lease, Read, Step, Write


@dataclass
class Store:
    lease: Lease | None = None
    version: int = 0

    def apply(self, step: Step) -> tuple[str, Lease | None]:
        if isinstance(step, Read):
            return "saw", self.lease
        if step.before != self.lease:
            return "conflicted", None
        self.version += 1
        self.lease = Lease(step.holder, str(self.version), TERMS.duration)
        return "wrote", self.lease


@dataclass(eq=False)
class Request:
    step: Step
    answer: tuple[str, Lease | None] | None = None


@dataclass(eq=False)
class Candidate:
    """An elector with its own clock, and the request that it waits for."""

    elector: Elector
    offset: float = 0
    speed: float = 1
    waiting: Request | None = None
    gave_up: bool = False

    def clock(self, now: float) -> float:
        return self.offset + self.speed * now

    def leads(self, now: float) -> bool:
        return self.elector.is_leader(self.clock(now))

    def is_due(self, now: float) -> bool:
        return not self.gave_up and self.waiting is None and self.elector.due <= self.clock(now)

    def ask(self, now: float) -> Request | None:
        step = self.elector.step(self.clock(now))
        self.gave_up = step is None
        self.waiting = Request(step) if step else None
        return self.waiting

    def hear(self, now: float) -> None:
        assert self.waiting
        assert self.waiting.answer
        (what, lease), self.waiting = self.waiting.answer, None
        if what == "saw":
            self.elector.saw(lease, self.clock(now))
        elif what == "wrote":
            assert lease
            self.elector.wrote(lease)
        else:
            self.elector.conflicted(self.clock(now))

    def time_out(self, now: float) -> None:
        self.waiting = None
        self.elector.failed(self.clock(now))


def elector(name: str, random: float = 0.5) -> Elector:
    return Elector(name, lambda: random)


@dataclass
class World:
    """Time, the store, and candidates that nothing is in the way of unless `down` says so."""

    candidates: list[Candidate]
    store: Store = field(default_factory=Store)
    now: float = 0
    down: bool = False

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for each in self.candidates:
                while each.is_due(self.now):
                    self.exchange(each)
            assert sum(each.leads(self.now) for each in self.candidates) <= 1
            self.now += 0.05

    def exchange(self, candidate: Candidate) -> None:
        request = candidate.ask(self.now)
        if request is None:
            return
        if self.down:
            candidate.time_out(self.now)
        else:
            request.answer = self.store.apply(request.step)
            candidate.hear(self.now)

    def leader(self) -> Candidate:
        [leader] = [each for each in self.candidates if each.leads(self.now)]
        return leader

    def until_leader(self) -> float:
        start = self.now
        while not any(each.leads(self.now) for each in self.candidates):
            self.run(0.05)
            assert self.now < start + 60, "nobody leads"
        return self.now - start


def world(count: int = 2) -> World:
    return World([Candidate(elector(f"e{number}", number / count), offset=1000 * number) for number in range(count)])


def test_a_single_candidate_of_several_leads_and_stays() -> None:
    it = world(3)
    assert it.until_leader() < 0.1
    leader = it.leader()
    it.run(120)
    assert it.leader() is leader


def test_a_dead_holder_is_succeeded_after_the_lease_duration() -> None:
    it = world()
    it.until_leader()
    it.run(60)
    it.candidates.remove(it.leader())
    assert TERMS.deadline - TERMS.renew < it.until_leader() <= TERMS.duration + TERMS.retry * 1.25


def test_a_released_lease_is_taken_at_once() -> None:
    it = world()
    it.until_leader()
    it.run(60)
    before = it.leader()
    before.elector.resign()
    assert not before.leads(it.now)
    while not before.gave_up:
        it.exchange(before)
    assert it.store.lease
    assert it.store.lease.holder == ""
    assert it.until_leader() <= TERMS.retry * 1.25 + 0.1
    assert it.leader() is not before


def test_a_lost_write_is_given_up_as_well() -> None:
    it = world(1)
    it.until_leader()
    leader = it.leader()
    it.run(6)
    request = leader.ask(it.now)
    assert request
    it.store.apply(request.step)  # done, and the answer is lost
    leader.time_out(it.now)
    leader.elector.resign()
    while not leader.gave_up:
        it.exchange(leader)
    assert it.store.lease
    assert it.store.lease.holder == ""


def test_a_candidate_that_never_held_the_lease_releases_no_lease() -> None:
    candidate = elector("a")
    candidate.resign()
    assert candidate.step(0) is None


def test_a_holder_stops_leading_at_the_deadline_of_an_outage_and_leads_again_afterwards() -> None:
    it = world()
    it.until_leader()
    it.run(60)
    leader = it.leader()
    it.down = True
    it.run(TERMS.deadline)
    assert not any(each.leads(it.now) for each in it.candidates)
    it.down = False
    it.run(TERMS.retry * 1.3)
    assert it.leader() in (leader, *it.candidates)


def test_a_deleted_lease_is_not_taken_before_the_term_of_the_holder_is_over() -> None:
    it = world()
    it.until_leader()
    it.run(60)
    it.store.lease = None
    it.run(20)
    assert it.leader()


def test_a_longer_lease_of_another_version_of_the_program_is_respected() -> None:
    it = world(1)
    it.store.lease = Lease("other", "7", duration=40)
    assert 40 <= it.until_leader() <= 41


def test_a_candidate_does_not_ask_before_the_retry_time() -> None:
    candidate = elector("a")
    assert isinstance(candidate.step(0), Read)
    candidate.saw(Lease("b", "1"), 0)
    assert 0 < candidate.due <= TERMS.retry * 1.25
    candidate.saw(Lease("b", "1"), 14.9)
    assert candidate.due == pytest.approx(15)
    assert isinstance(candidate.step(15), Write)


class Trouble(NamedTuple):
    """What happens to one candidate (ALL: to each, as if the API server were paused) from `start` on, for `length`."""

    kind: str
    victim: int
    start: float
    length: float

    def hits(self, victim: int, now: float) -> bool:
        return self.victim in (victim, ALL) and self.start <= now < self.end

    @property
    def end(self) -> float:
        return self.start + self.length


ALL = -1
TIMEOUT = 4.0
KINDS = [
    "pause",  # the process stands still, and so does its socket
    "lost",  # requests don't arrive
    "late",  # they arrive when the trouble is over
    "deaf",  # they arrive, and the answer comes when the trouble is over
    "restart",  # kill -9 and a new life
    "resign",
    "delete",  # somebody deletes the Lease by hand
]


class Chaos:
    """Events in the order of time. Requests arrive whether or not somebody still waits for them."""

    def __init__(self, clocks: list[tuple[float, float]], latency: float, troubles: list[Trouble]) -> None:
        self.store = Store()
        self.troubles = troubles
        self.latency = latency
        self.now = 0.0
        self.terms = 0
        self._serial = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.candidates = [Candidate(elector(f"e{at}", at / 3), *clock) for at, clock in enumerate(clocks)]
        for at in range(len(clocks)):
            self.after(at / 10, partial(self.wake, at, self.candidates[at]))
        for each in troubles:
            self.after(each.start, partial(self.strike, each))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self._serial += 1
        heappush(self._events, (self.now + seconds, self._serial, event))

    def run(self, seconds: float) -> None:
        while self._events and self._events[0][0] < seconds:
            self.now, _, event = heappop(self._events)
            event()
            assert sum(each.leads(self.now) for each in self.candidates) <= 1, f"two lead at {self.now}"

    def until(self, at: int, *kinds: str) -> float:
        """Seconds until nothing of this kind is in the candidate's way."""
        return max(
            (each.end - self.now for each in self.troubles if each.kind in kinds and each.hits(at, self.now)), default=0
        )

    def wake(self, at: int, candidate: Candidate) -> None:
        if self.candidates[at] is not candidate or candidate.waiting or candidate.gave_up:
            return
        if pause := self.until(at, "pause"):
            self.after(pause, lambda: self.wake(at, candidate))
        elif candidate.is_due(self.now):
            self.send(at, candidate)
        else:
            self.after(max(0.001, candidate.elector.due - candidate.clock(self.now)), lambda: self.wake(at, candidate))

    def send(self, at: int, candidate: Candidate) -> None:
        request = candidate.ask(self.now)
        if request is None:
            return
        self.after(TIMEOUT, lambda: self.time_out(at, candidate, request))
        if not self.until(at, "lost"):
            self.after(self.latency + self.until(at, "late"), lambda: self.arrive(at, candidate, request))

    def arrive(self, at: int, candidate: Candidate, request: Request) -> None:
        request.answer = self.store.apply(request.step)
        self.after(self.latency + self.until(at, "deaf", "late"), lambda: self.hear(at, candidate, request))

    def hear(self, at: int, candidate: Candidate, request: Request) -> None:
        if pause := self.until(at, "pause"):
            self.after(pause, lambda: self.hear(at, candidate, request))
        elif candidate.waiting is request:
            candidate.hear(self.now)
            self.wake(at, candidate)

    def time_out(self, at: int, candidate: Candidate, request: Request) -> None:
        if pause := self.until(at, "pause"):  # an answer that came meanwhile is read first
            self.after(pause + 0.001, lambda: self.time_out(at, candidate, request))
        elif candidate.waiting is request:
            candidate.time_out(self.now)
            self.wake(at, candidate)

    def strike(self, trouble: Trouble) -> None:
        at = max(0, trouble.victim) % len(self.candidates)
        candidate = self.candidates[at]
        if trouble.kind == "delete":
            if all(each.elector.holder for each in self.candidates):
                self.store.lease = None
        elif trouble.kind == "restart":
            self.replace(at, candidate)
        elif trouble.kind == "resign":
            candidate.waiting = None
            candidate.elector.resign()
            candidate.elector.due = -inf
            self.wake(at, candidate)
            self.after(trouble.length, lambda: self.replace(at, candidate))

    def replace(self, at: int, candidate: Candidate) -> None:
        if self.candidates[at] is candidate:
            self._serial += 1
            self.candidates[at] = new = Candidate(
                elector(f"e{self._serial}", at / 3), candidate.offset, candidate.speed
            )
            self.wake(at, new)


def troubles(kinds: list[str]) -> st.SearchStrategy[list[Trouble]]:
    one = st.builds(
        Trouble,
        st.sampled_from(kinds),
        st.sampled_from([ALL, 0, 1, 2]),
        st.floats(0, 90),
        st.sampled_from([1.0, 4.5, 8.0, 11.0, 14.0, 17.0, 30.0]) | st.floats(0, 40),
    )
    return st.lists(one, min_size=1, max_size=8)


# A candidate that never saw a Lease makes one at once. So nobody is that new when one is deleted.
@pytest.mark.parametrize("without", ["restart", "delete"])
@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_two_lead_at_any_instant(without: str, data: st.DataObject) -> None:
    kinds = [each for each in KINDS if each != without and (without != "restart" or each != "resign")]
    clock = st.tuples(st.sampled_from([0.0, 1e6]), st.sampled_from([0.95, 1.0, 1.05]))
    clocks = data.draw(st.lists(clock, min_size=2, max_size=3))
    latency = data.draw(st.sampled_from([0.001, 0.3, 1.5]))
    Chaos(clocks, latency, data.draw(troubles(kinds))).run(150)


@given(found=troubles(["pause", "lost", "late", "deaf"]), latency=st.sampled_from([0.001, 0.3]))
@settings(max_examples=100, deadline=None)
def test_somebody_leads_again_when_the_trouble_is_over(found: list[Trouble], latency: float) -> None:
    chaos = Chaos([(0.0, 1.0), (1e6, 1.0)], latency, found)
    over = max(each.end for each in found)
    chaos.run(over + TIMEOUT + TERMS.duration + TERMS.retry * 2)
    assert any(each.leads(chaos.now) for each in chaos.candidates)
