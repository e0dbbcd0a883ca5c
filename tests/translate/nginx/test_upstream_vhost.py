"""upstream-vhost: values, and the Host on each route. Excludes: the Host that backends see (tests/e2e)."""

import msgspec
import pytest

from tests.support.objects import World, ingress, metadata, path, rule, service, specific
from tests.support.route_table_annotations import annotated, canary
from xds.kube.objects import Service
from xds.traffic.actions import Forward
from xds.traffic.routes import Route
from xds.traffic.upstream_host import for_host
from xds.translate.nginx.annotation import PREFIX
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.upstream_vhost import read
from xds.translate.own.service import EXTERNAL_HOST

HOST = "a.test"


def outside(name: str) -> Service:
    """A Service whose requests have an outside name as Host."""
    asking = metadata(name, annotations={EXTERNAL_HOST.full_name: "true"})
    return msgspec.convert(
        {"metadata": asking, "spec": {"type": "ExternalName", "externalName": "example.org", "ports": [{"port": 80}]}},
        Service,
    )


def routes(world: World) -> tuple[Route, ...]:
    return world.traffic.hosts[HOST].routes


def asked(value: str, backend: str = "web") -> str:
    """The Host of the only route."""
    world = World(
        service("web", "http:80"),
        ingress("one", rule(HOST, path("/", backend)), annotations=annotated(upstream_vhost=value)),
    )
    assert world.problems == []
    return routes(world)[0].policy.upstream_host


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("inner.test", "inner.test"),
        (" Inner.Test:8080 ", "Inner.Test:8080"),
        ("$service_name.$namespace.svc", "web.default.svc"),
        ("${service_name}x$ingress_name", "webxone"),
        ("$host", "${host}"),
        ("${host}name", "${host}name"),
        ("$http_host", "${http_host}"),
        ("a-{b}-c", "a-{b}-c"),
        ("", ""),
    ],
)
def test_variables_of_the_route_are_constants(value: str, host: str) -> None:
    assert asked(value) == host


def test_a_name_that_no_service_has_is_no_part_of_a_host() -> None:
    """Manifests of a folder may hold any text."""
    asking = ingress("one", rule(HOST, path("/", "w\r\nb")), annotations=annotated(upstream_vhost="x$service_name"))
    assert routes(World(asking))[0].policy.upstream_host == "x(invalid)"


def test_a_port_is_as_the_rule_writes_it() -> None:
    assert asked("$service_name:$service_port", "web:http") == "web:http"
    assert asked("$service_name:$service_port", "web:80") == "web:80"


@pytest.mark.parametrize(
    "value",
    [
        *("a b", "a\r\nX: y", "a%b", "é", "$uri", "$hostname", "$", "a$", "$$host", "${host", "$-", "${}", "$1"),
        *("$HOST", "x" * 2049, "a\x00", "$host\u0430"),
    ],
)
def test_a_bad_value_counts_as_absent(value: str) -> None:
    problems: list[str] = []
    reader = AnnotationReader(annotated(upstream_vhost=value), lambda name, *_: problems.append(name))
    assert read(reader) == ""
    assert problems == [f"{PREFIX}upstream-vhost"]


@pytest.mark.parametrize(
    ("template", "host", "found"),
    [
        ("inner.test", "a.test", "inner.test"),
        ("${host}", "a.test", "a.test"),
        ("${host}.x", "a.test", "a.test.x"),
        ("${host}", "", ""),
        ("${http_host}", "a.test", ""),
        ("${host}.x", "", "${http_host}.x"),
        ("x-${http_host}", "a.test", "x-${http_host}"),
    ],
)
def test_the_host_for_requests_of_one_host(template: str, host: str, found: str) -> None:
    assert for_host(template, host) == found


def test_the_annotation_precedes_the_host_of_an_external_name() -> None:
    world = World(
        outside("web"),
        ingress("one", rule(HOST, path("/")), annotations=annotated(upstream_vhost="inner.test")),
        ingress("two", rule(HOST, path("/plain"))),
        allow_external_name=True,
    )
    assert [each.policy.upstream_host for each in routes(world)] == ["example.org", "inner.test"]


def test_the_host_of_a_primary_holds_for_its_canary() -> None:
    world = World(
        service("web"),
        outside("next"),
        ingress("one", rule(HOST, path("/")), annotations=annotated(upstream_vhost="inner.test")),
        ingress(
            "two",
            rule(HOST, path("/", "next")),
            annotations=canary(canary_weight="50", canary_by_header="x", upstream_vhost="lent.test"),
        ),
        allow_external_name=True,
    )
    assert {each.policy.upstream_host for each in routes(world)} == {"inner.test"}
    (split,) = (each.action for each in routes(world) if not each.conditions)
    assert isinstance(split, Forward)
    assert [each.upstream_host for each in split.backends] == ["", ""]


def test_the_default_backend_has_the_host_too() -> None:
    world = World(
        service("web"),
        ingress("one", rule(HOST, path("/x")), default="web", annotations=annotated(upstream_vhost="$ingress_name")),
    )
    default = world.traffic.hosts[HOST].default
    assert default is not None
    assert default.policy.upstream_host == "one"


def test_a_rewritten_path_has_the_host_too() -> None:
    world = World(
        service("web"),
        ingress(
            "one",
            rule(HOST, specific("/a(.*)")),
            annotations=annotated(upstream_vhost="inner.test", rewrite_target="/b$1"),
        ),
    )
    assert routes(world)[0].policy.upstream_host == "inner.test"
    assert routes(world)[0].policy.rewrite is not None
