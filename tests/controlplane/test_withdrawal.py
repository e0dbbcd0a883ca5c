"""Never withdraw the world: Ingresses that an IngressClass alone turns away are served on, if nothing would be left.

Covers: the pipeline with a state that holds them, what accounts for a withdrawal, and the problem. Excludes: any
sequence of changes (tests/properties), Envoys (tests/e2e).
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
from xds.translate.translator import TranslateOptions

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


def test_a_class_that_turns_away_withdraws_nothing() -> None:
    of = world(OURS, secure("a"), shop("b"))
    feed(of, TURN)
    assert of.store.revision == 1
    assert held(of) == {key("a"), key("b")}
    problem = the_problem(of)
    assert str(problem.object) == "IngressClass envoy"
    assert "restart the server" in problem.remedy
    assert of.problem_reasons[Reason.WITHDRAWAL_HELD] == 1
    assert of.take_news().appeared == (problem,)


def test_put_back_it_leaves_no_trace() -> None:
    of = world(OURS, secure("a"), shop("b"))
    feed(of, TURN)
    feed(of, Applied(OURS))
    assert of.store.revision == 1
    assert (held(of), of.problems) == (set(), [])


def test_what_is_held_follows_its_objects() -> None:
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


def test_a_deleted_ingress_goes_at_once_and_the_others_stay() -> None:
    of = world(OURS, shop("a"), shop("b"))
    feed(of, TURN)
    problem = the_problem(of)
    feed(of, Deleted(Ingress, key("a")))
    assert clusters(of) == ["default/b/80"]
    assert the_problem(of) == problem, "not one that is solved and another that comes"
    feed(of, Deleted(Ingress, key("b")))
    assert (clusters(of), of.problems) == ([], [])


def test_an_ingress_that_gets_another_class_goes_at_once() -> None:
    of = world(OURS, shop("a"), shop("b"))
    feed(of, TURN)
    feed(of, Applied(shop("a", "nginx")))
    assert clusters(of) == ["default/b/80"]
    feed(of, Applied(shop("b", "nginx")))
    assert (clusters(of), of.problems) == ([], [])


@pytest.mark.parametrize("kind", [Service, Secret])
def test_it_ends_with_what_it_was_needed_for(kind: type[KubeObject]) -> None:
    """The Service and the Secret are deleted, so that nothing more is lost with the Ingress."""
    other: list[KubeObject] = [ingress_class("edge"), shop("c", "edge")] if kind is Secret else []
    of = world(OURS, *other, secure("a"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    gone = Deleted(Service, key("a")), Deleted(Secret, key("cert"))
    feed(of, *(each for each in gone if each.kind is kind))
    assert bool(held(of)) is (kind is Service), "it has the last certificate yet"
    feed(of, *gone)
    assert (held(of), of.problems) == (set(), [])


def test_another_ingress_of_ours_ends_it() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"))
    feed(of, TURN)
    feed(of, Applied(shop("x", "edge")))
    assert held(of) == {key("a")}, "its Service doesn't exist"
    feed(of, Applied(shop("b", "edge")))
    assert clusters(of) == ["default/b/80"]
    assert (held(of), others(of)) == (set(), of.problems)


def test_the_last_certificates_are_held_too() -> None:
    of = world(OURS, ingress_class("edge"), secure("a"), shop("b", "edge"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    assert of.store.get(ResourceType.LISTENER, "https")
    feed(of, Applied(secure("c", "edge")))
    assert clusters(of) == ["default/b/80", "default/c/80"]


def test_the_default_certificate_is_one_that_stays() -> None:
    options = TranslateOptions(default_tls_secret=key("cert"))
    of = pipeline(*BESIDE, OURS, ingress_class("edge"), secure("a"), shop("b", "edge"), translate=options)
    feed(of, TURN)
    assert clusters(of) == ["default/b/80"]


def test_some_of_several_go() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"), shop("b", "edge"))
    feed(of, TURN)
    assert (clusters(of), of.problems) == (["default/b/80"], [])


def test_classes_that_turn_together_are_held_together() -> None:
    of = world(OURS, ingress_class("edge"), shop("a"), shop("b", "edge"))
    feed(of, TURN, Applied(ingress_class("edge", "example.com/other")))
    assert clusters(of) == ["default/a/80", "default/b/80"]
    assert [each.object.name for each in of.problems] == ["edge", "envoy"]


def test_the_default_class_that_is_none_any_more() -> None:
    of = world(ingress_class(default=True), shop("a", None))
    feed(of, Applied(OURS))
    assert held(of) == {key("a")}


def test_a_class_that_turns_up() -> None:
    """By its name alone the Ingress was ours."""
    of = world(shop("a"))
    feed(of, TURN)
    assert held(of) == {key("a")}
    feed(of, Deleted(IngressClass, Key("", "envoy")))
    assert (held(of), of.problems, of.store.revision) == (set(), [], 1)


def test_a_class_that_is_deleted_is_a_deletion() -> None:
    of = world(ingress_class("edge"), shop("a", "edge"))
    feed(of, Deleted(IngressClass, Key("", "edge")))
    assert clusters(of) == []
    of = world(ingress_class("edge"), shop("a", "edge"))
    feed(of, Applied(ingress_class("edge", "example.com/other")))
    feed(of, Deleted(IngressClass, Key("", "edge")))
    assert (clusters(of), of.problems) == ([], [])


def test_another_class_that_is_deleted_accounts_for_nothing() -> None:
    of = world(ingress_class(default=True), ingress_class("nginx", "example.com/other"), shop("a", None))
    feed(of, Applied(OURS))
    feed(of, Deleted(IngressClass, Key("", "nginx")))
    assert clusters(of) == ["default/a/80"]


NEW = Applied(shop("a"))


@pytest.mark.parametrize("batch", [[NEW, TURN], [TURN, NEW]])
def test_what_comes_with_the_turn_is_not_served(batch: list[Change]) -> None:
    of = world(OURS)
    feed(of, *batch)
    assert (clusters(of), of.problems) == ([], [])


@pytest.mark.parametrize("batch", [[NEW, TURN], [TURN, NEW]])
def test_what_gets_a_class_that_turns_away_goes(batch: list[Change]) -> None:
    of = world(OURS, ingress_class("edge"), shop("a", "edge"))
    feed(of, *batch)
    assert (clusters(of), of.problems) == ([], [])


def test_what_is_ours_in_between_only_is_not_served() -> None:
    """Without any class the Ingress without class would be ours."""
    of = pipeline(*BESIDE, ingress_class("nginx", "example.com/other"), shop("a", None), claim_classless=True)
    feed(of, Deleted(IngressClass, Key("", "nginx")), TURN)
    assert (clusters(of), of.problems) == ([], [])


def test_a_start_holds_nothing() -> None:
    assert clusters(world(shop("a"), THEIRS)) == []


def test_who_never_was_ours_is_not_mentioned() -> None:
    of = world(OURS, shop("a"), shop("b", "nginx"))
    feed(of, TURN, Applied(shop("c", "nginx")))
    assert held(of) == {key("a")}
    feed(of, Applied(shop("b")))
    assert clusters(of) == ["default/a/80"], "new to the class, which isn't ours"


def test_work_bit_by_bit_holds_the_same() -> None:
    of = world(OURS, *(shop(name) for name in "abc"))
    of.take(Batch((TURN,), 0))
    while of.busy:
        assert of.work(lambda: 0.0, urgent=0, routing=0).revision is None
    assert held(of) == {key(name) for name in "abc"}
