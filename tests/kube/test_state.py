"""KubeState: the units that a change makes stale, the Ingresses that are ours, and the order of Ingresses.

Covers stale units for every kind; classes by field, annotation and default; moved slices; seniority; Listed and
Reported. Excludes decoding (test_decode), held Ingresses (tests/controlplane/test_withdrawal) and translation.
"""

import msgspec
import pytest

from tests.support.objects import (
    config_map,
    external,
    ingress,
    ingress_class,
    key,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.kube.change import Applied, Deleted, Listed, Reported
from xds.kube.ingress_class import CLASS_ANNOTATION, DEFAULT_CLASS_ANNOTATION, ClassOptions
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.stale import NOTHING_STALE, Stale
from xds.kube.state import DEFAULT_CLASSES, KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.hosts import NO_HOST
from xds.translate.nginx.annotated_objects import annotated_objects

A, B = "a.example.com", "b.example.com"


def state(*objects: KubeObject, classes: ClassOptions = DEFAULT_CLASSES, claim_classless: bool = False) -> KubeState:
    built = KubeState(classes, claim_classless=claim_classless)
    for each in objects:
        built.apply(Applied(each))
    return built


def shop(name: str = "shop", **fields: object) -> Ingress:
    return ingress(name, rule(A, path("/", "web")), **fields)  # type: ignore[arg-type]


def is_ours(kube: KubeState, name: str = "shop") -> bool:
    return kube.ingress(key(name)) is not None


# What an Ingress makes stale


def test_a_new_ingress_makes_its_hosts_stale() -> None:
    new = ingress("shop", rule(A, path("/")), rule(B, path("/")))
    assert state().apply(Applied(new)) == Stale(hosts=frozenset({A, B}), ingresses=frozenset({key("shop")}))


def test_hosts_are_compared_without_case() -> None:
    kube = state()
    assert kube.apply(Applied(ingress("shop", rule("A.Example.COM", path("/"))))).hosts == {A}
    assert [each.metadata.name for each in kube.ingresses_of_host(A)] == ["shop"]


def test_a_rule_without_host_makes_the_unnamed_hosts_stale() -> None:
    assert state().apply(Applied(ingress("shop", rule(None, path("/"))))).hosts == {NO_HOST}


def test_a_new_default_backend_makes_the_default_backend_stale() -> None:
    stale = state().apply(Applied(ingress("shop", default="web")))
    assert stale == Stale(ingresses=frozenset({key("shop")}), default_backend=True)


def test_a_new_tls_entry_makes_tls_stale() -> None:
    stale = state().apply(Applied(shop(tls=[tls(A, secret="cert")])))
    assert stale == Stale(hosts=frozenset({A}), ingresses=frozenset({key("shop")}), tls=True)


def test_a_renamed_host_makes_the_old_and_the_new_host_stale() -> None:
    kube = state(shop())
    assert kube.apply(Applied(ingress("shop", rule(B, path("/"))))).hosts == {A, B}
    assert kube.ingresses_of_host(A) == []


def test_a_change_without_effect_on_tls_leaves_tls_fresh() -> None:
    entry = tls(A, secret="cert")
    kube = state(shop(tls=[entry]))
    assert not kube.apply(Applied(shop(tls=[entry], default="web"))).tls
    assert kube.apply(Applied(shop(tls=[entry], default="web", created=1))).tls, "it may rank before others now"
    assert kube.apply(Applied(shop(tls=[tls(secret="cert")], created=1))).tls
    assert kube.apply(Applied(ingress("shop", rule(B, path("/", "web")), tls=[tls(secret="cert")], created=1))).tls


def test_a_removed_default_backend_or_tls_entry_is_stale() -> None:
    kube = state(shop(default="web", tls=[tls(A, secret="cert")]))
    stale = kube.apply(Applied(shop()))
    assert (stale.default_backend, stale.tls) == (True, True)
    stale = kube.apply(Applied(shop(annotations={"a": "b"})))
    assert (stale.default_backend, stale.tls) == (False, False)


def test_a_deleted_ingress_makes_hosts_backend_and_tls_stale() -> None:
    kube = state(shop(default="web", tls=[tls(A, secret="cert")]))
    stale = kube.apply(Deleted(Ingress, key("shop")))
    assert stale == Stale(hosts=frozenset({A}), ingresses=frozenset({key("shop")}), default_backend=True, tls=True)
    assert not is_ours(kube)


@pytest.mark.parametrize(
    "each",
    [
        shop(),
        service(),
        secret("cert"),
        slice_of("web", "10.0.0.1"),
        ingress_class(),
    ],
    ids=lambda each: each.kind,
)
def test_an_equal_object_makes_nothing_stale(each: KubeObject) -> None:
    kube = state(shop(tls=[tls(A, secret="cert")]), each)
    copy = msgspec.structs.replace(each)
    assert copy is not each
    assert kube.apply(Applied(copy)) == NOTHING_STALE


@pytest.mark.parametrize("kind", KINDS)
def test_deleting_an_unknown_object_makes_nothing_stale(kind: type[KubeObject]) -> None:
    assert state(shop()).apply(Deleted(kind, key("nobody"))) == NOTHING_STALE


@pytest.mark.parametrize(
    "each",
    [
        service("other"),
        service("web", ns="elsewhere"),
        secret("other"),
        secret("cert", ns="elsewhere"),
        slice_of(None, "10.0.0.1", name="web-1"),
        ingress_class("nginx", "k8s.io/ingress-nginx"),
        ingress("theirs", rule(A, path("/")), class_name="nginx"),
    ],
    ids=lambda each: each.ref,
)
def test_an_unused_object_makes_nothing_stale(each: KubeObject) -> None:
    kube = state(shop(tls=[tls(A, secret="cert")]))
    assert kube.apply(Applied(each)) == unused(each)
    assert kube.apply(Deleted(type(each), each.key)) == unused(each)


def unused(each: KubeObject) -> Stale:
    """Nothing, but for a Service, which may have a port of layer 4."""
    return Stale(services=frozenset({each.key})) if isinstance(each, Service) else NOTHING_STALE


# Services, Secrets, EndpointSlices


def test_a_service_makes_the_hosts_with_the_service_as_backend_stale() -> None:
    kube = state(shop(), ingress("other", rule(B, path("/", "api"))))
    expected = Stale(hosts=frozenset({A}), ingresses=frozenset({key("shop")}), services=frozenset({key("web")}))
    assert kube.apply(Applied(service("web"))) == expected
    assert kube.apply(Applied(service("web", 81))) == expected
    assert kube.apply(Deleted(Service, key("web"))) == expected
    assert kube.service(key("web")) is None


def test_a_service_of_a_default_backend() -> None:
    kube = state(ingress("shop", default="web"))
    assert kube.apply(Applied(service("web"))).default_backend
    assert not kube.apply(Applied(service("api"))).default_backend


def test_a_service_of_another_namespace_makes_nothing_stale() -> None:
    kube = state(shop())
    elsewhere = external("web", "example.com", ns="elsewhere")
    assert kube.apply(Applied(elsewhere)) == unused(elsewhere)


def test_a_secret_makes_tls_stale_and_no_host() -> None:
    kube = state(shop(tls=[tls(A, secret="cert")]))
    assert kube.apply(Applied(secret("cert"))) == Stale(tls=True)
    assert kube.apply(Deleted(Secret, key("cert"))) == Stale(tls=True)


def test_the_default_secret_is_used_without_ingress() -> None:
    kube = KubeState(default_tls_secret=key("fallback"))
    assert kube.apply(Applied(secret("fallback"))) == Stale(tls=True)


def test_a_slice_makes_only_endpoints_stale() -> None:
    kube = state(shop())
    expected = Stale(endpoints=frozenset({key("web")}))
    assert kube.apply(Applied(slice_of("web", "10.0.0.1"))) == expected
    assert kube.apply(Applied(slice_of("web", "10.0.0.2"))) == expected
    assert kube.apply(Deleted(EndpointSlice, key("web-1"))) == expected
    assert list(kube.slices(key("web"))) == []


def test_a_slice_of_an_unused_service_makes_endpoints_stale() -> None:
    """A pending change may begin to use the Service."""
    kube = state(slice_of("web", "10.0.0.1"))
    assert kube.apply(Applied(slice_of("web", "10.0.0.2"))) == Stale(endpoints=frozenset({key("web")}))
    assert kube.apply(Applied(slice_of("web", "10.0.0.2"))) == NOTHING_STALE


def test_a_moved_slice_makes_the_endpoints_of_two_services_stale() -> None:
    kube = state(shop(), ingress("other", rule(B, path("/", "api"))), slice_of("web", "10.0.0.1", name="s"))
    stale = kube.apply(Applied(slice_of("api", "10.0.0.1", name="s")))
    assert stale == Stale(endpoints=frozenset({key("web"), key("api")}))
    assert list(kube.slices(key("web"))) == []
    assert [each.metadata.name for each in kube.slices(key("api"))] == ["s"]


def test_a_slice_that_loses_the_service_label_makes_endpoints_stale() -> None:
    kube = state(shop(), slice_of("web", "10.0.0.1", name="s"))
    assert kube.apply(Applied(slice_of(None, "10.0.0.1", name="s"))) == Stale(endpoints=frozenset({key("web")}))
    assert kube.apply(Deleted(EndpointSlice, key("s"))) == NOTHING_STALE


def test_slices_read_before_the_service_are_found() -> None:
    kube = state(slice_of("web", "10.0.0.1", name="b"), slice_of("web", "10.0.0.2", name="a"), service(), shop())
    assert [each.metadata.name for each in kube.slices(key("web"))] == ["a", "b"]


# Classes


@pytest.mark.parametrize(
    ("class_name", "annotation", "ours"),
    [
        ("envoy", None, True),
        ("nginx", None, False),
        ("Envoy", None, False),
        (None, "envoy", True),
        (None, "nginx", False),
        ("envoy", "nginx", False),  # the annotation comes before the field
        ("nginx", "envoy", True),
        (None, None, False),
    ],
)
def test_without_class_objects_the_name_decides(class_name: str | None, annotation: str | None, *, ours: bool) -> None:
    annotations = {CLASS_ANNOTATION: annotation} if annotation else None
    assert is_ours(state(shop(class_name=class_name, annotations=annotations))) is ours


@pytest.mark.parametrize("class_name", ["envoy", "other"])
def test_the_controller_of_the_class_decides(class_name: str) -> None:
    named = shop(class_name=class_name)
    assert is_ours(state(ingress_class(class_name), named))
    assert not is_ours(state(ingress_class(class_name, "example.com/other"), named))


def test_the_class_annotation_names_a_class() -> None:
    annotated = shop(class_name=None, annotations={CLASS_ANNOTATION: "edge"})
    assert is_ours(state(ingress_class("edge"), annotated))
    assert not is_ours(state(ingress_class("edge", "example.com/other"), annotated))


def contradictory(annotation: str, class_name: str) -> Ingress:
    return shop(class_name=class_name, annotations={CLASS_ANNOTATION: annotation})


@pytest.mark.parametrize(("annotation", "class_name"), [("envoy", "nginx"), ("nginx", "envoy")])
def test_two_different_classes_are_told_if_one_of_them_is_ours(annotation: str, class_name: str) -> None:
    kube = state(contradictory(annotation, class_name))
    list(kube.settle())
    (problem,) = kube.reported
    assert (problem.reason, problem.object) == (Reason.CLASS_CONTRADICTED, ObjectRef("Ingress", "default", "shop"))
    assert f"'{annotation}', spec.ingressClassName says '{class_name}'" in problem.message
    assert "counts before spec.ingressClassName" in kube.claim(contradictory(annotation, class_name)).why
    kube.apply(Applied(contradictory("envoy", "envoy")))
    list(kube.settle())
    assert kube.reported == ()


def test_two_different_classes_of_others_are_not_told() -> None:
    kube = state(contradictory("nginx", "traefik"))
    list(kube.settle())
    assert kube.reported == ()


def test_the_class_name_is_configurable() -> None:
    assert is_ours(state(shop(class_name="edge"), classes=ClassOptions("edge")))
    assert not is_ours(state(shop(class_name="envoy"), classes=ClassOptions("edge")))


def test_an_exclusive_class_leaves_other_classes_of_the_controller_to_others() -> None:
    classes = [ingress_class("internal"), ingress_class("external")]
    ingresses = [shop(each.metadata.name, class_name=each.metadata.name) for each in classes]
    kube = state(*classes, *ingresses, classes=ClassOptions("internal", is_exclusive=True))
    assert is_ours(kube, "internal")
    assert not is_ours(kube, "external")
    assert kube.claim(ingresses[1]).why == (
        "its class 'external' has the controller 'xds-ingress.dev/controller', and this installation serves only the "
        "class 'internal'"
    )
    assert all(is_ours(state(*classes, *ingresses), name) for name in ("internal", "external"))


def test_an_exclusive_class_leaves_the_classless_to_the_default_class() -> None:
    options, classless = ClassOptions("internal", is_exclusive=True), shop(class_name=None)
    defaults = [ingress_class("internal", default=True), ingress_class("external", default=True)]
    assert is_ours(state(defaults[0], classless, classes=options))
    assert not is_ours(state(defaults[1], classless, classes=options))


def test_ingresses_without_class_are_ours_if_the_operator_says_so() -> None:
    foreign = ingress_class("nginx", "k8s.io/ingress-nginx", default=True)
    options = ClassOptions(takes_classless=True)
    assert is_ours(state(foreign, shop(class_name=None), classes=options))
    assert not is_ours(state(foreign, shop(class_name="nginx"), classes=options))


def test_an_ingress_without_rules_is_not_ours_if_the_operator_says_so() -> None:
    catch_all = ingress("shop", default="web")
    assert is_ours(state(catch_all))
    assert not is_ours(state(catch_all, classes=ClassOptions(skips_catch_all=True)))
    assert is_ours(state(shop(), classes=ClassOptions(skips_catch_all=True)))


def test_the_controllers_of_classes_are_configurable() -> None:
    kinds = [ingress_class("a", "example.com/a"), ingress_class("b", "example.com/b"), ingress_class("c")]
    ingresses = [shop(each.metadata.name, class_name=each.metadata.name) for each in kinds]
    kube = state(*kinds, *ingresses, classes=ClassOptions(controllers=("example.com/a", "example.com/b")))
    assert [is_ours(kube, name) for name in "abc"] == [True, True, False]


@pytest.mark.parametrize(
    ("classes", "ours"),
    [
        ([ingress_class()], False),
        ([ingress_class(default=True)], True),
        ([ingress_class("nginx", "k8s.io/ingress-nginx", default=True)], False),
        ([ingress_class(), ingress_class("nginx", "k8s.io/ingress-nginx", default=True)], False),
        ([ingress_class(default=True), ingress_class("nginx", "k8s.io/ingress-nginx")], True),
    ],
)
@pytest.mark.parametrize("claim_classless", [False, True])
def test_without_a_class_the_default_class_decides(
    classes: list[IngressClass], *, ours: bool, claim_classless: bool
) -> None:
    assert is_ours(state(*classes, shop(class_name=None), claim_classless=claim_classless)) is ours


def test_a_default_annotation_other_than_true_is_ignored() -> None:
    meta = {"name": "envoy", "annotations": {DEFAULT_CLASS_ANNOTATION: "false"}}
    no_default = msgspec.convert({"metadata": meta, "spec": {"controller": "xds-ingress.dev/controller"}}, IngressClass)
    assert not is_ours(state(no_default, shop(class_name=None)))


def test_a_folder_without_classes_claims_the_classless() -> None:
    classless = shop(class_name=None)
    assert is_ours(state(classless, claim_classless=True))
    assert not is_ours(state(classless, claim_classless=False))
    assert not is_ours(state(shop(class_name="nginx"), claim_classless=True))


def test_a_new_class_decides_over_ingresses_without_class() -> None:
    kube = state(shop(class_name=None), claim_classless=True)
    touched = Stale(hosts=frozenset({A}), ingresses=frozenset({key("shop")}))
    assert kube.apply(Applied(ingress_class("nginx", "k8s.io/ingress-nginx"))) == touched
    assert not is_ours(kube)
    assert kube.apply(Deleted(IngressClass, Key("", "nginx"))) == touched
    assert is_ours(kube)


def test_a_class_with_a_new_controller_makes_only_own_ingresses_stale() -> None:
    kube = state(ingress_class(), shop(), ingress("other", rule(B, path("/")), class_name="edge"))
    stale = kube.apply(Applied(ingress_class(controller="example.com/other")))
    assert stale == Stale(hosts=frozenset({A}), ingresses=frozenset({key("shop")}))


def test_an_ingress_with_a_foreign_class_is_not_ours() -> None:
    kube = state(shop())
    assert kube.apply(Applied(shop(class_name="nginx"))).hosts == {A}
    assert not is_ours(kube)
    assert kube.apply(Applied(shop(class_name="other"))) == NOTHING_STALE
    assert kube.apply(Applied(shop())).hosts == {A}
    assert is_ours(kube)


def test_objects_of_foreign_ingresses_are_unused() -> None:
    kube = state(shop(class_name="nginx", tls=[tls(A, secret="cert")]))
    for each in (service(), secret("cert")):
        assert kube.apply(Applied(each)) == unused(each)


# Seniority


def names(ingresses: list[Ingress]) -> list[str]:
    return [str(each.key) for each in ingresses]


def test_ingresses_are_sorted_by_age_then_namespace_and_name() -> None:
    kube = state(
        shop("none"),
        shop("b", created=2),
        shop("a", created=2),
        shop("z", ns="apple", created=2),
        shop("old", created=1),
        shop("also-none", ns="zoo"),
    )
    expected = ["default/old", "apple/z", "default/a", "default/b", "default/none", "zoo/also-none"]
    assert names(kube.ingresses_of_host(A)) == expected


def test_default_backends_and_tls_come_in_order_of_seniority() -> None:
    kube = state(*(shop(name, created=day, default="web", tls=[tls(A)]) for name, day in (("young", 2), ("old", 1))))
    assert names(kube.ingresses_with_default_backend()) == ["default/old", "default/young"]
    assert names(kube.ingresses_with_tls()) == ["default/old", "default/young"]


# Objects that annotations name


def annotated(*objects: KubeObject, everywhere: bool = False, config_maps: frozenset[Key] = frozenset()) -> KubeState:
    names = annotated_objects(allow_cross_namespace=everywhere)
    built = KubeState(annotated=names, config_maps=config_maps)
    for each in objects:
        built.apply(Applied(each))
    return built


def with_annotation(name: str, annotation: str, value: str, **fields: object) -> Ingress:
    return shop(name, annotations={f"nginx.ingress.kubernetes.io/{annotation}": value}, **fields)


def test_a_change_of_a_config_map_makes_the_hosts_of_its_users_stale() -> None:
    user = with_annotation("user", "custom-headers", "default/headers", default="web")
    kube = annotated(user, ingress("other", rule(B, path("/"))))
    stale = Stale(hosts=frozenset({A}), ingresses=frozenset({key("user")}), default_backend=True)
    assert kube.apply(Applied(config_map("headers"))) == stale
    assert kube.apply(Applied(config_map("headers"))) == NOTHING_STALE
    assert kube.apply(Applied(config_map("headers", key="value"))) == stale
    assert kube.apply(Applied(config_map("other"))) == NOTHING_STALE
    assert kube.apply(Deleted(ConfigMap, key("headers"))) == stale
    kube.apply(Applied(shop("user")))
    assert kube.apply(Applied(config_map("headers"))) == NOTHING_STALE


def test_a_change_of_a_secret_makes_users_by_annotation_and_by_tls_stale() -> None:
    kube = annotated(with_annotation("user", "proxy-ssl-secret", "default/ca"))
    assert kube.apply(Applied(secret("ca"))) == Stale(hosts=frozenset({A}), ingresses=frozenset({key("user")}))
    kube.apply(Applied(ingress("tls", rule(B, path("/")), tls=[tls(B, secret="ca")])))
    changed = kube.apply(Deleted(Secret, key("ca")))
    assert changed == Stale(hosts=frozenset({A}), ingresses=frozenset({key("user")}), tls=True)


def test_an_object_of_another_namespace_is_used_only_if_that_is_allowed() -> None:
    user = with_annotation("user", "custom-headers", "safe/headers")
    assert annotated(user).apply(Applied(config_map("headers", ns="safe"))) == NOTHING_STALE
    assert annotated(user, everywhere=True).apply(Applied(config_map("headers", ns="safe"))).hosts == {A}


@pytest.mark.parametrize(
    "value", ["", "headers", "default/", "/headers", "default/a/b", "default/A", "default/headers\n"]
)
def test_a_bad_name_of_an_object_names_nothing(value: str) -> None:
    kube = annotated(with_annotation("user", "custom-headers", value))
    assert kube.apply(Applied(config_map("headers"))) == NOTHING_STALE


def test_a_change_of_a_config_map_of_a_flag_is_told() -> None:
    of_flag = Key("ingress-nginx", "controller")
    kube = annotated(config_maps=frozenset({of_flag}))
    changed = config_map("controller", ns="ingress-nginx")
    assert kube.apply(Applied(changed)) == Stale(config_maps=frozenset({of_flag}))
    assert kube.config_map(of_flag) == changed


# Listed and Reported


def test_state_is_synced_once_every_kind_is_listed() -> None:
    kube = state()
    for kind in KINDS:
        assert not kube.synced
        assert kube.apply(Listed(kind)) == NOTHING_STALE
    assert kube.synced


def test_a_report_replaces_the_last_report() -> None:
    kube = state()
    problems = (Problem(ObjectRef("File", "", "a.yaml"), Reason.MALFORMED_FILE, "no", "repair it"),)
    assert kube.apply(Reported(problems)) == Stale(reported=True)
    assert kube.reported == problems
    kube.apply(Reported(()))
    assert not kube.reported


# Stale


def test_the_union_of_stales() -> None:
    one = Stale(hosts=frozenset({A}), tls=True)
    other = Stale(hosts=frozenset({B}), endpoints=frozenset({key("web")}), default_backend=True)
    both = Stale(hosts=frozenset({A, B}), endpoints=frozenset({key("web")}), default_backend=True, tls=True)
    assert Stale.union([one, NOTHING_STALE, other]) == both
    assert Stale.union([]) == NOTHING_STALE
