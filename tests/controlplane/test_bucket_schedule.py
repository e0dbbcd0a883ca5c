"""The times at which proxies get other buckets, which start all counts anew.

Covers: the schedule by itself, and in the pipeline. Excludes: the counts (tests/e2e/test_rate_limits.py).
"""

from math import inf

from tests.support.objects import ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.controlplane.bucket_schedule import CHANGES_TOGETHER_SECONDS, BucketSchedule
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import Ingress
from xds.kube.state import KubeState
from xds.resources import names
from xds.resources.filters.rate_limits import rates_of
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision
from xds.traffic.rate_limits import Rate
from xds.translate.options import TranslateOptions

A, B, C = Rate(1, 1, 5), Rate(2, 1, 10), Rate(3, 1, 15)
WAIT = CHANGES_TOGETHER_SECONDS


def some(*rates: Rate) -> frozenset[Rate]:
    return frozenset(rates)


def started(*rates: Rate) -> BucketSchedule:
    schedule = BucketSchedule()
    assert schedule.advance(some(*rates), 100.0) == some(*rates)
    return schedule


def test_the_first_new_rate_waits_for_nothing() -> None:
    schedule = started()
    assert schedule.advance(some(A), 100.0) == some(A)
    assert schedule.due == inf


def test_later_new_rates_come_together() -> None:
    schedule = started()
    schedule.advance(some(A), 101.0)
    assert schedule.advance(some(A, B), 102.0) is None
    assert schedule.due == 101.0 + WAIT
    assert schedule.advance(some(A, B, C), 105.0) is None
    assert schedule.advance(some(A, B, C), 101.0 + WAIT) == some(A, B, C)
    assert schedule.due == inf
    assert schedule.advance(some(A, B, C), 200.0) is None


def test_a_rate_without_routes_waits_for_others() -> None:
    schedule = started(A, B)
    assert schedule.advance(some(A), 200.0) is None
    assert schedule.due == 200.0 + WAIT
    assert schedule.advance(some(A), 200.0 + WAIT) == some(A)


def test_a_new_rate_takes_those_along_that_wait() -> None:
    schedule = started(A, B)
    assert schedule.advance(some(A), 200.0) is None
    assert schedule.advance(some(A, C), 201.0) == some(A, C)
    assert schedule.due == inf


def test_a_rate_that_comes_back_changes_nothing() -> None:
    schedule = started(A, B)
    schedule.advance(some(A), 200.0)
    assert schedule.advance(some(A, B), 201.0) is None
    assert schedule.due == inf


def limited(name: str, rps: int | None) -> Ingress:
    annotations = annotated(limit_rps=str(rps)) if rps else None
    return ingress(name, rule(f"{name}.example.com", path("/")), annotations=annotations)


class Fed:
    """A pipeline under a clock of the test."""

    def __init__(self, *ingresses: Ingress) -> None:
        self.now = 1000.0
        self.pipeline = Pipeline(KubeState(), TranslateOptions(), ProxyOptions())
        self.change(*map(Listed, KINDS), *map(Applied, (service("web"), *ingresses)))

    def change(self, *changes: Change) -> Revision | None:
        return self.pipeline.apply([Batch(changes, self.now)], self.now)

    def wait(self, seconds: float) -> list[str]:
        """The types that change when time passes."""
        self.now += seconds
        self.pipeline.note_buckets(self.now)
        if not self.pipeline.busy:
            return []
        revision = self.pipeline.work(lambda: self.now).revision
        return [type_.short for type_ in revision.by_type] if revision else []

    @property
    def rates(self) -> set[Rate]:
        resource = self.pipeline.store.get(ResourceType.EXTENSION, names.RATE_LIMITS)
        assert resource is not None
        return rates_of(resource.body)


def types(revision: Revision | None) -> set[str]:
    return {type_.short for type_ in revision.by_type} if revision else set()


def test_the_buckets_exist_without_a_rate() -> None:
    """A listener that names them waits for them."""
    assert Fed().rates == set()


def test_the_pipeline_sends_new_rates_with_their_routes() -> None:
    fed = Fed(limited("a", 1))
    assert fed.rates == {A}
    assert types(fed.change(Applied(limited("b", 1)))) == {"vhds"}
    assert types(fed.change(Applied(limited("b", 2)))) == {"vhds", "ecds"}
    assert fed.rates == some(A, B)


def test_the_pipeline_sends_waiting_rates_in_time() -> None:
    fed = Fed(limited("a", 1))
    fed.change(Applied(limited("b", 2)))
    fed.now += 1
    assert types(fed.change(Applied(limited("c", 3)))) == {"vhds"}
    assert fed.pipeline.next_buckets_seconds(fed.now) == WAIT - 1
    assert fed.wait(WAIT - 1.1) == []
    assert fed.wait(0.2) == ["ecds"]
    assert fed.rates == {A, B, C}
    assert fed.pipeline.next_buckets_seconds(fed.now) == inf
    assert fed.wait(100) == []


def test_the_pipeline_drops_rates_without_routes_later() -> None:
    fed = Fed(limited("a", 1), limited("b", 2))
    assert "ecds" not in types(fed.change(Deleted(Ingress, limited("b", 2).key)))
    assert fed.rates == {A, B}
    assert fed.wait(WAIT) == ["ecds"]
    assert fed.rates == some(A)


def test_equal_objects_make_equal_buckets_whatever_came_before() -> None:
    fed = Fed(limited("a", 1))
    fed.change(Applied(limited("b", 2)))
    fed.change(Applied(limited("b", 3)))
    fed.wait(WAIT)
    fresh = Fed(limited("b", 3), limited("a", 1))
    version = (ResourceType.EXTENSION, names.RATE_LIMITS)
    assert fed.pipeline.store.get(*version) == fresh.pipeline.store.get(*version)
