"""server-alias and from-to-www-redirect: values, problems, and names that follow the Ingresses of other hosts.

Excludes: answers (tests/support/route_table_host_names.py).
"""

import pytest

from tests.support.objects import World, certificate, ingress, key, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, Secret
from xds.traffic.actions import Forward, HostRedirect
from xds.translate.nginx.annotation import PREFIX
from xds.translate.nginx.host_names import MAX_ALIASES, HostNames, read
from xds.translate.nginx.reader import AnnotationReader

HOST = "a.test"


def parsed(value: str) -> tuple[tuple[str, ...], list[str]]:
    """The aliases, and the reasons of problems."""
    problems: list[str] = []
    reader = AnnotationReader(annotated(server_alias=value), lambda name, reason, *_: problems.append(reason))
    return read(reader).aliases, problems


def owners(world: World) -> dict[str, str | None]:
    """The host of rules for each virtual host; None for a host of rules itself."""
    return {host: found.alias_of for host, found in world.traffic.hosts.items()}


def tls_hosts(world: World) -> list[tuple[str, ...]]:
    """The hosts of each certificate."""
    return [each.hosts for each in world.traffic.tls.terminations]


def asking(name: str, host: str, created: int | None = None, **annotations: str) -> Ingress:
    return ingress(name, rule(host, path("/")), created=created, annotations=annotated(**annotations))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("b.test", ("b.test",)),
        (" B.test ,\n a.b.test,b.test,", ("a.b.test", "b.test")),
        ("*.b.test", ("*.b.test",)),
        (".b.test", ("*.b.test", "b.test")),
        ("b.*", ("b.*",)),
        ("one", ("one",)),
        ("a_b.test,xn--bcher-kva.de,10.0.0.1", ("10.0.0.1", "a_b.test", "xn--bcher-kva.de")),
        ("", ()),
        (",", ()),
    ],
)
def test_names_of_an_alias(value: str, names: tuple[str, ...]) -> None:
    assert parsed(value) == (names, [])


@pytest.mark.parametrize("value", ["foo bar", "b.test,a/é", "a\nb", 'a"', "a;b", "%61", "b.test,$(x)\0"])
def test_a_character_that_no_name_has_spoils_the_list(value: str) -> None:
    assert parsed(value) == ((), ["AnnotationInvalid"])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "*",
            "_.",
            "a..b",
            "a.*.b",
            "*.*",
            "b.test.",
            "a:80",
            "*b.test",
            "b.test*",
            "..",
            ".*",
            "http://b.test",
            "$host",
        ),
        *("x" * 64, ".".join(["x" * 60] * 5), "*." + ".".join("x" * 21), "." + "x." * 38 + "test"),
    ],
)
def test_a_name_that_no_host_has_is_left_out_alone(name: str) -> None:
    assert parsed(f"{name},b.test") == (("b.test",), ["AnnotationInvalid"])


def test_a_regular_expression_is_left_out_alone() -> None:
    assert parsed("~^(www|api)[.]b[.]test$,b.test") == (("b.test",), ["AnnotationUnsupported"])


def test_aliases_are_limited() -> None:
    names = [f"a{number}.test" for number in range(MAX_ALIASES)]
    assert parsed(",".join(names)) == (tuple(sorted(names)), [])
    assert parsed(",".join([*names, "more.test"])) == ((), ["AnnotationInvalid"])


def test_an_ingress_without_both_annotations_asks_for_no_name() -> None:
    assert read(AnnotationReader({}, lambda *_: None)) == HostNames()
    assert read(AnnotationReader(annotated(from_to_www_redirect="false"), lambda *_: None)) == HostNames()


def test_the_status_of_a_www_redirect_is_the_one_of_redirects_to_https() -> None:
    def status(**settings: str) -> int:
        defaults = {name.replace("_", "-"): text for name, text in settings.items()}
        return read(AnnotationReader(annotated(from_to_www_redirect="true"), lambda *_: None, defaults)).www_status

    assert (status(), status(http_redirect_code="301"), status(http_redirect_code="200")) == (308, 301, 308)


def test_an_alias_has_the_routes_of_its_host() -> None:
    world = World(service("web"), asking("one", HOST, server_alias="b.test"))
    alias, host = world.traffic.hosts["b.test"], world.traffic.hosts[HOST]
    assert (alias.host, alias.alias_of, alias.routes) == ("b.test", HOST, host.routes)
    assert world.problems == []
    world.apply(Deleted(Ingress, key("one")))
    assert owners(world) == {}


def test_an_alias_follows_every_change_of_its_host() -> None:
    world = World(service("web"), asking("one", HOST, server_alias="b.test"))
    world.add(service("more"), ingress("two", rule(HOST, path("/more", "more"))))
    assert [route.path for route in world.traffic.hosts["b.test"].routes] == ["/more", "/"]
    world.add(service("more", 81))
    assert all(isinstance(route.action, Forward) for route in world.traffic.hosts["b.test"].routes)
    assert world.traffic.hosts["b.test"].routes == world.traffic.hosts[HOST].routes
    assert world.traffic.hosts["b.test"].routes[0].backend is None
    world.add(asking("one", HOST))
    assert owners(world) == {HOST: None}


def test_a_host_of_an_ingress_is_no_alias_as_long_as_the_ingress_exists() -> None:
    world = World(service("web"), asking("one", HOST, server_alias="b.test"))
    world.add(asking("two", "b.test"))
    assert owners(world) == {HOST: None, "b.test": None}
    problem = world.problem("AliasConflict")
    assert problem.object.name == "one"
    assert str(problem.field) == f"metadata.annotations['{PREFIX}server-alias']"
    assert problem.message == "alias 'b.test' of host a.test is left out: 'b.test' is a host of Ingress default/two"
    world.apply(Deleted(Ingress, key("two")))
    assert owners(world) == {HOST: None, "b.test": HOST}
    assert world.problems == []


def test_of_two_hosts_the_first_by_alphabet_has_an_alias() -> None:
    world = World(service("web"), asking("one", "m.test", created=1, server_alias="z.test"))
    assert owners(world)["z.test"] == "m.test"
    world.add(asking("two", HOST, created=2, server_alias="z.test"))
    assert owners(world)["z.test"] == HOST
    problem = world.problem("AliasConflict")
    assert problem.object.name == "one"
    assert problem.message.endswith("'z.test' is an alias of host a.test, by Ingress default/two")
    world.add(asking("two", HOST, created=2, server_alias="y.test"))
    assert owners(world) == {HOST: None, "m.test": None, "y.test": HOST, "z.test": "m.test"}
    assert world.problems == []


def test_of_two_ingresses_of_a_host_the_older_decides_over_aliases() -> None:
    world = World(
        service("web"),
        asking("older", HOST, created=1, server_alias="old.test"),
        ingress("younger", rule(HOST, path("/x")), created=2, annotations=annotated(server_alias="new.test")),
    )
    assert owners(world) == {HOST: None, "old.test": HOST}
    assert world.problem("AliasConflict").object.name == "younger"
    assert "the server-alias of Ingress default/older counts" in world.problem("AliasConflict").message
    world.apply(Deleted(Ingress, key("older")))
    assert owners(world) == {HOST: None, "new.test": HOST}
    assert world.problems == []


def test_a_canary_takes_no_name() -> None:
    world = World(
        service("web"),
        asking("one", HOST, server_alias="b.test"),
        asking("canary", "b.test", canary="true", canary_weight="100", server_alias="c.test"),
    )
    assert owners(world) == {HOST: None, "b.test": HOST}


def test_the_rules_without_host_have_aliases_too() -> None:
    world = World(service("web"), ingress("one", rule(None, path("/")), annotations=annotated(server_alias="b.test")))
    assert owners(world) == {"": None, "b.test": ""}


@pytest.mark.parametrize(("host", "other"), [("b.test", "www.b.test"), ("www.b.test", "b.test")])
def test_the_name_with_or_without_www_is_redirected(host: str, other: str) -> None:
    world = World(service("web"), asking("one", host, from_to_www_redirect="true"))
    (route,) = world.traffic.hosts[other].routes
    assert (route.action, world.traffic.hosts[other].alias_of) == (HostRedirect(host), host)
    world.add(asking("two", other, from_to_www_redirect="true"))
    assert owners(world) == {host: None, other: None}
    assert {(each.object.name, each.reason) for each in world.problems} == {
        ("one", "AnnotationUnsupported"),
        ("two", "AnnotationUnsupported"),
    }
    world.apply(Deleted(Ingress, key("one")))
    assert owners(world) == {other: None, host: other}
    assert world.problems == []


def test_a_redirect_precedes_an_alias_and_of_two_redirects_the_first_host_counts() -> None:
    world = World(
        service("web"),
        asking("alias", "0.test", server_alias="www.b.test"),
        asking("long", "www.www.b.test", from_to_www_redirect="true"),
        asking("short", "b.test", from_to_www_redirect="true"),
    )
    assert owners(world)["www.b.test"] == "b.test"
    assert world.traffic.hosts["www.b.test"].keeps_scheme
    assert sorted(world.reasons()) == [("alias", "AliasConflict"), ("long", "AnnotationUnsupported")]


@pytest.mark.parametrize("host", ["*.b.test", None])
def test_a_redirect_needs_a_name(host: str | None) -> None:
    world = World(
        service("web"), ingress("one", rule(host, path("/")), annotations=annotated(from_to_www_redirect="true"))
    )
    assert len(world.traffic.hosts) == 1
    assert world.reasons() == [("one", "AnnotationUnsupported")]


def test_the_certificate_of_a_host_serves_its_aliases() -> None:
    world = World(
        service("web"),
        secret("cert", certificate(HOST, "b.test", "*.c.test")),
        ingress(
            "one",
            rule(HOST, path("/")),
            tls=[tls(HOST, secret="cert")],
            annotations=annotated(server_alias="b.test,other.test,x.c.test,*.c.test,c.*"),
        ),
    )
    assert tls_hosts(world) == [("*.c.test", HOST, "b.test", "x.c.test")]
    assert world.problems == []
    world.add(secret("cert", certificate(HOST, serial=2)))
    assert tls_hosts(world) == [(HOST,)]
    world.add(secret("cert", certificate(HOST, "other.test")))
    assert tls_hosts(world) == [(HOST, "other.test")]
    world.add(ingress("one", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")]))
    assert tls_hosts(world) == [(HOST,)]


def test_a_tls_entry_decides_over_an_alias() -> None:
    both = certificate(HOST, "b.test")
    main = ingress(
        "one", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")], annotations=annotated(server_alias="b.test")
    )
    world = World(
        service("web"), secret("cert", both), main, ingress("two", rule("x.test"), tls=[tls("b.test", secret="own")])
    )
    assert world.traffic.tls.without_certificate == ("b.test",)
    world.add(secret("own", certificate("b.test", serial=2)))
    assert sorted(tls_hosts(world)) == [(HOST,), ("b.test",)]
    world.apply(Deleted(Secret, key("own")), Deleted(Ingress, key("two")))
    assert tls_hosts(world) == [(HOST, "b.test")]
