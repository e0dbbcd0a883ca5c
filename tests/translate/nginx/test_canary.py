"""Canaries: the values of their annotations, and the problems of canaries without effect.

Excludes: answers (tests/support/route_table_annotations.py), shares and endpoints (tests/e2e/test_canaries.py).
"""

import pytest

from tests.support.objects import World, certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated, canary
from xds.problems.reasons import Reason
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.backends import BackendKey
from xds.traffic.conditions import Comparison, CookieCondition, HeaderCondition
from xds.traffic.upstream import BackendProtocol, Balancing
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX
from xds.translate.nginx.canary import Canary, read
from xds.translate.nginx.reader import AnnotationReader

HOST = "a.example.com"
WEB, NEXT = BackendKey("default", "web", 80), BackendKey("default", "next", 80)
ALWAYS_AND_NEVER = ((HeaderCondition("x-a", "always"), True), (HeaderCondition("x-a", "never"), False))


def parsed(**annotations: str) -> tuple[Canary | None, list[str]]:
    """The canary, and the annotations with a problem."""
    problems: list[str] = []
    reader = AnnotationReader(annotated(**annotations), lambda name, *_: problems.append(name.removeprefix(PREFIX)))
    return read(reader), problems


def rules(**annotations: str) -> object:
    found, problems = parsed(canary="true", **annotations)
    assert found is not None
    return (found.rules, problems) if problems else found.rules


def share(**annotations: str) -> object:
    found, problems = parsed(canary="true", **annotations)
    assert found is not None
    return (found.weight, found.total, *problems)


@pytest.mark.parametrize("value", ["true", "1", "T"])
def test_a_canary_says_so(value: str) -> None:
    assert parsed(canary=value) == (Canary((), 0, 100), [])


@pytest.mark.parametrize(("value", "problems"), [("false", []), ("", []), ("yes", ["canary"])])
def test_an_ingress_that_does_not_say_so_is_none(value: str, problems: list[str]) -> None:
    assert parsed(canary=value) == (None, problems)
    assert parsed(canary=value, canary_weight="5") == (None, [*problems, "canary-weight"])


def test_the_rules_of_a_canary() -> None:
    cookies = ((CookieCondition("c", "always"), True), (CookieCondition("c", "never"), False))
    assert rules(canary_by_header="X-A") == ALWAYS_AND_NEVER
    assert rules(canary_by_header="x_A", canary_by_cookie="c") == (*ALWAYS_AND_NEVER, *cookies)
    value = ((HeaderCondition("x-a", "a b:c"), True),)
    assert rules(canary_by_header="X-A", canary_by_header_value=" a b:c ", canary_by_header_pattern="x") == value
    pattern = ((HeaderCondition("x-a", r"(a|b)\d+$", Comparison.FOUND), True),)
    assert rules(canary_by_header="X-A", canary_by_header_pattern=r"(a|b)\d+$") == pattern
    assert rules(canary_by_header_value="a", canary_by_header_pattern="b") == ()


@pytest.mark.parametrize("name", ["x" * 1025, ":path", "x a", "x,y", "x\ny", "a/b", "$x", "ä"])
def test_a_name_that_no_request_carries_is_invalid(name: str) -> None:
    assert rules(canary_by_header=name) == ((), ["canary-by-header"])
    assert rules(canary_by_cookie=name) == ((), ["canary-by-cookie"])


def test_an_invalid_value_counts_as_absent() -> None:
    assert rules(canary_by_header="x-a", canary_by_header_value="a%0d") == (
        ALWAYS_AND_NEVER,
        ["canary-by-header-value"],
    )


@pytest.mark.parametrize("pattern", ["(?=a)", "(", r"(a)\1", "a++", "a b", "a,b", "[a-f]{200}", "\n", "x" * 300])
def test_with_a_pattern_that_can_not_be_compared_the_primary_answers(pattern: str) -> None:
    kept = ((HeaderCondition("x-a", "", Comparison.FOUND), False),)
    assert rules(canary_by_header="x-a", canary_by_header_pattern=pattern) == (kept, ["canary-by-header-pattern"])


def test_shares() -> None:
    assert share(canary_weight="30") == (30, 100)
    assert share(canary_weight="300") == (100, 100)
    assert share(canary_weight="-3") == (0, 100)
    assert share(canary_weight="300", canary_weight_total="1000") == (300, 1000)
    assert share(canary_weight="5", canary_weight_total="10") == (5, 100, "canary-weight-total")
    assert share(canary_weight="20%") == (0, 100, "canary-weight")
    assert share(canary_weight="99999999999") == (0, 100, "canary-weight")


REASONS = (
    "of another namespace",
    "no Ingress but canaries has",
    "the same Service and port",
    "has the canary Ingress default/one already",
    "has no backend",
)


def unused(given: World) -> dict[tuple[str, object], str]:
    """The canaries without effect: Ingress and number of the path, and the part of the message that says why."""
    found = [each for each in given.problems if each.reason is Reason.CANARY_UNUSED]
    return {
        (each.object.name, each.field.parts[-1]): next(why for why in REASONS if why in each.message) for each in found
    }


def test_a_canary_without_effect_is_a_problem() -> None:
    given = World(
        *(service(name) for name in ("web", "next", "third")),
        service("next", ns="team"),
        ingress("main", rule(HOST, path("/"), path("/a")), created=1),
        ingress("moved", rule(HOST, path("/moved")), annotations=annotated(permanent_redirect="/x")),
        ingress("one", rule(HOST, path("/", "next"), path("/b", "next")), created=2, annotations=canary()),
        ingress("same", rule(HOST, path("/a", "web")), created=2, annotations=canary()),
        ingress("second", rule(HOST, path("/", "third")), created=3, annotations=canary()),
        ingress("target", rule(HOST, path("/moved", "next")), annotations=canary()),
        ingress("foreign", rule(HOST, path("/", "next")), ns="team", annotations=canary()),
    )
    assert unused(given) == {
        ("foreign", 0): "of another namespace",
        ("one", 1): "no Ingress but canaries has",
        ("same", 0): "the same Service and port",
        ("second", 0): "has the canary Ingress default/one already",
        ("target", 0): "has no backend",
    }


def test_a_canary_of_another_namespace_shares_paths_if_that_is_allowed() -> None:
    given = World(
        service("web"),
        service("next", ns="team"),
        ingress("main", rule(HOST, path("/"))),
        ingress("foreign", rule(HOST, path("/", "next")), ns="team", annotations=canary(canary_weight="30")),
        allow_cross_namespace=True,
    )
    assert not given.problems
    (route,) = given.traffic.hosts[HOST].routes
    assert isinstance(route.action, Forward)
    shares = [(*each.key[:2], each.weight) for each in route.action.backends if each.key]
    assert shares == [("default", "web", 70), ("team", "next", 30)]


def test_a_canary_lends_nothing_but_backends() -> None:
    """Neither routes, nor a default backend, nor HTTPS."""
    given = World(
        service("next"),
        secret("one", certificate(HOST)),
        ingress(
            "lent", rule(HOST, path("/", "next")), default="next", tls=[tls(HOST, secret="one")], annotations=canary()
        ),
    )
    assert (given.traffic.hosts, given.traffic.default, given.traffic.tls.terminations) == ({}, None, ())
    assert not given.traffic.backends


def test_a_canary_is_followed_as_it_changes() -> None:
    lent = rule(HOST, path("/", "next"))
    given = World(service("web"), service("next"), ingress("main", rule(HOST, path("/"))))
    given.add(ingress("lent", lent, annotations=canary(canary_weight="20")))
    both = NEXT._replace(fallback=str(WEB))
    (route,) = given.traffic.hosts[HOST].routes
    assert route.action == Forward((WeightedBackend(WEB, weight=80), WeightedBackend(both, weight=20)))
    assert set(given.traffic.backends) == {WEB, NEXT, both}
    given.add(ingress("lent", lent, annotations=canary()))
    (route,) = given.traffic.hosts[HOST].routes
    assert route.action == Forward.to(WEB)
    assert set(given.traffic.backends) == {WEB}


def test_a_canary_is_used_as_the_path_says_and_balanced_as_it_says_itself() -> None:
    given = World(
        service("web"),
        service("next"),
        ingress(
            "main",
            rule(HOST, path("/")),
            annotations=annotated(backend_protocol="HTTPS", load_balance="ewma", proxy_connect_timeout="7"),
        ),
        ingress(
            "lent",
            rule(HOST, path("/", "next")),
            annotations=canary(canary_weight="10", upstream_hash_by="$http_x_user", backend_protocol="GRPC"),
        ),
    )
    uses = {key.service: each for key, each in given.traffic.backends.items() if not key.fallback}
    assert {each.protocol for each in uses.values()} == {BackendProtocol.WSS}
    assert {each.upstream.connect_timeout.total_seconds() for each in uses.values()} == {7}
    assert (uses["web"].upstream.balancing, uses["next"].upstream.balancing) == (
        Balancing.LEAST_REQUEST,
        Balancing.HASH,
    )
    (route,) = given.traffic.hosts[HOST].routes
    assert [each.name for each in route.policy.hash_keys] == ["x-user"]
    assert [str(each.field) for each in given.problems] == [f"metadata.annotations['{PREFIX}backend-protocol']"]


@pytest.mark.parametrize("name", ["tls-verify", "answer"])
def test_a_canary_with_one_of_our_own_protections_gets_no_request(name: str) -> None:
    lending = canary(canary_weight="50") | {f"{OWN_PREFIX}{name}": "403"}
    given = World(
        service("web"),
        service("next"),
        ingress("shop", rule(HOST, path("/", "web"))),
        ingress("canary", rule(HOST, path("/", "next")), annotations=lending),
    )
    (route,) = given.traffic.hosts[HOST].routes
    assert route.backends == (WEB,)
    assert name in given.problem("CanaryUnused").message
    assert name in given.problem("AnnotationUnsupported").message


def test_a_canary_with_a_protection_of_its_own_gets_no_request() -> None:
    """In ingress-nginx its backends are open, as the other Ingress's are."""
    given = World(
        service("web"),
        service("next"),
        ingress("shop", rule(HOST, path("/", "web"))),
        ingress(
            "canary", rule(HOST, path("/", "next")), annotations=canary(canary_weight="50", auth_url="http://auth.test")
        ),
    )
    (route,) = given.traffic.hosts[HOST].routes
    assert route.backends == (WEB,)
    assert "auth-url" in given.problem("CanaryUnused").message
