"""Deletions that wait for the object to be created again, with a clock of the test's own.

Excludes: a real `kubectl replace --force` (tests/cluster/test_replace_force.py).
"""

from dataclasses import dataclass, field
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_translation import FEW, changes, check, left, objects, outcome, slices
from tests.support.gateway_objects import gateway_object, http_route, reference_grant, to
from tests.support.held import as_served, held, others
from tests.support.objects import (
    certificate,
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
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.delayed_deletions import LONGEST_GRACES
from xds.kube.gateway_objects import Gateway, GatewayAddress, GatewayClass, GatewayRecord
from xds.kube.kinds import KINDS
from xds.kube.objects import EndpointSlice, Ingress, KubeObject, Secret, Service
from xds.kube.state import KubeState
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.options import TranslateOptions

GRACE = 0.5
HOST, CLUSTER = "a.example.com", "default/web/80"
SHOP = ingress("shop", rule(HOST, path("/", "web:80")), tls=[tls(HOST, secret="cert")])
WORLD = (
    SHOP,
    service("web", 80),
    slice_of("web", "10.0.0.1"),
    secret("cert", certificate(HOST)),
    ingress_class("envoy"),
)


@dataclass
class World:
    """A pipeline whose deletions wait, at a time of the test's choice."""

    now: float = 100.0
    pipeline: Pipeline = field(
        default_factory=lambda: Pipeline(
            KubeState(claim_classless=True), TranslateOptions(), ProxyOptions(), deletion_grace_seconds=GRACE
        )
    )

    def feed(self, *some: Change, after: float = 0.0) -> bool:
        """Whether a batch that is read after some seconds makes a revision."""
        self.now += after
        return self.pipeline.apply([Batch(some, self.now)] if some else [], self.now) is not None

    def delete(self, *some: KubeObject, after: float = 0.0) -> bool:
        return self.feed(*(Deleted(type(each), each.key) for each in some), after=after)

    def apply(self, *some: KubeObject, after: float = 0.0) -> bool:
        return self.feed(*map(Applied, some), after=after)

    @property
    def waits(self) -> bool:
        return self.pipeline.next_deletion_seconds(self.now) < inf

    @property
    def endpoints(self) -> bytes:
        found = self.pipeline.store.get(ResourceType.ENDPOINTS, CLUSTER)
        return found.body if found else b""


@pytest.fixture
def world() -> World:
    made = World()
    made.feed(*map(Applied, WORLD), *map(Listed, KINDS))
    assert made.endpoints
    return made


def again(of: KubeObject) -> KubeObject:
    """The object as created anew."""
    return msgspec.structs.replace(of, metadata=msgspec.structs.replace(of.metadata, uid="new"))


@pytest.mark.parametrize("index", [0, 1, 3, 4], ids=["Ingress", "Service", "Secret", "IngressClass"])
def test_an_object_created_again_in_time_changes_nothing(world: World, index: int) -> None:
    before = outcome(world.pipeline)
    assert not world.delete(WORLD[index])
    assert world.pipeline.next_deletion_seconds(world.now) == GRACE
    assert not world.apply(again(WORLD[index]), after=GRACE - 0.125)
    assert not world.feed(after=GRACE)
    assert outcome(world.pipeline) == before
    assert not world.waits
    assert not world.pipeline.busy
    found = world.pipeline.state.find(WORLD[index].ref)
    assert found is not None
    assert found.metadata.uid == "new"
    assert world.pipeline.take_created_again() == {WORLD[index].ref}
    assert not world.pipeline.take_created_again()


@pytest.mark.parametrize("index", [0, 1, 3], ids=["Ingress", "Service", "Secret"])
def test_a_deletion_counts_after_the_wait(world: World, index: int) -> None:
    assert not world.delete(WORLD[index])
    assert not world.pipeline.take_problem_delta().appeared
    assert not world.pipeline.take_created_again()
    assert not world.feed(after=GRACE - 0.125)
    assert world.feed(after=0.125)
    assert not world.waits
    fresh = pipeline(*WORLD[:index], *WORLD[index + 1 :], claim_classless=True)
    assert world.pipeline.problems == fresh.problems


GATEWAY_WORLD = (
    gateway_object(GatewayClass, "envoy", "", controllerName=CONTROLLER),
    gateway_object(
        Gateway, "edge", gatewayClassName="envoy", listeners=[{"name": "http", "port": 80, "protocol": "HTTP"}]
    ),
    http_route(to("other/web"), parentRefs=[{"name": "edge"}]),
    reference_grant("other"),
    service("web", 80, ns="other"),
)


@pytest.mark.parametrize("of", GATEWAY_WORLD[:4], ids=lambda of: of.kind)
def test_an_object_of_the_gateway_api_created_again_in_time_changes_nothing(of: KubeObject) -> None:
    options = TranslateOptions(gateway=GatewayOptions(addresses=("192.0.2.1",)))
    world = World(pipeline=Pipeline(KubeState(), options, ProxyOptions(), deletion_grace_seconds=GRACE))
    world.feed(*map(Applied, GATEWAY_WORLD), *map(Listed, KINDS))
    before = outcome(world.pipeline)
    assert "tcp/192.0.2.1:80" in world.pipeline.store.resources(ResourceType.LISTENER)
    assert not world.delete(of)
    assert not world.apply(again(of), after=GRACE - 0.125)
    assert not world.feed(after=GRACE)
    assert outcome(world.pipeline) == before
    assert not world.delete(of)
    assert world.feed(after=GRACE)
    assert outcome(world.pipeline) != before


def test_a_gateway_created_again_in_time_keeps_the_address_that_its_status_recorded() -> None:
    """The status of the new object is empty. Without a record, listeners would wait for the leader's write."""
    options = TranslateOptions(gateway=GatewayOptions(addresses=("192.0.2.1", "192.0.2.2"), records=True))
    world = World(pipeline=Pipeline(KubeState(), options, ProxyOptions(), deletion_grace_seconds=GRACE))
    fresh = GATEWAY_WORLD[1]
    recorded = msgspec.structs.replace(fresh, status=GatewayRecord((GatewayAddress("192.0.2.2"),)))
    world.feed(*map(Applied, (GATEWAY_WORLD[0], recorded, *GATEWAY_WORLD[2:])), *map(Listed, KINDS))
    assert "tcp/192.0.2.2:80" in world.pipeline.store.resources(ResourceType.LISTENER)
    world.delete(recorded)
    assert not world.apply(again(fresh), after=GRACE - 0.125)
    assert "tcp/192.0.2.2:80" in world.pipeline.store.resources(ResourceType.LISTENER)
    assert not world.delete(recorded, after=GRACE)
    assert world.feed(after=GRACE)
    world.apply(again(fresh))
    assert not [each for each in world.pipeline.store.resources(ResourceType.LISTENER) if each.startswith("tcp/")]


def test_a_deletion_of_a_class_counts_after_the_wait(world: World) -> None:
    foreign = ingress("foreign", rule("b.example.com", path("/", "web:80")), class_name="edge")
    world.apply(foreign, ingress_class("edge"))
    assert world.pipeline.state.ingress(foreign.key)
    assert not world.delete(ingress_class("edge"))
    assert world.feed(after=GRACE)
    assert not world.pipeline.state.ingress(foreign.key)


def test_a_second_deletion_waits_from_its_own_time(world: World) -> None:
    world.delete(SHOP)
    world.apply(again(SHOP), after=0.25)
    world.delete(SHOP, after=0.125)
    assert not world.feed(after=0.375)
    assert world.feed(after=0.125)


def test_a_deletion_between_two_creations_of_one_batch_changes_nothing(world: World) -> None:
    gone = Deleted(Ingress, SHOP.key)
    assert not world.feed(gone, Applied(again(SHOP)), gone, Applied(again(SHOP)))
    assert not world.waits


def test_a_deletion_after_a_creation_of_the_same_batch_waits(world: World) -> None:
    for each in (SHOP, WORLD[1]):
        gone = Deleted(type(each), each.key)
        world.feed(gone, Applied(again(each)), gone)
        assert world.pipeline.state.find(each.ref)
        world.feed(after=GRACE)
        assert not world.pipeline.state.find(each.ref)


def test_other_changes_do_not_wait_for_a_deletion(world: World) -> None:
    world.delete(SHOP)
    assert world.apply(ingress("more", rule("b.example.com", path("/", "web:80"))))
    assert world.apply(slice_of("web", "10.0.0.2"))
    assert world.pipeline.state.ingress(SHOP.key)


def test_endpoints_of_a_service_that_stays_go_at_once(world: World) -> None:
    assert world.delete(WORLD[2])
    assert not world.waits


def test_endpoints_of_a_deleted_service_stay_until_the_new_ones_come(world: World) -> None:
    """The order that a real API server shows: Service, slice, Service, slice of another name."""
    before = world.endpoints
    world.delete(WORLD[1])
    assert not world.delete(WORLD[2], after=0.01)
    assert not world.apply(again(WORLD[1]), after=0.2)
    assert world.endpoints == before
    new = slice_of("web", "10.0.0.2", name="web-2")
    assert world.apply(new, after=0.01)
    assert b"10.0.0.2" in world.endpoints
    assert b"10.0.0.1" not in world.endpoints
    assert not world.waits
    assert world.delete(new)


def test_old_endpoints_stay_when_the_new_slice_is_empty(world: World) -> None:
    world.delete(WORLD[1])
    world.delete(WORLD[2])
    world.apply(again(WORLD[1]), after=0.2)
    world.apply(slice_of("web", name="web-2"), after=0.01)
    assert b"10.0.0.1" in world.endpoints
    world.feed(after=GRACE)
    assert b"10.0.0.1" not in world.endpoints


def test_endpoints_of_a_service_without_new_slices_go_after_the_wait(world: World) -> None:
    world.delete(WORLD[1])
    world.delete(WORLD[2])
    world.apply(again(WORLD[1]), after=0.375)
    for _ in range(3):  # further changes of the Service begin no new wait
        world.apply(replace_labels(WORLD[1]), after=0.125)
    assert b"10.0.0.1" in world.endpoints
    assert world.feed(after=0.125)
    assert b"10.0.0.1" not in world.endpoints


def replace_labels(of: KubeObject) -> KubeObject:
    metadata = msgspec.structs.replace(of.metadata, uid="newer", labels={"a": "b"})
    return msgspec.structs.replace(of, metadata=metadata)


def test_a_slice_that_changes_its_service_is_not_deleted_later(world: World) -> None:
    world.delete(WORLD[1])
    world.delete(WORLD[2])
    moved = slice_of("api", "10.0.0.9", name=WORLD[2].metadata.name)
    world.apply(moved, service("api", 80))
    world.feed(after=2 * GRACE)
    assert list(world.pipeline.state.slices(key("api"))) == [moved]


def test_a_service_goes_with_its_endpoints_in_one_revision(world: World) -> None:
    assert not world.delete(WORLD[2], WORLD[1])
    number = world.pipeline.store.revision
    assert world.feed(after=GRACE)
    assert world.pipeline.store.revision == number + 1
    assert not list(world.pipeline.state.slices(key("web")))


def test_a_renamed_ingress_takes_its_paths_over_at_once(world: World) -> None:
    renamed = ingress("renamed", rule(HOST, path("/", "web:80")), tls=[tls(HOST, secret="cert")])
    world.delete(SHOP)
    world.apply(renamed, after=0.1)
    assert not world.waits
    assert not world.pipeline.problems
    assert not world.pipeline.state.ingress(SHOP.key)


def test_a_renamed_ingress_of_one_batch_takes_its_paths_over_at_once(world: World) -> None:
    renamed = ingress("renamed", rule(HOST, path("/", "web:80")))
    for some in ((Applied(renamed), Deleted(Ingress, SHOP.key)), (Deleted(Ingress, renamed.key), Applied(SHOP))):
        world.feed(*some)
        assert not world.waits
        assert not world.pipeline.problems


def test_an_edited_ingress_that_shares_a_path_takes_nothing_over(world: World) -> None:
    """A canary, for example, whose weight changes during the replacement."""
    canary = ingress("canary", rule(HOST, path("/", "web:80")))
    world.apply(canary)
    world.delete(SHOP)
    world.apply(replace_labels(canary), after=0.1)
    assert world.waits
    assert world.pipeline.state.ingress(SHOP.key)


def test_ingresses_of_one_host_replaced_together_stay(world: World) -> None:
    other = ingress("other", rule(HOST, path("/other", "web:80"), path("/", "web:80")))
    world.apply(other)
    world.delete(SHOP, other)
    for each in (SHOP, other):
        world.apply(again(each), after=0.2)
        assert world.pipeline.state.ingress(SHOP.key)
        assert world.pipeline.state.ingress(other.key)
    assert not world.waits


def test_objects_deleted_together_wait_for_the_last_creation(world: World) -> None:
    """kubectl deletes all objects of a file, one by one, before it creates the first one."""
    before = outcome(world.pipeline)
    files = (WORLD[1], SHOP, WORLD[3])
    for each in files:
        assert not world.delete(each, after=0.375)
    for each in files:
        assert not world.apply(again(each), after=0.25)
    assert not world.feed(after=GRACE)
    assert outcome(world.pipeline) == before
    assert not world.waits


def test_objects_deleted_together_go_in_one_revision(world: World) -> None:
    number = world.pipeline.store.revision
    for each in (WORLD[1], WORLD[2], SHOP, WORLD[3]):
        assert not world.delete(each, after=0.125)
    assert world.feed(after=GRACE)
    assert world.pipeline.store.revision == number + 1
    assert not world.pipeline.problems


def test_deletions_that_follow_do_not_defer_a_deletion_for_ever(world: World) -> None:
    world.delete(SHOP)
    for number in range(LONGEST_GRACES):
        assert world.pipeline.state.ingress(SHOP.key)
        world.delete(service(f"other-{number}"), after=GRACE - 0.125)
    world.delete(service("last"), after=GRACE)
    assert not world.pipeline.state.ingress(SHOP.key)
    assert world.waits


def test_deletions_in_other_namespaces_do_not_defer_a_deletion(world: World) -> None:
    world.delete(SHOP)
    world.delete(service("other", ns="team"), after=0.375)
    assert world.feed(after=0.125)
    assert world.pipeline.next_deletion_seconds(world.now) == 0.375


def test_no_deletion_waits_without_a_grace() -> None:
    of = pipeline(*WORLD, claim_classless=True)
    of.put(Batch((Deleted(Secret, key("cert")), Deleted(Service, key("web")), Deleted(EndpointSlice, key("x"))), 0.0))
    assert of.next_deletion_seconds(0.0) == inf
    assert of.busy


@FEW
@given(
    st.lists(objects, max_size=6),
    st.lists(
        st.tuples(st.lists(st.one_of(changes, slices.map(Applied)), max_size=4), st.sampled_from([0.0, 0.2, 0.3, 0.6])),
        max_size=6,
    ),
)
def test_deletions_that_wait_end_in_the_snapshot_of_immediate_ones(
    some: list[KubeObject], rounds: list[tuple[list[Change], float]]
) -> None:
    """Held Ingresses may differ, and a fresh start with the held ones is the reference then."""
    world = World()
    world.feed(*map(Applied, some), *map(Listed, KINDS))
    steps: list[Change] = [*map(Applied, some)]
    for batch, seconds in rounds:
        steps += batch
        world.feed(*batch, after=seconds)
        check(world.pipeline)
    world.feed(after=GRACE)
    assert not world.waits
    of = world.pipeline
    fresh = pipeline(*as_served(left(steps), held(of)), claim_classless=True)
    assert outcome(of) == outcome(fresh)
    assert others(of) == others(fresh)
