"""Paths that are written as globs or regular expressions: the problem, and the paths to write instead.

Covers: every sign of a pattern, real paths that have none, certain and uncertain remedies, size. Excludes: traffic
(tests/cases/implementation-specific-regex).
"""

import pytest

from tests.support.objects import World, exact, ingress, path, rule, service, specific
from xds.translate.patterns import literal_instead, looks_like_pattern

GENERAL = "Write each path literally"
BELOW = "with pathType Prefix, which matches everything below too."


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("/*", f"Write path '/' {BELOW}"),
        ("/shop/*", f"Write path '/shop' {BELOW}"),
        ("/shop*", f"Write path '/shop' {BELOW}"),
        ("/shop/.*", f"Write path '/shop' {BELOW}"),
        ("/shop/.+", f"Write path '/shop' {BELOW}"),
        ("/shop(/.*)?$", f"Write path '/shop' {BELOW}"),
        ("/shop(/|$)(.*)", f"Write path '/shop' {BELOW}"),
        ("/shop/?(.*)", f"Write path '/shop' {BELOW}"),
        ("/(.*)", f"Write path '/' {BELOW}"),
        ("^/shop$", "Write path '/shop' with pathType Exact."),
        ("/shop$", "Write path '/shop' with pathType Exact."),
        ("/(cart|pay)/?(.*)", f"Write the paths '/cart', '/pay' {BELOW}"),
        ("/v1/(?:cart|pay)/items", f"Write the paths '/v1/cart/items', '/v1/pay/items' {BELOW}"),
        ("/a|/b", GENERAL),
        ("/a/*/b", GENERAL),
        ("/v[0-9]+/users", GENERAL),
        ("/users/{id}", GENERAL),
        (r"/users/\d+", GENERAL),
        (r"/.*\.php$", GENERAL),
        ("/(a|b|c|d|e|f)", GENERAL),
        ("(a|b)", GENERAL),
    ],
)
def test_the_remedy_for_a_pattern_names_paths_that_are_certain(written: str, remedy: str) -> None:
    assert looks_like_pattern(written)
    assert literal_instead(written).startswith(remedy)


@pytest.mark.parametrize("written", ["/$metadata", "/c++", "/~user", "/a,b;c=d:e@f&g", "/it's!", "/a.b+c", "/shop?x=1"])
def test_a_path_of_real_sites_is_no_pattern(written: str) -> None:
    assert not looks_like_pattern(written)


@pytest.mark.parametrize("sign", ["*", "(", "(/|$)", "[", "a|", "(a|", "\\", "{"])
def test_a_long_pattern_takes_no_time(sign: str) -> None:
    """Quadratic work would take minutes."""
    written = "/" + sign * 200_000
    looks_like_pattern(written)
    assert literal_instead(written).startswith("Write ")


@pytest.mark.parametrize("path_type", ["Prefix", "Exact", "ImplementationSpecific"])
def test_a_pattern_is_served_literally_and_told(path_type: str) -> None:
    world = World(service("web"), ingress("shop", rule("a.example", path("/x/*", "web", path_type))))
    assert [route.path for route in world.traffic.hosts["a.example"].routes] == ["/x/*"]
    problem = world.problem("PatternInPath")
    assert str(problem.field) == "spec.rules[0].http.paths[0].path"
    assert "'/x/*'" in problem.message
    assert problem.remedy.startswith("Write path '/x' with pathType Prefix")


def test_a_pattern_that_no_path_matches_has_a_problem_with_the_same_remedy() -> None:
    world = World(service("web"), ingress("shop", rule("a.example", specific("/x/?(.*)", "web"))))
    assert world.problem("InvalidPath").remedy.startswith("Write path '/x' with pathType Prefix")


def test_a_path_without_signs_of_a_pattern_has_no_problem() -> None:
    rules = rule("a.example", exact("/a+b", "web"), path("/$metadata", "web"), specific("/c,d", "web"))
    assert World(service("web"), ingress("shop", rules)).problems == []
