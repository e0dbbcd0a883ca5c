"""Who may say what of a host: --host-ownership namespace.

Covers: rules, canaries, aliases, www names, app-root, expressions, ciphers, TLS entries and default backends of another
namespace; wildcards; rules without host; owners that come and go; the words of `xds why`. Excludes: the answers of a
real Envoy (tests/e2e/test_ownership.py).
"""

from typing import Any, Final

import pytest

from tests.support.objects import World, certificate, ingress, key, path, pipeline, rule, secret, service, specific, tls
from tests.support.route_table_annotations import annotated, canary
from xds.explain.ingress import IngressExplanation, UnitStatus, explain_ingress
from xds.explain.ingress_facts import ingress_facts
from xds.explain.matcher import answer
from xds.explain.request import Request
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, IngressRule, KubeObject
from xds.problems.reasons import Reason
from xds.traffic.routes import PathType
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

HOST: Final = "shop.test"
SERVICES: Final = (service("web", ns="a"), service("web", ns="b"))
OWNED: Final = HostOwnership.NAMESPACE


def of_a(*rules: IngressRule, name: str = "shop", created: int = 1, **fields: Any) -> Ingress:
    return ingress(name, *(rules or (rule(HOST, path("/")),)), ns="a", created=created, **fields)


def of_b(*rules: IngressRule, name: str = "other", created: int = 2, **fields: Any) -> Ingress:
    return ingress(name, *(rules or (rule(HOST, path("/login")),)), ns="b", created=created, **fields)


def owned(*objects: KubeObject, **options: Any) -> World:
    return World(*SERVICES, *objects, host_ownership=OWNED, **options)


def foreign(given: World) -> list[tuple[str, str, str]]:
    """The problems of hosts of another namespace: the object's namespace, the field and the message."""
    found = [each for each in given.problems if each.reason is Reason.HOST_OF_OTHER_NAMESPACE]
    return [(each.object.namespace, str(each.field), each.message) for each in found]


def places(given: World, host: str = HOST) -> set[tuple[str, str]]:
    """The paths of a host, each with the namespace that asks."""
    return {(each.path, each.origin.object.namespace) for each in given.traffic.hosts[host].routes}


def test_hosts_are_shared_unless_the_operator_says_otherwise() -> None:
    given = World(*SERVICES, of_a(), of_b())
    assert places(given) == {("/", "a"), ("/login", "b")}
    assert given.problems == []


def test_a_rule_of_another_namespace_is_left_out_with_the_owner_in_its_problem() -> None:
    given = owned(of_a(), of_b(rule("b.test", path("/")), rule(HOST, path("/login"))), of_a(name="more", created=3))
    assert places(given) == {("/", "a")}
    assert places(given, "b.test") == {("/", "b")}
    message = (
        "host 'shop.test' belongs to namespace a by Ingress a/shop, which is older (created 2024-01-02T00:00:00Z); the "
        "rule and its paths are left out"
    )
    assert foreign(given) == [("b", "spec.rules[1].host", message)]


def test_other_ingresses_of_the_namespace_count() -> None:
    given = owned(of_a(), of_a(rule(HOST, path("/more")), name="more", created=9), of_b())
    assert places(given) == {("/", "a"), ("/more", "a")}


@pytest.mark.parametrize(
    "annotations",
    [
        annotated(app_root="/phish"),
        annotated(use_regex="true"),
        annotated(rewrite_target="/$1"),
        annotated(server_alias="alias.test"),
        annotated(from_to_www_redirect="true"),
        annotated(ssl_ciphers="ECDHE-RSA-AES128-GCM-SHA256"),
        annotated(auth_tls_secret="b/ca"),
        annotated(server_snippet="deny all;"),
        annotated(force_ssl_redirect="true"),
        canary(canary_weight="100"),
    ],
    ids=str,
)
def test_nothing_that_another_namespace_says_of_a_host_counts(annotations: dict[str, str]) -> None:
    rules = (rule(HOST, path("/"), specific("/.*")),)
    alone = owned(of_a())
    given = owned(of_a(), of_b(*rules, annotations=annotations, tls=[tls(HOST, secret="none")], default="web"))
    assert given.traffic.hosts[HOST] == alone.traffic.hosts[HOST]
    assert given.traffic.hosts.keys() == {HOST}
    assert given.traffic.tls == alone.traffic.tls
    assert [each[0] for each in foreign(given)][:1] == ["b"]


def test_the_owner_goes_and_the_next_oldest_namespace_owns_the_host() -> None:
    given = owned(of_a(), of_b(), of_a(rule(HOST, path("/young")), name="young", created=3))
    given.apply(Deleted(Ingress, key("shop", "a")))
    assert places(given) == {("/login", "b")}
    assert [each[:2] for each in foreign(given)] == [("a", "spec.rules[0].host")]
    given.apply(Deleted(Ingress, key("other", "b")))
    assert places(given) == {("/young", "a")}
    assert foreign(given) == []
    given.add(of_b())
    assert places(given) == {("/login", "b")}


def test_a_canary_owns_no_host() -> None:
    older = of_b(rule(HOST, path("/")), annotations=canary(canary_weight="100"), created=0)
    given = owned(of_a(), older)
    assert places(given) == {("/", "a")}
    assert [each[0] for each in foreign(given)] == ["b"]


def test_a_wildcard_and_a_name_below_are_owned_apart() -> None:
    given = owned(
        of_a(rule("*.x.test", path("/"))),
        of_b(rule("a.x.test", path("/"))),
        of_b(rule("*.x.test", path("/b")), name="w"),
    )
    assert (places(given, "*.x.test"), places(given, "a.x.test")) == ({("/", "a")}, {("/", "b")})
    assert [each[:2] for each in foreign(given)] == [("b", "spec.rules[0].host")]


def test_rules_without_host_have_an_owner_too() -> None:
    given = owned(of_a(rule(None, path("/"))), of_b(rule(None, path("/login"))))
    assert places(given, "") == {("/", "a")}
    assert foreign(given)[0][2].startswith("the rules without host belong to namespace a by Ingress a/shop")


def test_an_alias_belongs_to_the_namespace_that_asked_first() -> None:
    asking = annotated(server_alias="alias.test")
    older = of_a(rule("z.test", path("/")), annotations=asking)
    given = owned(older, of_b(rule("b.test", path("/")), annotations=asking))
    assert places(given, "alias.test") == {("/", "a")}
    assert [each[:2] for each in foreign(given)] == [
        ("b", "metadata.annotations['nginx.ingress.kubernetes.io/server-alias']")
    ]
    given.apply(Deleted(Ingress, key("shop", "a")))
    assert (places(given, "alias.test"), foreign(given)) == ({("/", "b")}, [])


def test_an_alias_never_takes_the_host_of_a_rule() -> None:
    given = owned(of_b(rule("b.test", path("/")), annotations=annotated(server_alias=HOST), created=0), of_a())
    assert places(given) == {("/", "a")}


def test_a_wildcard_alias_takes_no_wildcard_host_of_another_namespace() -> None:
    """In front of the wildcards of rules, as in nginx."""
    wildcard = of_a(rule("*.x.test", path("/")))
    hostile = of_b(rule("b.test", path("/")), annotations=annotated(server_alias="*.test"), created=0)
    given = owned(hostile)
    assert "*.test" in given.traffic.hosts
    given.add(wildcard)
    assert "*.test" not in given.traffic.hosts
    ((_, _, message),) = foreign(given)
    assert (
        message
        == "host *.x.test belongs to namespace a, and '*.test' covers it; alias '*.test' of host b.test is left out"
    )
    given.apply(Deleted(Ingress, key("shop", "a")))
    assert ("*.test" in given.traffic.hosts, foreign(given)) == (True, [])


def test_an_own_wildcard_alias_covers_own_wildcard_hosts() -> None:
    given = owned(
        of_a(rule("*.x.test", path("/"))),
        of_a(rule("a.test", path("/")), name="all", annotations=annotated(server_alias="*.test")),
    )
    assert "*.test" in given.traffic.hosts
    assert foreign(given) == []


def test_a_tls_entry_of_another_namespace_is_left_out_until_the_host_is_free() -> None:
    issued = certificate(HOST, "b.test")
    entry = of_b(rule("b.test", path("/")), tls=[tls(HOST, "b.test", secret="cert")])
    given = owned(of_a(), secret("cert", issued, ns="b"), entry)
    (termination,) = given.traffic.tls.terminations
    assert termination.hosts == ("b.test",)
    ((_, field, message),) = foreign(given)
    assert (field, message.endswith("; the TLS entry is left out for the host")) == ("spec.tls[0]", True)
    given.apply(Deleted(Ingress, key("shop", "a")))
    (termination,) = given.traffic.tls.terminations
    assert (set(termination.hosts), foreign(given)) == ({HOST, "b.test"}, [])
    given.add(of_a(created=9))
    (termination,) = given.traffic.tls.terminations
    assert termination.hosts == ("b.test",)


def test_a_tls_entry_for_an_alias_of_another_namespace_is_left_out() -> None:
    given = owned(
        of_a(annotations=annotated(server_alias="alias.test")),
        secret("cert", certificate("alias.test"), ns="b"),
        of_b(rule("b.test", path("/")), tls=[tls("alias.test", secret="cert")]),
    )
    assert given.traffic.tls.terminations == ()
    assert [each[:2] for each in foreign(given)] == [("b", "spec.tls[0]")]


def test_a_broken_tls_entry_of_another_namespace_closes_no_https() -> None:
    given = owned(of_a(), of_b(rule("b.test", path("/")), tls=[tls(HOST, secret="none")]))
    assert given.traffic.tls.without_certificate == ()


@pytest.mark.parametrize(
    ("objects", "options", "status"),
    [
        ((ingress("all", ns="b", default="web", created=0),), {}, 404),
        ((ingress("all", ns="a", default="web", created=9),), {}, 200),
        ((), {"default_service": key("web", "b")}, 200),
        ((), {}, 404),
    ],
    ids=["another's", "own", "operator's", "none"],
)
def test_the_default_backend_of_another_namespace_answers_no_path(
    objects: tuple[Ingress, ...], options: dict[str, Any], status: int
) -> None:
    given = owned(of_a(rule(HOST, path("/shop"))), *objects, **options)
    assert answer(given.traffic, Request(HOST, "/other")).status == status
    shared = World(*SERVICES, of_a(rule(HOST, path("/shop"))), *objects, **options)
    assert answer(shared.traffic, Request(HOST, "/other")).status == (200 if objects or options else 404)


def test_expressions_of_the_owner_are_expressions() -> None:
    given = owned(of_a(rule(HOST, specific("/a.*")), annotations=annotated(use_regex="true")), of_b())
    assert [each.path_type for each in given.traffic.hosts[HOST].routes] == [PathType.REGEX]


def explained(name: str, ns: str, *objects: KubeObject) -> IngressExplanation:
    built = pipeline(*SERVICES, *objects, translate=TranslateOptions(host_ownership=OWNED))
    facts = ingress_facts(built.state_reader, key(name, ns))
    assert facts is not None
    return explain_ingress(facts)


def test_why_names_the_owner_also_where_both_have_the_path() -> None:
    other = of_b(rule(HOST, path("/"), path("/login")), rule(HOST), tls=[tls(HOST, secret="cert")])
    found = explained("other", "b", of_a(), other)
    assert {unit.status for unit in found.units} == {UnitStatus.LEFT_OUT}
    assert all("belongs to namespace a by Ingress a/shop" in unit.why for unit in found.units)
    assert {unit.status for unit in explained("shop", "a", of_a(), other).units} == {UnitStatus.NO_ENDPOINTS}


def test_an_alias_of_a_re_created_ingress_belongs_to_the_now_oldest_one() -> None:
    first, second = (annotated(server_alias="alias.test") for _ in "ab")
    given = owned(
        of_a(rule("a.test", path("/")), annotations=first), of_b(rule("b.test", path("/")), annotations=second)
    )
    assert given.traffic.hosts["alias.test"].alias_of == "a.test"
    given.add(of_a(rule("a.test", path("/")), created=9, annotations=first))
    assert given.traffic.hosts["alias.test"].alias_of == "b.test"


def test_the_owner_may_be_younger_than_a_foreign_tls_entry() -> None:
    """The entry's Ingress has no rule for the host. The problem follows the age of the owner."""
    older = of_b(rule("b.test", path("/")), created=1, tls=[tls(HOST, secret="cert")])
    given = owned(of_a(created=3), older)
    ((_, _, message),) = foreign(given)
    assert message.startswith("host 'shop.test' belongs to namespace a by Ingress a/shop, which has the rules for")
    given.add(of_a(created=0))
    ((_, _, message),) = foreign(given)
    assert "a/shop, which is older (created 2024-01-01T00:00:00Z); the TLS entry is left out" in message
