"""The pipeline in slices of work: any interleaving ends in the snapshot of one uninterrupted slice.

Covers interleavings of changes and work, endpoints that overtake routing, and routing and endpoints read together.
Excludes translation (tests/translate) and latency (tests/bench).
"""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_translation import FEW, changes, check, left, objects, outcome, slices
from tests.support.held import as_served, held, others
from tests.support.objects import feed, ingress, key, path, pipeline, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from xds.controlplane.pipeline import Pipeline, Progress
from xds.kube.change import Applied, Batch, Change, Deleted, Listed, Reported
from xds.kube.kinds import KINDS
from xds.kube.objects import EndpointSlice, Ingress, KubeObject, Service
from xds.kube.state import KubeState
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.snapshot.stages import STAGE_SIZE
from xds.snapshot.store import Revision
from xds.translate.options import TranslateOptions

WEB = "default/web/80"
SHOP = (ingress("shop", rule("a.example.com", path("/", "web:80"))), service("web", 80))


def step(of: Pipeline) -> Progress:
    """Do the smallest slice of work."""
    ticks = itertools.count()
    return of.work(lambda: float(next(ticks)), endpoint_seconds=0, routing_seconds=0)


def work(of: Pipeline) -> Iterator[Revision]:
    """The revisions of all pending changes, in the smallest slices."""
    while of.busy:
        revision = step(of).revision
        if revision is not None:
            yield revision


def take(of: Pipeline, *some: Change, read_at: float = 0.0) -> None:
    of.put(Batch(some, read_at))


def applied(*some: KubeObject) -> list[Change]:
    return [Applied(each) for each in some]


def addresses(of: Pipeline, cluster: str = WEB) -> bytes:
    found = of.store.get(ResourceType.ENDPOINTS, cluster)
    assert found is not None
    return found.body


def names(revision: Revision | None) -> set[tuple[str, str]]:
    return {(change.type.short, change.name) for change in revision.changes} if revision else set()


def begun(of: Pipeline, *some: Change) -> None:
    """Start routing for changes, without a revision yet."""
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
def test_any_interleaving_of_changes_and_work_ends_in_the_same_snapshot(
    some: list[KubeObject], rounds: list[tuple[list[Change], list[KubeObject]]], size: int
) -> None:
    """Endpoints come one by one while routing is under way, and while stages of the given size are committed. Held
    Ingresses may differ, and a fresh start with the held ones is the reference then.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xds.controlplane.routing_job.STAGE_SIZE", size)
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
def test_an_interrupted_start_ends_in_the_same_snapshot(some: list[KubeObject], data: st.DataObject) -> None:
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
    assert ("vhds", "http@3/8.example.com") in names(last)
    assert ("eds", WEB) not in names(last)
    assert b"10.0.0.2" in addresses(built)


def test_an_endpoint_change_reaches_each_cluster_of_a_service() -> None:
    balanced = ingress(
        "balanced", rule("b.example.com", path("/", "web:80")), annotations=annotated(load_balance="ewma")
    )
    built = pipeline(*SHOP, balanced, slice_of("web", "10.0.0.1"))
    begun(built, *applied(*many))
    take(built, Applied(slice_of("web", "10.0.0.2")))
    first = next(work(built))
    clusters = {name for _, name in names(first)}
    assert clusters == set(built.store.resources(ResourceType.CLUSTER))
    assert len(clusters) == 2
    assert all(b"10.0.0.2" in addresses(built, name) for name in clusters)


def test_a_cluster_goes_with_the_last_route_that_uses_the_service_so() -> None:
    plain = ingress("balanced", rule("b.example.com", path("/", "web:80")))
    balanced = ingress("balanced", *plain.spec.rules or (), annotations=annotated(load_balance="ewma"))
    built = pipeline(*SHOP, balanced, slice_of("web", "10.0.0.1"))
    assert len(built.store.resources(ResourceType.CLUSTER)) == 2
    take(built, Applied(plain))
    list(work(built))
    assert (
        set(built.store.resources(ResourceType.CLUSTER)) == set(built.store.resources(ResourceType.ENDPOINTS)) == {WEB}
    )


def test_a_later_stage_contains_no_older_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.controlplane.routing_job.STAGE_SIZE", 1)
    both = ("web", "api")
    built = pipeline(ingress("shop", rule("a.example.com", *(path(f"/{name}", f"{name}:80") for name in both))))
    take(built, *applied(*(service(name, 80) for name in both), *(slice_of(name, "10.0.0.1") for name in both)))
    revisions = work(built)
    ((_, first),) = names(next(revisions))
    (later,) = (name for name in both if name not in first)
    take(built, Applied(slice_of(later, "10.0.0.2")))
    stages = [names(revision) for revision in revisions]
    assert stages.count({("eds", f"default/{later}/80")}) == 1
    assert b"10.0.0.2" in addresses(built, f"default/{later}/80")


@pytest.mark.parametrize("service_first", [True, False])
def test_a_renamed_port_keeps_its_endpoints(service_first: bool) -> None:
    """The new name is pending in the Service and in its slice. In between no slice has the port."""
    named = ({"name": name, "port": 8080} for name in ("http", "web"))
    before, after = (slice_of("web", "10.0.0.1", ports=[port]) for port in named)
    built = pipeline(SHOP[0], service("web", "http:80"), before)
    edits = (Applied(service("web", "web:80")), Applied(after))
    for edit in edits if service_first else reversed(edits):
        take(built, edit)
    built.work(lambda: 0.0, endpoint_seconds=1, routing_seconds=1)
    assert not built.busy
    assert b"10.0.0.1" in addresses(built)


def test_the_end_of_routing_brings_no_older_endpoints() -> None:
    """A renamed port makes routing build endpoints, too."""
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(service("web", "http:80"), slice_of("web", "10.0.0.1", ports=["http:8080"]), *many))
    for number in itertools.count(2):
        take(built, Applied(slice_of("web", f"10.0.0.{number}", ports=["http:8080"])))
        if names(step(built).revision) > {("vhds", "http@3/8.example.com")}:
            break
    assert not built.busy
    assert f"10.0.0.{number}".encode() in addresses(built)


def test_endpoints_follow_the_port_in_the_snapshot() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    begun(built, *applied(service("web", "http:80", "metrics:90"), *many))
    for number in itertools.count(2):
        take(built, Applied(slice_of("web", f"10.0.0.{number}")))
        if names(step(built).revision) > {("vhds", "http@3/8.example.com")}:
            break
        assert f"10.0.0.{number}".encode() in addresses(built)
    assert f"10.0.0.{number}".encode() not in addresses(built)


def test_a_removed_backend_keeps_endpoints_until_the_routes_are_removed() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, Deleted(Ingress, key("shop")), *applied(*(ingress(f"i{n}", rule(f"{n}.test")) for n in range(9))))
    for number in range(2, 100):
        take(built, Applied(slice_of("web", f"10.0.0.{number}")))
        step(built)
        assert (built.store.get(ResourceType.ENDPOINTS, WEB) is None) == (
            built.store.get(ResourceType.CLUSTER, WEB) is None
        )
    assert built.store.get(ResourceType.CLUSTER, WEB) is None


def test_endpoint_changes_while_the_using_ingress_is_replaced_are_not_lost() -> None:
    """In between no known Ingress uses the endpoints."""
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, Deleted(Ingress, key("shop")))
    take(built, Applied(ingress("other", rule("b.example.com", path("/", "web:80")))))
    step(built)
    take(built, Applied(slice_of("web", "10.0.0.2")))
    assert list(work(built))
    assert b"10.0.0.2" in addresses(built)


def test_endpoints_read_with_their_service_are_in_the_same_revision() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    both = (service("web", "http:80"), slice_of("web", "10.0.0.2", ports=["http:8080"]))
    take(built, *applied(*many, *both))
    [revision] = work(built)
    assert {("eds", WEB), ("vhds", "http@3/8.example.com")} <= names(revision)


def test_endpoints_deleted_with_their_service_are_in_the_same_revision() -> None:
    built = pipeline(*SHOP, slice_of("web", "10.0.0.1"))
    take(built, *applied(*many), Deleted(Service, key("web")), Deleted(EndpointSlice, key("web-1")))
    [revision] = work(built)
    assert {("cds", WEB), ("eds", WEB), ("vhds", "http@3/8.example.com")} <= names(revision)


def test_newer_endpoints_replace_endpoints_pending_with_their_service() -> None:
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


def test_a_revision_has_the_read_time_of_its_oldest_change() -> None:
    built = pipeline(*SHOP)
    for second, each in enumerate(many, 7):
        take(built, Applied(each), read_at=second)
    [revision] = work(built)
    assert revision.read_at == 7


def test_progress_lists_changes_when_their_routing_is_done() -> None:
    built = pipeline(*SHOP)
    each = applied(*many)
    take(built, *each)
    done: list[Iterable[Change]] = []
    while built.busy:
        done.append(step(built).changes)
    assert [some for some in done if some] == [tuple(each)]


def test_the_problem_delta_is_empty_while_routing_is_under_way() -> None:
    built = pipeline(*SHOP)
    built.take_problem_delta()
    problem = Problem(ObjectRef("File", "", "x"), Reason.MALFORMED_FILE, "The file is broken.", "Correct the file.")
    begun(built, Reported((problem,)), *applied(*many))
    while built.busy:
        assert not built.take_problem_delta().appeared
        step(built)
    assert built.take_problem_delta().appeared == (problem,)
