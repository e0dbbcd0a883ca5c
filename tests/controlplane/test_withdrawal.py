"""Held Ingresses: an IngressClass that turns to another controller never withdraws all traffic.

Covers which Ingresses are held, how a hold ends, and the problem. Excludes any sequence of changes (tests/properties)
and Envoys (tests/e2e).
"""

from collections.abc import Iterable

import pytest

from tests.support.held import held, others
from tests.support.objects import (
    certificate,
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
from xds.kube.change import Applied, Batch, Change, Deleted
from xds.kube.objects import Ingress, IngressClass, IngressTLS, KubeObject, Secret, Service
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Reason
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions

OURS = ingress_class()
THEIRS = ingress_class(controller="example.com/other")
TURN = Applied(THEIRS)


def shop(name: str, class_name: str | None = "envoy", *, entries: Iterable[IngressTLS] | None = None) -> Ingress:
    return ingress(name, rule(f"{name}.test", path("/", name)), class_name=class_name, tls=entries)


def secure(name: str, class_name: str = "envoy") -> Ingress:
    return shop(name, class_name, entries=[tls(f"{name}.test", secret="cert")])


BESIDE: tuple[KubeObject, ...] = (
    *(service(name) for name in "abc"),
    *(slice_of(name, "10.0.0.1") for name in "abc"),
    secret("cert", certificate("a.test")),
)


def world(*objects: KubeObject) -> Pipeline:
    return pipeline(*BESIDE, *objects)


def clusters(of: Pipeline) -> list[str]:
    return sorted(of.store.resources(ResourceType.CLUSTER))


def the_problem(of: Pipeline) -> Problem:
    (found,) = (each for each in of.problems if each.reason == Reason.WITHDRAWAL_HELD)
    return found


def test_a_turned_class_withdraws_no_ingress() -> None:
    of = world(OURS, secure("a"), shop("b"))
    feed(of, TURN)
    assert of.store.revision == 1
    assert held(of) == {key("a"), key("b")}
    problem = the_problem(of)
    assert str(problem.object) == "IngressClass envoy"
    assert "restart the server" in problem.remedy
    assert of.problem_reasons[Reason.WITHDRAWAL_HELD] == 1
    assert of.take_problem_delta().appeared == (problem,)


def test_a_restored_class_ends_the_hold_without_a_revision() -> None:
    of = world(OURS, secure("a"), shop("b"))
    feed(of, TURN)
    feed(of, Applied(OURS))
    assert of.store.revision == 1
    assert (held(of), of.problems) == (set(), [])


def test_a_held_ingress_follows_changes_of_its_objects() -> None:
    of = world(OURS, secure("a"))
    feed(of, TURN)
    before = of.store.get(ResourceType.SECRET, "default/cert")
    feed(of, Applied(slice_of("a", "10.0.0.9")), Applied(secret("cert", certificate("a.test", serial=2))))
    feed(of, Applied(ingress("a", rule("a.test", path("/", "a"), path("/more", "b"), path("/gone", "gone")))))
    endpoints = of.store.get(ResourceType.ENDPOINTS, "default/a/80")
    assert endpoints
    assert b"10.0.0.9" in endpoints.body
    assert of.store.get(ResourceType.SECRET, "default/cert") != before
    assert clusters(of) == ["default/a/80", "default/b/80"]
    assert [each.reason for each in others(of)] == ["BackendNotFound"]


def test_a_deleted_held_ingress_is_withdrawn_alone() -> None:
    of = world(OURS, shop("a"), shop("b"))
    feed(of, TURN)
    problem = the_problem(of)
    feed(of, Deleted(Ingress, key("a")))
    assert clusters(of) == ["default/b/80"]
    assert the_problem(of) == problem, "the same problem, not a solved and a new one"
    feed(of, Deleted(Ingress, key("b")))
    assert (clusters(of), of.problems) == ([], [])


def test_a_held_ingress_with_another_class_is_withdrawn() -> None:
    of = world(OURS, shop("a"), shop("b"))
    feed(of, TURN)
    feed(of, Applied(shop("a", "nginx")))
    assert clusters(of) == ["default/b/80"]
    feed(of, Applied(shop("b", "nginx")))
    assert (clusters(of), of.problems) == ([], [])


@pytest.mark.parametrize("kind", [Service, Secret])
def test_a_hold_ends_when_the_last_service_or_secret_is_deleted(kind: type[KubeObject]) -> None:
    """Without the Service and the Secret, withdrawing the Ingress loses nothing."""
    other: list[KubeObject] = [ingress_class("edge"), shop("c", "edge")] if kind is Secret else []
    of = world(OURS, *other, secure("a"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    gone = Deleted(Service, key("a")), Deleted(Secret, key("cert"))
    feed(of, *(each for each in gone if each.kind is kind))
    assert bool(held(of)) is (kind is Service), "the Ingress still has the last certificate"
    feed(of, *gone)
    assert (held(of), of.problems) == (set(), [])


def test_an_ingress_of_a_served_class_ends_the_hold() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"))
    feed(of, TURN)
    feed(of, Applied(shop("x", "edge")))
    assert held(of) == {key("a")}, "the Service of x doesn't exist"
    feed(of, Applied(shop("b", "edge")))
    assert clusters(of) == ["default/b/80"]
    assert (held(of), others(of)) == (set(), of.problems)


def test_the_ingress_with_the_last_certificate_is_held() -> None:
    of = world(OURS, ingress_class("edge"), secure("a"), shop("b", "edge"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    assert of.store.get(ResourceType.LISTENER, "https")
    feed(of, Applied(secure("c", "edge")))
    assert clusters(of) == ["default/b/80", "default/c/80"]


def test_a_default_certificate_counts_as_remaining_certificate() -> None:
    options = TranslateOptions(default_tls_secret=key("cert"))
    of = pipeline(*BESIDE, OURS, ingress_class("edge"), secure("a"), shop("b", "edge"), translate=options)
    feed(of, TURN)
    assert clusters(of) == ["default/b/80"]


def test_an_ingress_beside_served_ones_is_withdrawn() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"), shop("b", "edge"))
    feed(of, TURN)
    assert (clusters(of), of.problems) == (["default/b/80"], [])


def test_ingresses_of_classes_that_turn_together_are_held() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"), shop("b", "edge"))
    feed(of, TURN, Applied(ingress_class("edge", "example.com/other")))
    assert clusters(of) == ["default/a/80", "default/b/80"]
    assert [each.object.name for each in of.problems] == ["edge", "envoy"]


def test_a_class_that_is_no_longer_default_holds_its_ingresses() -> None:
    of = world(ingress_class(default=True), shop("a", None))
    feed(of, Applied(OURS))
    assert held(of) == {key("a")}


def test_a_new_class_of_another_controller_holds_ingresses_of_the_name() -> None:
    """Without an IngressClass, the name alone made the Ingress ours."""
    of = world(shop("a"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    feed(of, Deleted(IngressClass, Key("", "envoy")))
    assert (held(of), of.problems, of.store.revision) == (set(), [], 1)


def test_a_deleted_class_withdraws_its_ingresses() -> None:
    of = world(ingress_class("edge"), shop("a", "edge"))
    feed(of, Deleted(IngressClass, Key("", "edge")))
    assert clusters(of) == []
    of = world(ingress_class("edge"), shop("a", "edge"))
    feed(of, Applied(ingress_class("edge", "example.com/other")))
    feed(of, Deleted(IngressClass, Key("", "edge")))
    assert (clusters(of), of.problems) == ([], [])


def test_the_deletion_of_another_class_ends_no_hold() -> None:
    of = world(ingress_class(default=True), ingress_class("nginx", "example.com/other"), shop("a", None))
    feed(of, Applied(OURS))
    feed(of, Deleted(IngressClass, Key("", "nginx")))
    assert clusters(of) == ["default/a/80"]


NEW = Applied(shop("a"))


@pytest.mark.parametrize("batch", [[NEW, TURN], [TURN, NEW]])
def test_an_ingress_read_with_the_turn_is_not_served(batch: list[Change]) -> None:
    of = world(OURS)
    feed(of, *batch)
    assert (clusters(of), of.problems) == ([], [])


@pytest.mark.parametrize("batch", [[NEW, TURN], [TURN, NEW]])
def test_an_ingress_moved_to_a_turning_class_is_withdrawn(batch: list[Change]) -> None:
    of = world(OURS, ingress_class("edge"), shop("a", "edge"))
    feed(of, *batch)
    assert (clusters(of), of.problems) == ([], [])


def test_an_ingress_that_is_ours_only_in_between_is_not_served() -> None:
    """An Ingress without class is ours while no class exists."""
    of = pipeline(*BESIDE, ingress_class("nginx", "example.com/other"), shop("a", None), claim_classless=True)
    feed(of, Deleted(IngressClass, Key("", "nginx")), TURN)
    assert (clusters(of), of.problems) == ([], [])


def test_a_start_with_a_turned_class_holds_no_ingress() -> None:
    assert clusters(world(shop("a"), THEIRS)) == []


def test_a_foreign_ingress_is_not_held() -> None:
    of = world(OURS, shop("a"), shop("b", "nginx"))
    feed(of, TURN, Applied(shop("c", "nginx")))
    assert held(of) == {key("a")}
    feed(of, Applied(shop("b")))
    assert clusters(of) == ["default/a/80"], "b is new to the class, which isn't ours"


def test_small_slices_of_work_hold_the_same_ingresses() -> None:
    of = world(OURS, *(shop(name) for name in "abc"))
    of.put(Batch((TURN,), 0))
    while of.busy:
        assert of.work(lambda: 0.0, endpoint_seconds=0, routing_seconds=0).revision is None
    assert held(of) == {key(name) for name in "abc"}
