"""How several Ingresses combine on one host, and who wins where they say different things.

Covers: hosts that merge, seniority, conflicts and how they are told, default backends, what follows when one of them
changes or goes. Excludes: which path answers a request (test_route_table), validity of hosts and paths (test_input).
"""

import itertools

import pytest

from tests.support.objects import World, certificate, exact, ingress, key, path, rule, secret, service, specific, tls
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, Service
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef
from xds.traffic.actions import Forward
from xds.traffic.backends import BackendKey
from xds.traffic.hosts import NO_HOST
from xds.traffic.routes import Origin, PathType, Route, VirtualHost

HOST = "a.example.com"


def host(world: World, name: str = HOST) -> VirtualHost:
    return world.traffic.hosts[name]


def backends(world: World, name: str = HOST) -> dict[str, str]:
    """By path, which Service answers."""
    return {route.path: route.service.name for route in host(world, name).routes}


def test_a_route_has_an_origin() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path("/foo", "web:80"))))
    at = FieldPath.of("spec", "rules", 0, "http", "paths", 0)
    origin = Origin(ObjectRef("Ingress", "default", "shop"), at)
    route = Route("/foo", PathType.PREFIX, Forward(BackendKey("default", "web", 80)), origin, key("web"))
    assert world.traffic.hosts == {HOST: VirtualHost(HOST, (route,))}
    assert world.traffic.default is None
    assert world.problems == []


def test_ingresses_merge_on_a_host() -> None:
    world = World(
        *(service(name) for name in ("a", "b", "c")),
        ingress("one", rule(HOST, path("/a", "a"))),
        ingress("two", rule(HOST, path("/b", "b")), rule("b.example.com", path("/c", "c"))),
        ingress("three", rule(HOST.upper(), path("/c", "c"))),
    )
    assert backends(world) == {"/a": "a", "/b": "b", "/c": "c"}
    assert backends(world, "b.example.com") == {"/c": "c"}
    assert world.problems == []


def test_routes_are_sorted_most_specific_first() -> None:
    paths = [
        path("/", "web"),
        path("/foo", "web"),
        exact("/", "web"),
        path("/foo/", "web"),
        exact("/foo", "web"),
        path("/foo/bar", "web"),
    ]
    for shuffled in itertools.islice(itertools.permutations(paths), 0, None, 97):
        world = World(service("web"), ingress("shop", rule(HOST, *shuffled)))
        given = [(route.path_type, route.path) for route in host(world).routes]
        assert given[:2] == [(PathType.EXACT, "/foo"), (PathType.EXACT, "/")]
        assert [text for _, text in given[2:]] == ["/foo/bar", "/foo/", "/foo", "/"]


def test_the_oldest_ingress_wins_a_path_and_the_loser_has_a_problem() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("young", rule(HOST, path("/x", "api"), path("/y", "api")), created=2),
        ingress("old", rule("b.example.com", path("/", "web")), rule(HOST, path("/x", "web")), created=1, ns="default"),
    )
    assert backends(world) == {"/x": "web", "/y": "api"}
    problem = world.problem("PathConflict")
    assert problem.object.name == "young"
    assert "default/old" in problem.message
    assert "/x" in problem.message
    assert problem.remedy
    assert str(problem.field) == "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("one", "two", "winner"),
    [
        (("b", "default", 1), ("a", "default", 2), "b"),
        (("b", "default", None), ("a", "default", 2), "a"),
        (("b", "default", 1), ("a", "default", 1), "a"),
        (("b", "apple", 1), ("a", "default", 1), "b"),
        (("b", "default", None), ("a", "default", None), "a"),
        (("b", "apple", None), ("a", "default", None), "b"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_seniority(
    one: tuple[str, str, int | None], two: tuple[str, str, int | None], winner: str, *, turned: bool
) -> None:
    both = [ingress(name, rule(HOST, path("/", name)), ns=ns, created=created) for name, ns, created in (one, two)]
    services = [service(name, ns=ns) for name, ns, _ in (one, two)]
    world = World(*services, *(reversed(both) if turned else both))
    assert backends(world) == {"/": winner}
    assert world.problem("PathConflict").object.name == ({"a", "b"} - {winner}).pop()


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (1, 2, "which is older (created 20"),
        (1, None, "which has a creationTimestamp, and so counts as older"),
        (1, 1, "which comes first by namespace and name"),
        (None, None, "which comes first by namespace and name"),
    ],
)
def test_a_conflict_names_the_winning_ingress_and_why(first: int | None, second: int | None, why: str) -> None:
    a = ingress("a", rule(HOST, path("/", "a")), tls=[tls(HOST, secret="one")], created=first)
    b = ingress("b", rule(HOST, path("/", "b")), tls=[tls(HOST, secret="two")], created=second)
    world = World(service("a"), service("b"), secret("one", certificate("x")), secret("two", certificate("y")), a, b)
    for reason in ("PathConflict", "CertificateConflict"):
        assert f"Ingress default/a, {why}" in world.problem(reason).message


def test_a_conflict_within_an_ingress_names_the_same_ingress() -> None:
    world = World(service("a"), service("b"), ingress("shop", rule(HOST, path("/", "a"), path("/", "b"))))
    message = world.problem("PathConflict").message
    assert message.endswith("paths[0] of Ingress default/shop, the same Ingress, where the first entry counts")


def test_an_identical_backend_is_no_conflict() -> None:
    world = World(
        service("web", "http:80"),
        ingress("one", rule(HOST, path("/", "web:80"))),
        ingress("two", rule(HOST, path("/", "web:80"))),
    )
    assert backends(world) == {"/": "web"}
    assert world.problems == []


def test_a_path_without_service_still_conflicts() -> None:
    world = World(
        service("web"),
        ingress("old", rule(HOST, path("/", "ghost")), created=1),
        ingress("young", rule(HOST, path("/", "web")), created=2),
    )
    assert host(world).routes[0].backend is None
    assert ("young", "PathConflict") in world.reasons()
    assert ("old", "BackendNotFound") in world.reasons()


def test_the_first_path_of_an_ingress_wins() -> None:
    world = World(
        service("web"), service("api"), ingress("shop", rule(HOST, path("/", "web")), rule(HOST, path("/", "api")))
    )
    assert backends(world) == {"/": "web"}
    assert str(world.problem("PathConflict").field) == "spec.rules[1].http.paths[0]"


def test_implementation_specific_conflicts_with_prefix_and_not_with_exact() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("a", rule(HOST, path("/p", "web"), exact("/e", "web")), created=1),
        ingress("b", rule(HOST, specific("/p", "api"), specific("/e", "api")), created=2),
    )
    expected = [("/e", PathType.EXACT, "web"), ("/e", PathType.PREFIX, "api"), ("/p", PathType.PREFIX, "web")]
    assert [(each.path, each.path_type, each.service.name) for each in host(world).routes] == expected
    assert str(world.problem("PathConflict").field) == "spec.rules[0].http.paths[0]"


def test_an_empty_implementation_specific_path_is_the_root() -> None:
    world = World(
        service("web"), ingress("shop", rule(HOST, specific("", "web")), rule("b.example.com", specific(None, "web")))
    )
    assert backends(world) == {"/": "web"}
    assert backends(world, "b.example.com") == {"/": "web"}


def test_three_ingresses_claim_a_path() -> None:
    world = World(
        *(service(f"s{n}") for n in range(3)),
        *(ingress(f"i{n}", rule(HOST, path("/", f"s{n}")), created=9 - n) for n in range(3)),
    )
    assert backends(world) == {"/": "s2"}
    assert world.reasons() == [("i0", "PathConflict"), ("i1", "PathConflict")]
    assert all("default/i2" in problem.message for problem in world.problems)


def test_the_next_takes_over_when_the_winner_goes() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("old", rule(HOST, path("/", "web")), created=1),
        ingress("young", rule(HOST, path("/", "api")), created=2),
    )
    world.apply(Deleted(Ingress, key("old")))
    assert backends(world) == {"/": "api"}
    assert world.problems == []
    assert set(world.traffic.backends) == {BackendKey("default", "api", 80)}
    world.apply(Deleted(Ingress, key("young")))
    assert world.traffic.hosts == {}
    assert world.traffic.backends == {}


def test_an_older_ingress_that_arrives_later_wins() -> None:
    world = World(service("web"), service("api"), ingress("young", rule(HOST, path("/", "api")), created=2))
    assert world.problems == []
    world.add(ingress("old", rule(HOST, path("/", "web")), created=1))
    assert backends(world) == {"/": "web"}
    assert world.reasons() == [("young", "PathConflict")]


def test_an_equal_outcome_is_the_same_object() -> None:
    world = World(service("web"), ingress("shop", rule(HOST, path("/", "web"))))
    before = host(world)
    world.add(ingress("shop", rule(HOST, path("/", "web")), annotations={"any": "thing"}))
    assert host(world) is before


def test_only_the_stale_host_is_made_anew() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("one", rule(HOST, path("/", "web"))),
        ingress("two", rule("b.example.com", path("/", "api"))),
    )
    before = host(world)
    world.add(ingress("two", rule("b.example.com", path("/new", "api"))))
    assert host(world) is before
    assert backends(world, "b.example.com") == {"/new": "api"}


# Default backends


def default_of(world: World, name: str) -> str | None:
    default = host(world, name).default
    return default.service.name if default else None


def test_the_global_default_is_the_oldest() -> None:
    world = World(
        service("web"),
        service("api"),
        ingress("young", default="api", created=2),
        ingress("old", rule(HOST, path("/", "web")), default="web", created=1),
    )
    assert world.traffic.default is not None
    assert world.traffic.default.service == key("web")
    world.apply(Deleted(Ingress, key("old")))
    assert world.traffic.default is not None
    assert world.traffic.default.service == key("api")
    world.apply(Deleted(Ingress, key("young")))
    assert world.traffic.default is None


def test_the_default_of_a_host_comes_from_the_oldest_ingress_with_a_default_backend() -> None:
    world = World(
        *(service(name) for name in ("web", "b", "c", "z")),
        ingress("elsewhere", default="z", created=0),
        ingress("a", rule(HOST, path("/a", "web")), created=1),
        ingress("b", rule(HOST, path("/b", "web")), created=2, default="b"),
        ingress("c", rule(HOST, path("/c", "web")), created=3, default="c"),
    )
    assert default_of(world, HOST) == "b"
    assert world.traffic.default is not None
    assert world.traffic.default.service == key("z")


def test_a_host_without_default_backend_has_no_default_route() -> None:
    world = World(service("web"), ingress("a", rule(HOST, path("/a", "web"))), ingress("b", default="web"))
    assert default_of(world, HOST) is None


def test_a_rule_without_http_makes_a_virtual_host() -> None:
    world = World(service("web"), ingress("a", rule(HOST), default="web"), ingress("b", rule(NO_HOST, path("/"))))
    assert host(world).routes == ()
    assert default_of(world, HOST) == "web"


def test_unnamed_hosts_get_the_rules_without_host_and_then_the_global_default() -> None:
    world = World(
        *(service(name) for name in ("web", "old", "young")),
        ingress("old", default="old", created=1),
        ingress("unnamed", rule(None, path("/n", "web")), default="young", created=2),
    )
    unnamed = host(world, NO_HOST)
    assert [route.path for route in unnamed.routes] == ["/n"]
    assert (unnamed.default or world.traffic.default) == world.traffic.default
    assert world.traffic.default is not None
    assert world.traffic.default.service == key("old")


def test_a_default_backend_without_service_answers_503() -> None:
    world = World(ingress("a", default="ghost"))
    assert world.traffic.default is not None
    assert world.traffic.default.backend is None
    assert str(world.problem("BackendNotFound").field).startswith("spec.defaultBackend")


def test_a_resource_as_default_backend_is_left_out() -> None:
    world = World(service("web"), ingress("a", default="bucket!", created=1), ingress("b", default="web", created=2))
    assert world.problem("ResourceBackendUnsupported").object.name == "a"
    assert world.traffic.default is not None
    assert world.traffic.default.service == key("web")


def test_routes_follow_a_service_that_appears_and_vanishes() -> None:
    world = World(ingress("shop", rule(HOST, path("/", "web"))))
    assert host(world).routes[0].backend is None
    world.add(service("web"))
    assert host(world).routes[0].backend == BackendKey("default", "web", 80)
    assert world.problems == []
    world.apply(Deleted(Service, key("web")))
    assert host(world).routes[0].backend is None
    assert world.reasons() == [("shop", "BackendNotFound")]
