"""Never withdraw the world: what a change would take from everybody is held, unless the source accounts for it.

Covers the pipeline with its guard. Excludes how the problem is shown.
"""

import pytest

from tests.support.objects import ingress, ingress_class, path, rule, secret, service, slice_of, tls
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.objects import KINDS, IngressClass, Key, KubeObject
from xds.kube.state import KubeState
from xds.pipeline import Pipeline
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision
from xds.translate.translator import TranslateOptions

OURS = ingress_class("envoy")
THEIRS = ingress_class("envoy", controller="someone.else/controller")


def objects(*namespaces: str) -> list[KubeObject]:
    return [
        each
        for ns in namespaces
        for each in (
            ingress("web", rule(f"{ns}.example", path("/", "web")), tls=[tls(f"{ns}.example", secret="cert")], ns=ns),
            service("web", ns=ns),
            slice_of("web", "10.0.0.1", ns=ns),
            secret("cert", ns=ns),
        )
    ]


class World:
    def __init__(self, *namespaces: str) -> None:
        self.pipeline = Pipeline(KubeState(), TranslateOptions(), ProxyOptions())
        self.change(Applied(OURS), *map(Applied, objects(*namespaces)), *map(Listed, KINDS))

    def change(self, *changes: Change) -> Revision | None:
        return self.pipeline.apply([Batch(changes, 0)], 0)

    def names(self, type_: ResourceType) -> list[str]:
        return sorted(self.pipeline.store.resources(type_))

    @property
    def reasons(self) -> list[str]:
        return [each.reason for each in self.pipeline.problems]


def test_a_class_that_turns_away_withdraws_nothing() -> None:
    world = World("a", "b")
    before = {type_: dict(world.pipeline.store.resources(type_)) for type_ in ResourceType}
    assert world.change(Applied(THEIRS)) is None
    assert {type_: dict(world.pipeline.store.resources(type_)) for type_ in ResourceType} == before
    assert world.reasons == ["WithdrawalHeld", "WithdrawalHeld"]
    (problem, _) = world.pipeline.problems
    assert (problem.object.kind, problem.object.name) == ("IngressClass", "envoy")
    assert "(2)" in problem.message
    assert world.pipeline.problem_reasons["WithdrawalHeld"] == 2


def test_endpoints_go_on_while_it_is_held() -> None:
    world = World("a", "b")
    world.change(Applied(THEIRS))
    revision = world.change(Applied(slice_of("web", "10.0.0.9", ns="a")))
    assert revision
    (change,) = revision.changes
    assert (change.type, change.name) == (ResourceType.ENDPOINTS, "a/web/80")
    assert change.new
    assert b"10.0.0.9" in change.new.body
    assert world.reasons == ["WithdrawalHeld", "WithdrawalHeld"]


def test_undone_it_leaves_no_trace() -> None:
    world = World("a", "b")
    world.change(Applied(THEIRS))
    assert world.change(Applied(OURS)) is None
    assert world.reasons == []
    world.change(Applied(service("web", {"port": 80, "appProtocol": "kubernetes.io/h2c"}, ns="a")))
    assert world.names(ResourceType.CLUSTER) == ["a/web/80", "b/web/80"]


def test_a_change_that_accounts_for_it_releases_it() -> None:
    world = World("a", "b")
    world.change(Applied(THEIRS))
    one, other = objects("a")[0], objects("b")[0]
    assert world.change(Deleted(type(one), one.key)) is None
    assert world.change(Deleted(type(other), other.key))
    assert world.names(ResourceType.CLUSTER) == []
    assert world.names(ResourceType.SECRET) == []
    assert world.reasons == []


def test_one_new_ingress_elsewhere_does_not_account_for_it() -> None:
    world = World("a", "b")
    world.change(Applied(THEIRS))
    new = ingress("web", rule("c.example", path("/", "web")), ns="c", class_name="other")
    world.change(Applied(new), Applied(service("web", ns="c")))
    assert world.names(ResourceType.CLUSTER) == ["a/web/80", "b/web/80"]


def test_what_the_source_deletes_goes_at_once() -> None:
    world = World("a", "b")
    assert world.change(*(Deleted(type(each), each.key) for each in objects("a", "b")))
    assert world.names(ResourceType.CLUSTER) == []
    assert world.reasons == []


@pytest.mark.parametrize("kind", ["tls", "rules"])
def test_the_owner_s_own_change_goes_at_once(kind: str) -> None:
    world = World("a")
    rules = [rule("a.example", path("/", "web"))] if kind == "tls" else []
    assert world.change(Applied(ingress("web", *rules, ns="a")))
    assert world.names(ResourceType.SECRET) == []
    assert world.names(ResourceType.CLUSTER) == (["a/web/80"] if kind == "tls" else [])


def test_a_class_that_is_deleted_is_a_deletion() -> None:
    """The name alone counts then, so that these Ingresses stay ours; those by default don't."""
    world = World("a")
    default = ingress_class("envoy", default=True)
    classless = ingress("web", rule("a.example", path("/", "web")), ns="a", class_name=None)
    world.change(Applied(default), Applied(classless))
    assert world.names(ResourceType.CLUSTER) == ["a/web/80"]
    world.change(Deleted(IngressClass, Key("", "envoy")))
    assert world.names(ResourceType.CLUSTER) == []
