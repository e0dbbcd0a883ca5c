"""The pipeline a while at a time: whatever waits, overtakes and is interrupted, it ends where one go ends.

Covers: any interleaving of changes and work; endpoints that overtake routing; routing and endpoints that were read
together. Excludes: what is translated (tests/translate), and that nobody is kept waiting (tests/bench).
"""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_translation import FEW, changes, check, left, objects, outcome, slices
from tests.support.held import as_served, held, others
from tests.support.objects import feed, ingress, key, path, pipeline, rule, service, slice_of
from xds.controlplane.pipeline import Pipeline, Progress
from xds.kube.change import Applied, Batch, Change, Deleted, Listed, Reported
from xds.kube.objects import KINDS, EndpointSlice, Ingress, KubeObject, Service
from xds.kube.state import KubeState
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.snapshot.stages import STAGE_SIZE
from xds.snapshot.store import Revision
from xds.translate.translator import TranslateOptions

WEB = "default/web/80"
SHOP = (ingress("shop", rule("a.example.com", path("/", "web:80"))), service("web", 80))


def step(of: Pipeline) -> Progress:
    """The least that can be done at a time."""
    ticks = itertools.count()
    return of.work(lambda: float(next(ticks)), urgent=0, routing=0)


def work(of: Pipeline) -> Iterator[Revision]:
    """The revisions that what waits comes to, bit by bit."""
    while of.busy:
        revision = step(of).revision
        if revision is not None:
            yield revision


def take(of: Pipeline, *some: Change, read_at: float = 0.0) -> None:
    of.take(Batch(some, read_at))


def applied(*some: KubeObject) -> list[Change]:
    return [Applied(each) for each in some]


def addresses(of: Pipeline, cluster: str = WEB) -> bytes:
    found = of.store.get(ResourceType.ENDPOINTS, cluster)
    assert found is not None
    return found.body


def names(revision: Revision | None) -> set[tuple[str, str]]:
    return {(change.type.short, change.name) for change in revision.changes} if revision else set()


def begun(of: Pipeline, *some: Change) -> None:
    """Routing for these is under way, with nothing to show yet."""
    take(of, *some)
    assert step(of).revision is None
    assert of.busy


many = tuple(ingress(f"more-{number}", rule(f"{number}.example.com", path("/", "web:80"))) for number in range(9))


@FEW
@given(
    st.lists(objects, max_size=6),
    st.lists(st.tuples(st.lists(changes, max_size=4), st.lists(slices, max_size=8)), max_size=3),
    st.sampled_from([1, 2, STAGE_SIZE]),
)
def test_any_interleaving_ends_in_the_same_snapshot(
    some: list[KubeObject], rounds: list[tuple[list[Change], list[KubeObject]]], size: int
) -> None:
    """Endpoints come one by one while routing is under way, and while its portions of that size are committed. What is
    held may differ, and so it is compared with what a fresh start would make of it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xds.controlplane.pipeline.STAGE_SIZE", size)
        interleave(some, rounds)


def interleave(some: list[KubeObject], rounds: list[tuple[list[Change], list[KubeObject]]]) -> None:
    whole, bitwise = (pipeline(*some, claim_classless=True) for _ in range(2))
    steps = applied(*some)
    for batch, urgent in rounds:
        steps += [*batch, *applied(*urgent)]
        for each in [batch, *map(applied, urgent)]:
            feed(whole, *each)
            take(bitwise, *each)
            if step(bitwise).revision is not None:
                check(bitwise, complete=not bitwise.busy)
    for _ in work(bitwise):
        check(bitwise, complete=not bitwise.busy)
    if held(bitwise) != held(whole):
        whole = pipeline(*as_served(left(steps), held(bitwise)), claim_classless=True)
    assert outcome(bitwise) == outcome(whole)
    assert others(bitwise) == others(whole)


@FEW
@given(st.lists(objects, max_size=8), st.data())
def test_a_start_that_is_interrupted_ends_in_the_same_snapshot(some: list[KubeObject], data: st.DataObject) -> None:
    first: list[Change] = [*applied(*some), *map(Listed, KINDS)]
    whole = _empty()
    feed(whole, *first)
    bitwise = _empty()
    for change in first:
        take(bitwise, change)
        for _ in range(data.draw(st.integers(0, 3))):
            step(bitwise)
    list(work(bitwise))
    assert bitwise.ready
    assert outcome(bitwise) == outcome(whole)


def _empty() -> Pipeline:
    return Pipeline(KubeState(claim_classless=True), TranslateOptions(), ProxyOptions())


def test_endpoints_overtake_routing() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(*many))
    take(built, Applied(slice_of("web", "10.0.0.2")))
    first, *_, last = work(built)
    assert names(first) == {("eds", WEB)}
    assert ("vhds", "http/8.example.com") in names(last)
    assert ("eds", WEB) not in names(last)
    assert b"10.0.0.2" in addresses(built)


def test_a_portion_that_is_told_later_has_no_older_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.controlplane.pipeline.STAGE_SIZE", 1)
    both = ("web", "api")
    built = pipeline(ingress("shop", rule("a.example.com", *(path(f"/{name}", f"{name}:80") for name in both))))
    take(built, *applied(*(service(name, 80) for name in both), *(slice_of(name, "10.0.0.1") for name in both)))
    revisions = work(built)
    ((_, first),) = names(next(revisions))
    (later,) = (name for name in both if name not in first)
    take(built, Applied(slice_of(later, "10.0.0.2")))
    told = [names(revision) for revision in revisions]
    assert told.count({("eds", f"default/{later}/80")}) == 1
    assert b"10.0.0.2" in addresses(built, f"default/{later}/80")


@pytest.mark.parametrize("service_first", [True, False])
def test_endpoints_that_are_as_before_outlive_those_of_the_backend_as_it_was(service_first: bool) -> None:
    """A port gets another name, in the Service and in its slice, and both wait: in between no slice has the port."""
    named = ({"name": name, "port": 8080} for name in ("http", "web"))
    before, after = (slice_of("web", "10.0.0.1", ports=[port]) for port in named)
    built = pipeline(SHOP[0], service("web", "http:80"), before)
    edits = (Applied(service("web", "web:80")), Applied(after))
    for edit in edits if service_first else reversed(edits):
        take(built, edit)
    built.work(lambda: 0.0, urgent=1, routing=1)
    assert not built.busy
    assert b"10.0.0.1" in addresses(built)


def test_routing_that_is_done_later_has_no_older_endpoints() -> None:
    """The Service's port gets another name, and so the endpoints are built with the routing."""
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(service("web", "http:80"), slice_of("web", "10.0.0.1", ports=["http:8080"]), *many))
    for number in itertools.count(2):
        take(built, Applied(slice_of("web", f"10.0.0.{number}", ports=["http:8080"])))
        if names(step(built).revision) > {("vhds", "http/8.example.com")}:
            break
    assert not built.busy
    assert f"10.0.0.{number}".encode() in addresses(built)


def test_endpoints_are_of_the_port_that_is_routed_to() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(service("web", "http:80"), *many))
    for number in itertools.count(2):
        take(built, Applied(slice_of("web", f"10.0.0.{number}")))
        if names(step(built).revision) > {("vhds", "http/8.example.com")}:
            break
        assert f"10.0.0.{number}".encode() in addresses(built)
    assert f"10.0.0.{number}".encode() not in addresses(built)


def test_a_backend_that_goes_keeps_its_endpoints_until_the_routes_are_gone() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, Deleted(Ingress, key("shop")), *applied(*(ingress(f"i{n}", rule(f"{n}.test")) for n in range(9))))
    for number in range(2, 100):
        take(built, Applied(slice_of("web", f"10.0.0.{number}")))
        step(built)
        assert (built.store.get(ResourceType.ENDPOINTS, WEB) is None) == (
            built.store.get(ResourceType.CLUSTER, WEB) is None
        )
    assert built.store.get(ResourceType.CLUSTER, WEB) is None


def test_endpoints_that_change_while_their_user_is_replaced_are_not_lost() -> None:
    """In between nothing that is known uses them."""
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, Deleted(Ingress, key("shop")))
    take(built, Applied(ingress("other", rule("b.example.com", path("/", "web:80")))))
    step(built)
    take(built, Applied(slice_of("web", "10.0.0.2")))
    assert list(work(built))
    assert b"10.0.0.2" in addresses(built)


def test_endpoints_that_were_read_with_their_service_go_with_it() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    both = (service("web", "http:80"), slice_of("web", "10.0.0.2", ports=["http:8080"]))
    take(built, *applied(*many, *both))
    [revision] = work(built)
    assert {("eds", WEB), ("vhds", "http/8.example.com")} <= names(revision)


def test_endpoints_that_go_with_their_service_go_with_it() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, *applied(*many), Deleted(Service, key("web")), Deleted(EndpointSlice, key("web-1")))
    [revision] = work(built)
    assert {("cds", WEB), ("eds", WEB), ("vhds", "http/8.example.com")} <= names(revision)


def test_newer_endpoints_replace_those_that_wait_with_their_service() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(*many, service("web", 80, 81), slice_of("web", "10.0.0.2")))
    take(built, Applied(slice_of("web", "10.0.0.3")))
    for _ in work(built):
        assert b"10.0.0.2" not in addresses(built)
    assert b"10.0.0.3" in addresses(built)


def test_a_burst_is_one_revision() -> None:
    built = pipeline(*SHOP)
    begun(built, *applied(many[0]))
    for each in many[1:]:
        take(built, Applied(each))
    assert len(list(work(built))) <= 2


def test_the_oldest_reading_counts() -> None:
    built = pipeline(*SHOP)
    for second, each in enumerate(many, 7):
        take(built, Applied(each), read_at=second)
    [revision] = work(built)
    assert revision.read_at == 7


def test_what_was_routed_is_told_when_it_is_done() -> None:
    built = pipeline(*SHOP)
    each = applied(*many)
    take(built, *each)
    told: list[Iterable[Change]] = []
    while built.busy:
        told.append(step(built).changes)
    assert [some for some in told if some] == [tuple(each)]


def test_no_news_while_routing_is_under_way() -> None:
    built = pipeline(*SHOP)
    built.take_news()
    problem = Problem(ObjectRef("File", "", "x"), Reason.MALFORMED_FILE, "It is broken.", "Mend it.")
    begun(built, Reported((problem,)), *applied(*many))
    while built.busy:
        assert not built.take_news().appeared
        step(built)
    assert built.take_news().appeared == (problem,)
