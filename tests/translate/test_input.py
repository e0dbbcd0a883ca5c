"""What is refused of an Ingress, with which Problem, and that the rest goes on.

Covers: hosts, paths and path types, hostile text, many paths, annotations, empty objects. Excludes: backends
(test_backends), TLS (test_tls_table), what the decoder refuses before (tests/kube).
"""

import time

import msgspec
import pytest

from tests.support.objects import World, exact, ingress, path, rule, service, specific
from xds.kube.objects import Ingress, IngressBackend
from xds.problems.problem import Problem
from xds.problems.reasons import Reason
from xds.traffic.routes import PathType

HOST = "a.example.com"

HOSTILE = [
    "a'b",
    'a"b',
    "a\0b",
    "a\nb",
    "a b",
    "[a-z]+.com",
    ".*",
    "^a$",
    "a|b",
    "bücher.example",
    "☃",
    "a" * 65536,
    "{{.}}",
    "%REQ(x)%",
    "../..",
    "a/b",
    "\ud800",
]


def told(problem: Problem) -> None:
    """The problem is fit to be shown: one line, not long, printable, with a remedy."""
    assert problem.message.isprintable()
    assert len(problem.message) < 1000
    assert problem.remedy


def beside(*, host: str | None = None, with_path: str | None = None, type_: str = "Prefix") -> World:
    """A host or path beside a good one."""
    bad = rule(host or HOST, path(with_path or "/bad", "web", type_))
    return World(service("web"), ingress("shop", bad, rule(HOST, path("/good", "web"))))


@pytest.mark.parametrize("host", [*HOSTILE, "-a.com", "a-.com", "a..b", ".a", "a.", "a_b.com", "a" * 64 + ".com"])
def test_a_hostile_host_is_left_out(host: str) -> None:
    world = beside(host=host)
    assert set(world.traffic.hosts) == {HOST}
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    problem = world.problem("InvalidHost")
    assert str(problem.field) == "spec.rules[0].host"
    told(problem)


@pytest.mark.parametrize(
    "host", ["*", "*.", "**.a.com", "a.*.com", "a.*", "*a.com", "*.*.com", "foo*.a.com", "*.a*.com"]
)
def test_a_wildcard_is_the_whole_first_label(host: str) -> None:
    world = beside(host=host)
    assert set(world.traffic.hosts) == {HOST}
    told(world.problem("InvalidHost"))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1:80", "::1", "[::1]", "a.com:80"])
def test_an_address_or_a_port_is_no_host(host: str) -> None:
    world = beside(host=host)
    assert set(world.traffic.hosts) == {HOST}
    told(world.problem("InvalidHost"))


@pytest.mark.parametrize(
    "host", ["a", "a.b", "*.b", "1.example", "xn--bcher-kva.example", "a-b.c", "a" * 63 + ".com", "*.example.com"]
)
def test_good_hosts(host: str) -> None:
    world = beside(host=host)
    assert set(world.traffic.hosts) == {HOST, host}
    assert world.problems == []


@pytest.mark.parametrize("text", ["", "foo", "http://a/", "*", "~ ^/a$", ".", "\\foo"])
@pytest.mark.parametrize("type_", ["Prefix", "Exact"])
def test_a_path_begins_with_a_slash(text: str, type_: str) -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path(text, "web", type_), path("/good"))))
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    problem = world.problem("InvalidPath")
    assert str(problem.field).startswith("spec.rules[0].http.paths[0]")
    told(problem)


def test_a_missing_path() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path(None), path("/good"))))
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    told(world.problem("InvalidPath"))


@pytest.mark.parametrize(
    "text",
    ["/a//b", "/a/./b", "/a/../b", "/a%2fb", "/a%2Fb", "/a/..", "/a/.", "/..", "//", "/a\0b", "/a\nb", "/\ud800"],
)
@pytest.mark.parametrize("type_", ["Prefix", "Exact"])
def test_paths_that_the_api_server_rejects_are_left_out(text: str, type_: str) -> None:
    """A folder has no API server, and such a path could never match a normalized request."""
    world = beside(with_path=text, type_=type_)
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    told(world.problem("InvalidPath"))


@pytest.mark.parametrize("text", ["/a'b", "/[a-z]+", "/.*", "/(a)$", "/(", "/a*", "/a%20b", "/$1", "/100%", "/%zz"])
@pytest.mark.parametrize("type_", ["Prefix", "Exact", "ImplementationSpecific"])
def test_odd_but_legal_paths_are_taken_literally(text: str, type_: str) -> None:
    world = beside(with_path=text, type_=type_)
    assert {route.path for route in world.traffic.hosts[HOST].routes} == {text, "/good"}
    assert {each.reason for each in world.problems} <= {Reason.PATTERN_IN_PATH}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('/a"b', "/a%22b"),
        ("/^a$", "/%5Ea$"),
        ("/a|b", "/a%7Cb"),
        ("/{x}", "/%7Bx%7D"),
        ("/<x>`", "/%3Cx%3E%60"),
        ("/a b", "/a%20b"),
        ("/%41%7e%2D", "/A~-"),
        ("/%5b%C3%a8", "/%5b%C3%a8"),
    ],
)
def test_paths_are_escaped_as_a_normalized_request_is(text: str, expected: str) -> None:
    """Otherwise the route is there and never matches."""
    world = beside(with_path=text)
    assert {route.path for route in world.traffic.hosts[HOST].routes} == {expected, "/good"}
    assert {each.reason for each in world.problems} <= {Reason.PATTERN_IN_PATH}


@pytest.mark.parametrize("text", ["/a/%2e%2e/b", "/%2E/b", "/a/%2e."])
def test_escaped_dots_never_match_either(text: str) -> None:
    world = beside(with_path=text)
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    told(world.problem("InvalidPath"))


def test_characters_beyond_ascii_are_encoded_as_in_a_request() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path("/café"), exact("/☃"))))
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/%E2%98%83", "/caf%C3%A9"]


@pytest.mark.parametrize("text", ["/a?b", "/a#b", "/?", "/#"])
def test_a_path_with_a_query_or_fragment_never_reaches_envoy_as_a_prefix(text: str) -> None:
    """API-valid, but Envoy refuses a route configuration with such a path_separated_prefix."""
    world = beside(with_path=text)
    assert "/good" in [route.path for route in world.traffic.hosts[HOST].routes]
    assert not [route for route in world.traffic.hosts[HOST].routes if set(route.path) & set("?#")]
    told(world.problem("InvalidPath"))


@pytest.mark.parametrize("type_", ["", "prefix", "EXACT", "Regex", "x" * 65536, "a\0b"])
def test_an_unknown_path_type(type_: str) -> None:
    world = beside(type_=type_)
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    told(world.problem("InvalidPathType"))


@pytest.mark.parametrize("text", ["/" + "a" * 65535, "/" + "a/" * 30000, "/" + "é" * 20000])
def test_a_huge_path_is_told_briefly_or_taken(text: str) -> None:
    world = beside(with_path=text)
    assert "/good" in [route.path for route in world.traffic.hosts[HOST].routes]
    for problem in world.problems:
        told(problem)


def test_a_huge_path_is_shortened_in_the_problem() -> None:
    text = "/" + "a" * 65535
    both = [ingress(name, rule(HOST, path(text, name)), created=day) for day, name in enumerate(("web", "api"))]
    world = World(service("web"), service("api"), *both)
    for problem in world.problems:
        told(problem)


def test_implementation_specific_is_prefix() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, specific("/foo"))))
    assert [route.path_type for route in world.traffic.hosts[HOST].routes] == [PathType.PREFIX]


def test_ten_thousand_paths() -> None:
    started = time.process_time()
    world = World(service("web"), ingress("shop", rule(HOST, *(path(f"/p{n}") for n in range(10_000)))))
    assert len(world.traffic.hosts[HOST].routes) == 10_000
    assert world.problems == []
    assert time.process_time() - started < 10


def test_ten_thousand_conflicts() -> None:
    started = time.process_time()
    paths = [path("/same", f"s{n}") for n in range(10_000)]
    world = World(service("s0"), ingress("shop", rule(HOST, *paths)))
    assert len(world.traffic.hosts[HOST].routes) == 1
    assert len(world.problems) >= 1
    assert time.process_time() - started < 10


def test_an_invalid_host_has_no_virtual_host() -> None:
    world = World(service("web"), ingress("shop", rule("-", path("/", "web"))))
    assert world.traffic.hosts == {}
    assert world.traffic.backends == {}


def test_a_backend_without_service_and_resource_is_left_out() -> None:
    good = ingress("shop", rule(HOST, path("/bad"), path("/good")))
    assert good.spec.rules
    assert good.spec.rules[0].http
    paths = list(good.spec.rules[0].paths)
    paths[0] = msgspec.structs.replace(paths[0], backend=IngressBackend())
    http = msgspec.structs.replace(good.spec.rules[0].http, paths=tuple(paths))
    bad_rule = msgspec.structs.replace(good.spec.rules[0], http=http)
    bad = msgspec.structs.replace(good, spec=msgspec.structs.replace(good.spec, rules=(bad_rule,)))
    world = World(service("web"), bad)
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/good"]
    told(world.problem("InvalidBackend"))


@pytest.mark.parametrize("spec", [{}, {"rules": []}, {"rules": None, "tls": None}, {"rules": [{}]}, {"tls": [{}]}])
def test_a_nearly_empty_ingress(spec: dict[str, object]) -> None:
    spec = {"ingressClassName": "envoy", **spec}
    world = World(msgspec.convert({"metadata": {"name": "shop", "namespace": "default"}, "spec": spec}, Ingress))
    assert world.traffic.backends == {}


# Annotations


def test_nginx_annotations_are_problems() -> None:
    prefix = "nginx.ingress.kubernetes.io"
    annotations = {
        f"{prefix}/ssl-passthrough": "true",
        f"{prefix}/unheard-of": "x",
        "kubernetes.io/description": "fine",
        "nginx.org/server-snippets": "not ours to say",
    }
    world = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert world.reasons() == [("shop", "AnnotationUnknown"), ("shop", "PassthroughOff")]
    assert [each.message.count("ssl-passthrough has no effect") for each in world.problems] in ([1, 0], [0, 1])
    for problem in world.problems:
        told(problem)
        assert "metadata.annotations" in str(problem.field)
    assert [route.path for route in world.traffic.hosts[HOST].routes] == ["/"]


def test_annotations_of_ingresses_of_another_class_are_ignored() -> None:
    annotations = {"nginx.ingress.kubernetes.io/rewrite-target": "/"}
    assert World(ingress("shop", rule(HOST), class_name="nginx", annotations=annotations)).problems == []


FOREIGN = [
    "acme.cert-manager.io/http01-edit-in-place",
    "alb.ingress.kubernetes.io/scheme",
    "argocd.argoproj.io/sync-wave",
    "cert-manager.io/cluster-issuer",
    "external-dns.alpha.kubernetes.io/hostname",
    "field.cattle.io/publicEndpoints",
    "gethomepage.dev/enabled",
    "haproxy.org/timeout-server",
    "helm.sh/hook",
    "ingress.kubernetes.io/ssl-redirect",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/tls-acme",
    "meta.helm.sh/release-name",
    "nginx.org/client-max-body-size",
    "reloader.stakater.com/auto",
    "traefik.ingress.kubernetes.io/router.entrypoints",
]
"""Annotations for other tools and controllers, of each prefix that is often seen in manifests."""


@pytest.mark.parametrize("annotation", FOREIGN)
def test_an_annotation_for_another_tool_is_no_problem(annotation: str) -> None:
    shop = ingress("shop", rule(HOST, path("/")), annotations={annotation: "true"})
    assert World(service("web"), shop).problems == []


@pytest.mark.parametrize("name", ["whitelist-source-range", "allowlist-source-range"])
@pytest.mark.parametrize(
    ("networks", "problems"),
    [("0.0.0.0/0,::/0", 0), (" ::/0 , 0.0.0.0/0", 0), ("::/0 , 0.0.0.0/0,", 1), ("0.0.0.0", 0)],
)
def test_a_list_that_allows_each_client_is_no_problem(name: str, networks: str, problems: int) -> None:
    """cert-manager writes such a list into the Ingress of an ACME challenge, unasked."""
    solver = ingress("solver", rule(HOST, path("/")), annotations={f"nginx.ingress.kubernetes.io/{name}": networks})
    assert len(World(service("web"), solver).problems) == problems


def test_the_problem_of_an_annotation_is_solved_by_removing_the_annotation() -> None:
    annotations = {"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}
    world = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    assert world.reasons() == [("shop", "PassthroughOff")]
    world.add(ingress("shop", rule(HOST, path("/"))))
    assert world.problems == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_annotations(text: str) -> None:
    annotations = {f"nginx.ingress.kubernetes.io/{text}": text}
    world = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations))
    told(world.problem("AnnotationUnknown"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_service_names(text: str) -> None:
    backend = msgspec.convert({"service": {"name": text, "port": {"name": text}}}, IngressBackend)
    hostile = msgspec.structs.replace(path("/bad"), backend=backend)
    world = World(service("web"), ingress("shop", rule(HOST, hostile, path("/good"))))
    assert "/good" in [route.path for route in world.traffic.hosts[HOST].routes if route.backend]
    for problem in world.problems:
        told(problem)
    assert world.problems
