"""Defaults of annotations for all Ingresses.

Covers: which value counts of an annotation, a default of all Ingresses and the family's own; Ingresses without
annotations; default backends. Excludes: the effect of each annotation, which its family tests.
"""

from datetime import timedelta

import pytest

from tests.support.objects import World, ingress, path, rule, service
from xds.kube.state import KubeState
from xds.translate.nginx.annotation import PREFIX, AnyAnnotation, Verdict
from xds.translate.nginx.connections import CONNECT_TIMEOUT
from xds.translate.nginx.defaults import INGRESS_NGINX
from xds.translate.nginx.ingress_policy import ingress_policy
from xds.translate.nginx.named_objects import NamedObjects
from xds.translate.nginx.options import AnnotationOptions
from xds.translate.nginx.paths_policy import OpenPaths
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.registry import ANNOTATIONS

HOST = "a.example.com"
NO_OBJECTS = NamedObjects(KubeState(), "default")


def connect_timeout(written: str | None, default: str | None) -> tuple[timedelta, list[str]]:
    """The connect timeout of an Ingress, and the messages of its problems."""
    annotations = {} if written is None else {CONNECT_TIMEOUT.full_name: written}
    options = AnnotationOptions.of(frozenset(), {} if default is None else {CONNECT_TIMEOUT.name: default})
    problems: list[str] = []
    shop = ingress("shop", rule(HOST, path("/")), annotations=annotations)
    policy = ingress_policy(shop, options, NO_OBJECTS, lambda name, reason, message, remedy: problems.append(message))
    assert isinstance(policy, OpenPaths)
    return policy.upstream.connect_timeout, problems


@pytest.mark.parametrize("annotation", [ANNOTATIONS[name] for name in INGRESS_NGINX], ids=lambda each: each.name)
def test_each_default_of_ingress_nginx_is_a_valid_value_of_its_annotation(annotation: AnyAnnotation) -> None:
    reader = AnnotationReader({}, lambda *problem: pytest.fail(str(problem)), INGRESS_NGINX)
    assert annotation.verdict is not Verdict.REFUSED
    assert reader.get(annotation) is not None


@pytest.mark.parametrize(
    ("written", "default", "seconds"),
    [(None, None, 5), (None, "7", 7), ("", "7", 7), ("9", "7", 9), ("9", None, 9)],
)
def test_an_annotation_beats_the_default_of_all_ingresses(
    written: str | None, default: str | None, seconds: int
) -> None:
    assert connect_timeout(written, default) == (timedelta(seconds=seconds), [])


def test_the_default_of_all_ingresses_counts_in_place_of_a_bad_value() -> None:
    timeout, (message,) = connect_timeout("soon", "7")
    assert timeout == timedelta(seconds=7)
    assert message.endswith("its default counts: 7")


def test_ingresses_without_annotations_share_one_policy() -> None:
    options = AnnotationOptions.of(frozenset(), {CONNECT_TIMEOUT.name: "7"})
    found = [ingress_policy(ingress(name, rule(HOST, path("/"))), options, NO_OBJECTS, print) for name in ("a", "b")]
    assert found[0] is found[1] is options.open_paths
    assert options.open_paths.upstream.connect_timeout == timedelta(seconds=7)


def test_a_default_backend_has_the_defaults_of_all_ingresses_and_no_other_policy_of_paths() -> None:
    shops = [
        ingress("bare", rule(HOST, path("/a")), default="web"),
        ingress("redirected", rule("b." + HOST, path("/a")), default="web", annotations=redirected()),
    ]
    given = World(service("web"), *shops, is_compatible=True)
    bare, other = given.traffic.hosts[HOST].default, given.traffic.hosts["b." + HOST].default
    assert bare is not None
    assert other is not None
    assert (bare.policy, bare.action) == (other.policy, other.action)


def redirected() -> dict[str, str]:
    return {PREFIX + "permanent-redirect": "https://c.example.com/"}


def test_defaults_raise_no_problems() -> None:
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), default="web"), is_compatible=True)
    assert given.problems == []
