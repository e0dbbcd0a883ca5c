"""The hold on Ingresses whose IngressClass turned away, for any changes in any batches.

Covers: the snapshot equals a fresh start in which held Ingresses are ours; only Ingresses served before with the same
class are held; without them no cluster or no Secret would be left; a change of classes alone takes the last of neither.
Excludes: problems (tests/controlplane/test_withdrawal).
"""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_translation import FEW, check, outcome
from tests.support.held import as_served, held, others
from tests.support.objects import (
    feed,
    ingress,
    ingress_class,
    key,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.snapshot.resource import ResourceType

LAST = (ResourceType.CLUSTER, ResourceType.SECRET)


def _shop(name: str, class_name: str | None, host: str, to: str, certificate: str | None) -> Ingress:
    entries = [tls(host, secret=certificate)] if certificate else None
    return ingress(name, rule(host, path(f"/{name}", to)), class_name=class_name, tls=entries)


ingresses = st.builds(
    _shop,
    st.sampled_from(["one", "two", "three"]),
    st.sampled_from(["envoy", "edge", None]),
    st.sampled_from(["a.test", "b.test"]),
    st.sampled_from(["web", "api", "ghost"]),
    st.sampled_from([None, "cert", "nowhere"]),
)
controllers = st.sampled_from([ingress_class().spec.controller, "example.com/other"])
classes = st.builds(
    lambda name, controller, default: ingress_class(name, controller, default=default),
    st.sampled_from(["envoy", "edge"]),
    controllers,
    st.booleans(),
)
beside: st.SearchStrategy[KubeObject] = st.sampled_from(
    [service("web"), service("api"), secret("cert"), slice_of("web", "10.0.0.1")]
)
deletions = st.sampled_from(
    [
        *(Deleted(Ingress, key(name)) for name in ("one", "two", "three")),
        *(Deleted(IngressClass, Key("", name)) for name in ("envoy", "edge")),
        Deleted(Service, key("web")),
        Deleted(Secret, key("cert")),
    ]
)
turns: st.SearchStrategy[Change] = classes.map(Applied)
changes = st.one_of(turns, turns, ingresses.map(Applied), beside.map(Applied), deletions)
worlds = st.tuples(st.lists(ingresses, min_size=1, max_size=3), st.lists(classes, max_size=2))
BESIDE: tuple[KubeObject, ...] = (service("web"), service("api"), secret("cert"))


@dataclass
class World:
    """A pipeline, and the objects given to the pipeline."""

    objects: dict[tuple[type[KubeObject], Key], KubeObject] = field(default_factory=dict)
    pipeline: Pipeline = field(default_factory=lambda: pipeline(claim_classless=True))

    def begin(self, *objects: KubeObject) -> None:
        self.feed(*map(Applied, objects))

    def feed(self, *some: Change) -> None:
        feed(self.pipeline, *some)
        for change in some:
            match change:
                case Applied(object=each):
                    self.objects[type(each), each.key] = each
                case Deleted(kind=kind, key=gone):
                    self.objects.pop((kind, gone), None)

    def served(self) -> set[Key]:
        state: KubeState = self.pipeline.state
        return {each.key for each in state.ingresses() if state.ingress(each.key)}

    def class_of(self, name: Key) -> str | None:
        found = self.objects[Ingress, name]
        assert isinstance(found, Ingress)
        return found.spec.ingress_class_name

    def last(self) -> set[ResourceType]:
        """Return the types with resources."""
        return {type_ for type_ in LAST if self.pipeline.store.resources(type_)}

    def check(self) -> None:
        of, holding = self.pipeline, held(self.pipeline)
        fresh = pipeline(*as_served(self.objects.values(), holding), claim_classless=True)
        assert outcome(of) == outcome(fresh)
        assert others(of) == fresh.problems
        assert bool(of.problem_reasons.get(Reason.WITHDRAWAL_HELD)) == bool(holding)
        check(of)
        if holding:
            bare = World()
            bare.begin(*self.objects.values())
            assert self.last() - bare.last(), "nothing needs it"


@FEW
@given(worlds, st.lists(st.lists(changes, min_size=1, max_size=4), max_size=6))
def test_the_snapshot_is_a_fresh_start_with_held_ingresses_as_ours(
    world: tuple[list[Ingress], list[IngressClass]], batches: list[list[Change]]
) -> None:
    it = World()
    it.begin(*BESIDE, *world[1], *world[0])
    assert not held(it.pipeline)
    for batch in batches:
        before = {each: it.class_of(each) for each in it.served()}
        it.feed(*batch)
        it.check()
        assert {each: it.class_of(each) for each in held(it.pipeline)}.items() <= before.items()


@FEW
@given(worlds, st.lists(st.lists(turns, min_size=1, max_size=3), max_size=4))
def test_classes_never_withdraw_the_last_cluster_or_secret(
    world: tuple[list[Ingress], list[IngressClass]], batches: list[list[Change]]
) -> None:
    it = World()
    it.begin(*BESIDE, *world[1], *world[0])
    there = it.last()
    for batch in batches:
        it.feed(*batch)
        assert it.last() >= there
        there = it.last()


@FEW
@given(worlds, st.lists(st.lists(turns, min_size=1, max_size=3), max_size=4))
def test_restored_classes_send_no_response(
    world: tuple[list[Ingress], list[IngressClass]], batches: list[list[Change]]
) -> None:
    """While every Ingress is held, proxies get nothing, and neither when the classes are restored."""
    it = World()
    ours = [ingress_class(name, default=True) for name in ("envoy", "edge")]
    it.begin(*BESIDE, *ours, *world[0])
    revision, everything = it.pipeline.store.revision, it.served()
    for batch in batches:
        it.feed(*batch)
        if it.served() != everything:
            return
    it.feed(*map(Applied, ours))
    assert it.pipeline.store.revision == revision
    assert not held(it.pipeline)
