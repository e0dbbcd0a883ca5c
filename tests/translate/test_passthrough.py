"""TLS passthrough: hosts whose connections are passed on undecrypted, or closed.

Covers: each row of ingress-nginx's behaviour and ours, seniority against TLS entries and among annotations, ownership
by namespace, aliases, wildcards, address lists, and the changes that are followed. Excludes: a real Envoy
(tests/e2e/test_passthrough.py).
"""

from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest

from tests.support.objects import World, certificate, exact, ingress, key, path, rule, secret, service, specific, tls
from tests.support.route_table_annotations import annotated, canary
from xds.explain.answer import MISDIRECTED, Answer
from xds.explain.matcher import answer, handshake
from xds.explain.request import Request
from xds.kube.change import Deleted
from xds.kube.objects import ConfigMap, Ingress, IngressRule, KubeObject, Metadata, Service
from xds.problems.reasons import Reason
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT
from xds.traffic.tls import Sources
from xds.traffic.upstream import BackendProtocol, ProxyHeader
from xds.translate.ownership import HostOwnership

HOST: Final = "db.test"
PASSED: Final = annotated(ssl_passthrough="true")
CERT: Final = secret("cert", certificate("*.test", "*.x.test"))
DEFAULT: Final = secret("default", certificate("default.test"))
WEB: Final = service("web", 443, 80)
FURTHER: Final = (WEB, service("app"), CERT, DEFAULT, service("web", 443, ns="other"))


def passing(*rules: IngressRule, name: str = "db", created: int = 1, **fields: Any) -> Ingress:
    """An Ingress that asks for passthrough."""
    annotations = PASSED | fields.pop("annotations", {})
    return ingress(
        name, *(rules or (rule(HOST, path("/", "web:443")),)), created=created, annotations=annotations, **fields
    )


def world(*objects: KubeObject, passes_tls: bool = True, **options: Any) -> World:
    return World(*FURTHER, *objects, passes_tls=passes_tls, **options)


def passed(given: World) -> dict[str, str]:
    """The Service and port of each host that is passed through."""
    table = given.traffic.tls
    return {host: f"{each.backend.service}:{each.backend.port}" for each in table.passed for host in each.hosts}


def terminated(given: World) -> set[str]:
    return {host for each in given.traffic.tls.terminations for host in each.hosts}


def problems(given: World) -> list[tuple[str, Reason]]:
    return [(each.object.name, each.reason) for each in given.problems]


def by_tls(given: World, host: str, sni: str) -> Answer:
    return answer(given.traffic, Request(host, "/", https=True, sni=sni))


def plain(given: World, host: str) -> Answer:
    return answer(given.traffic, Request(host, "/"))


def test_tls_of_a_host_goes_to_the_service_of_its_root() -> None:
    given = world(passing())
    assert passed(given) == {HOST: "web:443"}
    (each,) = given.traffic.tls.passed
    backend = given.traffic.backends[each.backend]
    assert backend.protocol is BackendProtocol.TCP
    assert backend.upstream.proxy_header is None
    assert problems(given) == []
    assert [route.path for route in given.traffic.hosts[HOST].routes] == ["/"]


def test_without_the_operators_flag_tls_is_terminated_as_without_the_annotation() -> None:
    ours = {"xds-ingress.dev/ssl-passthrough": "true"}
    for annotations in (PASSED, ours, annotated(ssl_passthrough="yes")):
        shop = ingress("db", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")], annotations=annotations)
        given = world(shop, passes_tls=False)
        assert (passed(given), given.traffic.tls.closed, terminated(given)) == ({}, (), {HOST})
        assert problems(given) == [("db", Reason.PASSTHROUGH_OFF)]


@pytest.mark.parametrize("value", ["false", "", "0", "F"])
def test_a_false_value_asks_for_nothing(value: str) -> None:
    annotations = annotated(ssl_passthrough=value)
    given = world(ingress("db", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")], annotations=annotations))
    assert (passed(given), terminated(given), problems(given)) == ({}, {HOST}, [])


def test_our_own_name_precedes_ingress_nginx_s() -> None:
    ours = "xds-ingress.dev/ssl-passthrough"
    given = world(ingress("db", rule(HOST, path("/")), annotations={ours: "true"}))
    assert passed(given) == {HOST: "web:80"}
    given = world(passing(annotations={ours: "false"}))
    assert passed(given) == {}
    assert problems(given) == [("db", Reason.ANNOTATION_OVERRIDDEN)]
    given = world(passing(annotations={ours: "no"}))
    assert given.traffic.tls.closed == (HOST,)


def test_a_root_of_any_prefix_like_type_counts() -> None:
    assert passed(world(passing(rule(HOST, specific("/"))))) == {HOST: "web:80"}
    assert passed(world(passing(rule(HOST, specific(None))))) == {HOST: "web:80"}


def test_paths_beside_the_root_serve_plain_requests_only() -> None:
    younger = ingress("late", rule(HOST, path("/late", "app")), created=5)
    given = world(passing(rule(HOST, path("/"), path("/app", "app"), path("/b", "app"))), younger)
    assert passed(given) == {HOST: "web:80"}
    assert {route.path for route in given.traffic.hosts[HOST].routes} == {"/", "/app", "/b", "/late"}
    assert problems(given) == [("db", Reason.PATH_NOT_SEEN), ("late", Reason.PATH_NOT_SEEN)]
    assert "path '/app' and 1 more of host 'db.test'" in given.problems[0].message


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (rule(HOST, path("/app")), "host 'db.test' has no path / of type Prefix"),
        (rule(HOST, exact("/")), "host 'db.test' has no path / of type Prefix"),
        (rule(HOST), "host 'db.test' has no path / of type Prefix"),
        (rule(HOST, path("/", "none")), "Service 'default/none' doesn't exist"),
        (rule(HOST, path("/", "web:9")), "Service default/web has no TCP port '9'"),
        (rule(HOST, path("/", "bucket!")), "path / of host 'db.test' has no Service"),
    ],
    ids=["no-root", "exact-root", "no-path", "no-service", "no-port", "resource"],
)
def test_a_host_that_can_not_be_passed_through_is_closed_and_never_decrypted(rules: IngressRule, why: str) -> None:
    given = world(passing(rules, tls=[tls(HOST, secret="cert")]), default_tls_secret="default")
    table = given.traffic.tls
    assert (table.closed, table.passed, terminated(given)) == ((HOST,), (), set())
    assert handshake(table, HOST).termination is None
    closed = [each for each in given.problems if each.reason is Reason.PASSTHROUGH_CLOSED]
    assert [why in each.message for each in closed] == [True], given.problems


def test_a_service_comes_goes_and_changes_its_port() -> None:
    given = world(passing(rule(HOST, path("/", "late:443"))))
    assert given.traffic.tls.closed == (HOST,)
    given.add(service("late", 443))
    assert (passed(given), problems(given)) == ({HOST: "late:443"}, [])
    given.add(service("late", 8443))
    assert given.traffic.tls.closed == (HOST,)
    given.add(service("late", 443))
    given.apply(Deleted(Service, key("late")))
    assert (passed(given), given.traffic.tls.closed) == ({}, (HOST,))


def test_a_tls_entry_redirects_and_its_secret_is_not_served() -> None:
    given = world(passing(tls=[tls(HOST, secret="cert")]))
    assert (passed(given), terminated(given)) == ({HOST: "web:443"}, set())
    assert problems(given) == [("db", Reason.CERTIFICATE_UNUSED)]
    assert set(given.traffic.tls.named) == {HOST}
    assert given.traffic.certificates == {}
    assert problems(world(passing(tls=[tls(HOST)]))) == []
    assert problems(world(passing(tls=[tls(HOST, secret="none")]))) == [("db", Reason.CERTIFICATE_UNUSED)]


def test_without_a_tls_entry_plain_requests_are_served_unless_forced() -> None:
    redirected = world(passing(tls=[tls(HOST)], annotations=annotated(ssl_redirect="true")))
    served = world(passing(annotations=annotated(ssl_redirect="true")))
    forced = world(passing(annotations=annotated(force_ssl_redirect="true")))
    assert set(served.traffic.tls.named) == set()
    assert [plain(each, HOST).status for each in (redirected, served, forced)] == [308, 200, 308]


def test_a_younger_annotation_never_takes_tls_from_an_older_entry() -> None:
    older = ingress("old", rule(HOST, path("/", "app")), tls=[tls(HOST, secret="cert")], created=1)
    younger = passing(rule(HOST, path("/app")), created=2)
    for cert in (CERT, secret("cert", certificate("bad.test", kind="rsa1024"))):
        given = world(older, younger, cert)
        assert (passed(given), given.traffic.tls.closed) == ({}, ())
        conflicts = [each for each in given.problems if each.reason is Reason.PASSTHROUGH_CONFLICT]
        assert [each.object.name for each in conflicts] == ["db"]
        assert "as Ingress default/old says, which is older" in conflicts[0].message


@pytest.mark.parametrize("entry", [tls("*.x.test", secret="cert"), tls(secret="cert")], ids=["wildcard", "no-hosts"])
def test_an_entry_that_covers_a_rule_of_its_own_ingress_counts(entry: Any) -> None:
    older = ingress("old", rule("a.x.test", path("/", "app")), tls=[entry], created=1)
    given = world(older, passing(rule("a.x.test", path("/app")), created=2))
    assert passed(given) == {}
    assert Reason.PASSTHROUGH_CONFLICT in {each.reason for each in given.problems}


def test_a_wildcard_and_a_name_below_are_no_conflict() -> None:
    older = ingress("old", rule("*.x.test", path("/", "app")), tls=[tls("*.x.test", secret="cert")], created=1)
    given = world(older, passing(rule("a.x.test", path("/")), created=2))
    assert (passed(given), terminated(given), problems(given)) == ({"a.x.test": "web:80"}, {"*.x.test"}, [])
    older = ingress("old", rule("a.x.test", path("/", "app")), tls=[tls("a.x.test", secret="cert")], created=2)
    given = world(older, passing(rule("*.x.test", path("/")), created=1))
    assert (passed(given), terminated(given), problems(given)) == ({"*.x.test": "web:80"}, {"a.x.test"}, [])


def test_the_older_annotation_decides() -> None:
    younger = ingress("late", rule(HOST, path("/app", "app")), tls=[tls(HOST, secret="cert")], created=2)
    given = world(passing(), younger)
    assert (passed(given), terminated(given)) == ({HOST: "web:443"}, set())
    assert problems(given) == [("late", Reason.PASSTHROUGH_CONFLICT), ("late", Reason.PATH_NOT_SEEN)]
    given = world(passing(), passing(rule(HOST, path("/", "app")), name="late", created=2))
    assert passed(given) == {HOST: "web:443"}
    assert ("late", Reason.PASSTHROUGH_CONFLICT) in problems(given)
    given.apply(Deleted(Ingress, key("db")))
    assert (passed(given), problems(given)) == ({HOST: "app:80"}, [])


def test_the_root_of_an_older_ingress_of_the_namespace_gets_the_connections() -> None:
    given = world(ingress("old", rule(HOST, path("/", "app")), created=0), passing(rule(HOST, path("/b"))))
    assert passed(given) == {HOST: "app:80"}


def test_a_root_that_another_ingress_of_the_namespace_takes_is_followed() -> None:
    given = world(passing())
    given.add(ingress("old", rule(HOST, path("/", "app")), created=0))
    assert passed(given) == {HOST: "app:80"}
    given.add(ingress("old", rule(HOST, exact("/", "app")), created=0))
    assert passed(given) == {HOST: "web:443"}


def test_another_namespace_never_passes_through_the_tls_of_an_older_host() -> None:
    older = ingress("old", rule(HOST, path("/app", "app")), created=0)
    given = world(older, passing(ns="other"), default_tls_secret="default")
    assert (passed(given), given.traffic.tls.closed) == ({}, ())
    assert problems(given) == [("db", Reason.PASSTHROUGH_CONFLICT)]
    assert handshake(given.traffic.tls, HOST).termination is not None
    given.apply(Deleted(Ingress, key("old")))
    assert passed(given) == {HOST: "web:443"}


def test_a_root_of_another_namespace_gets_no_connection() -> None:
    foreign = ingress("late", rule(HOST, path("/")), ns="other", created=5)
    given = world(passing(rule(HOST, path("/app"))), foreign)
    assert given.traffic.tls.closed == (HOST,)
    assert ("db", Reason.PASSTHROUGH_CLOSED) in problems(given)


def test_a_host_that_belongs_to_another_namespace_is_not_passed_through() -> None:
    older = ingress("old", rule(HOST, path("/", "app")), tls=[tls(HOST, secret="cert")], created=1)
    foreign = passing(ns="other", created=2)
    given = world(older, foreign, host_ownership=HostOwnership.NAMESPACE)
    alone = world(older, host_ownership=HostOwnership.NAMESPACE)
    assert given.traffic.tls == alone.traffic.tls
    assert problems(given) == [("db", Reason.HOST_OF_OTHER_NAMESPACE)]
    entry = ingress("entry", rule("own.test", path("/")), tls=[tls(HOST, secret="c")], ns="other", created=0)
    given = world(entry, passing(), host_ownership=HostOwnership.NAMESPACE)
    assert passed(given) == {HOST: "web:443"}


def test_a_canary_neither_asks_nor_has_the_root() -> None:
    weighted = canary(canary_weight="50")
    given = world(
        passing(name="canary", created=0, annotations=weighted), ingress("main", rule(HOST, path("/", "app")))
    )
    assert (passed(given), given.traffic.tls.closed) == ({}, ())
    given = world(ingress("canary", rule(HOST, path("/", "app")), annotations=weighted, created=0), passing())
    assert passed(given) == {HOST: "web:443"}


def test_aliases_are_passed_through() -> None:
    names = "alias.test, *.y.test, example.*"
    given = world(passing(annotations=annotated(server_alias=names)), default_tls_secret="default")
    assert passed(given) == dict.fromkeys((HOST, "alias.test", "*.y.test"), "web:443")
    for host in (HOST, "alias.test", "a.y.test", "a.b.y.test", "example.org"):
        assert by_tls(given, host, "else.test") == MISDIRECTED, host
    given.add(passing())
    assert passed(given) == {HOST: "web:443"}


def test_an_older_tls_entry_keeps_an_alias() -> None:
    older = ingress("old", rule("own.test", path("/", "app")), tls=[tls("alias.test", secret="cert")], created=0)
    given = world(older, passing(annotations=annotated(server_alias="alias.test")))
    assert (passed(given), terminated(given)) == ({HOST: "web:443"}, {"alias.test"})
    assert problems(given) == [("db", Reason.PASSTHROUGH_CONFLICT)]
    assert by_tls(given, "alias.test", "alias.test") == MISDIRECTED


def test_a_wildcard_stands_for_one_label() -> None:
    table = world(passing(rule("*.x.test", path("/")))).traffic.tls
    assert handshake(table, "a.x.test").passthrough is not None
    assert [handshake(table, name).passthrough for name in ("x.test", "a.b.x.test", "")] == [None] * 3


def test_a_name_of_an_older_ingress_below_a_wildcard_keeps_the_default_certificate() -> None:
    older = ingress("old", rule("a.x.test", path("/", "app")), created=0)
    younger = ingress("late", rule("b.x.test", path("/", "app")), created=5)
    given = world(older, passing(rule("*.x.test", path("/"))), younger, default_tls_secret="default")
    table = given.traffic.tls
    assert by_tls(given, "a.x.test", "a.x.test").status == 200
    assert handshake(table, "b.x.test").passthrough is not None
    assert set(table.named) == set()
    assert problems(given) == [("late", Reason.PATH_NOT_SEEN)]
    given.apply(Deleted(Ingress, key("old")))
    assert handshake(given.traffic.tls, "a.x.test").passthrough is not None
    given.add(older)
    assert handshake(given.traffic.tls, "a.x.test").passthrough is None
    without = world(older, passing(rule("*.x.test", path("/"))))
    assert without.traffic.tls.closed == ("a.x.test",)


def test_a_wildcard_takes_no_tls_of_names_that_another_namespace_owns() -> None:
    """However young they are, and aliases below the wildcard too."""
    wild = passing(rule("*.x.test", path("/")))
    aliases = annotated(server_alias="alias.x.test")
    young = ingress("late", rule("b.x.test", path("/", "web:443")), ns="other", created=5, annotations=aliases)
    for ownership, is_passed in (HostOwnership.SHARED, True), (HostOwnership.NAMESPACE, False):
        given = world(wild, young, default_tls_secret="default", host_ownership=ownership)
        for name in ("b.x.test", "alias.x.test"):
            assert (handshake(given.traffic.tls, name).passthrough is not None) is is_passed
        assert handshake(given.traffic.tls, "free.x.test").passthrough is not None
        assert problems(given) == [("late", Reason.PATH_NOT_SEEN)] * is_passed
    assert by_tls(given, "b.x.test", "b.x.test") == plain(given, "b.x.test")
    given.apply(Deleted(Ingress, key("late", "other")))
    assert handshake(given.traffic.tls, "b.x.test").passthrough is not None
    given.add(young)
    assert handshake(given.traffic.tls, "b.x.test").passthrough is None
    assert set(world(wild, young, host_ownership=HostOwnership.NAMESPACE).traffic.tls.closed) == {
        *("b.x.test", "alias.x.test")
    }


def test_its_name_on_a_terminated_connection_is_misdirected() -> None:
    wild = ingress("wild", rule("*.test", path("/", "app")), tls=[tls("*.test", secret="cert")], created=0)
    closed = passing(rule("closed.test", path("/app")), name="closed", created=2)
    given = world(wild, passing(), closed, default_tls_secret="default")
    for host in (HOST, "closed.test"):
        for sni in ("other.test", "nowhere.org", ""):
            assert by_tls(given, host, sni) == MISDIRECTED
    assert by_tls(given, "other.test", "other.test").status == 200


LISTS: Final = [
    (annotated(allowlist_source_range="10.0.0.0/8"), Sources(("10.0.0.0/8",))),
    (annotated(whitelist_source_range="10.0.0.0/8"), Sources(("10.0.0.0/8",))),
    (annotated(denylist_source_range="10.0.0.0/8"), Sources(None, ("10.0.0.0/8",))),
    (
        annotated(allowlist_source_range="10.0.0.0/8", satisfy="any", denylist_source_range="10.1.0.0/16"),
        Sources(("10.0.0.0/8",), ("10.1.0.0/16",)),
    ),
]


@pytest.mark.parametrize(("annotations", "sources"), LISTS)
def test_address_lists_hold(annotations: dict[str, str], sources: Sources) -> None:
    given = world(passing(annotations=annotations))
    assert given.traffic.tls.sources == {HOST: sources}
    given.add(passing())
    assert given.traffic.tls.sources == {}


def test_the_lists_of_the_annotation_and_of_the_root_both_hold() -> None:
    root = ingress(
        "root", rule(HOST, path("/")), annotations=annotated(allowlist_source_range="10.1.0.0/16,192.0.2.0/24")
    )
    asking = passing(
        rule(HOST, path("/b")),
        annotations=annotated(allowlist_source_range="10.0.0.0/8,192.0.2.7/32", denylist_source_range="10.1.1.0/24"),
    )
    given = world(root, asking)
    assert given.traffic.tls.sources == {HOST: Sources(("10.1.0.0/16", "192.0.2.7/32"), ("10.1.1.0/24",))}


def test_lists_that_are_too_long_for_the_listener_close_the_hosts_that_are_too_many() -> None:
    networks = ",".join(f"10.{each // 128}.{each % 128 * 2}.0/24" for each in range(8_000))
    rules = [rule(f"{name}.test", path("/")) for name in "abc"]
    given = world(passing(*rules, annotations=annotated(allowlist_source_range=networks)))
    assert (set(passed(given)), given.traffic.tls.closed) == ({"a.test", "b.test"}, ("c.test",))
    assert "more than 20,000 networks" in given.problem("PassthroughClosed").message


@pytest.mark.parametrize("name", ["allowlist_source_range", "whitelist_source_range", "denylist_source_range"])
@pytest.mark.parametrize("text", ["everybody", "10.0.0.0/8,x"])
def test_a_list_that_can_not_be_read_closes_the_host(name: str, text: str) -> None:
    given = world(passing(annotations=annotated(**{name: text})))
    assert (given.traffic.tls.closed, passed(given)) == ((HOST,), {})
    assert ("db", Reason.PASSTHROUGH_CLOSED) in problems(given)


@pytest.mark.parametrize(
    ("text", "closed", "sources"),
    [("10.0.0.0/8", (), {HOST: Sources(("10.0.0.0/8",))}), ("nobody", (HOST,), {}), (None, (), {})],
)
def test_the_operators_list_holds_and_is_followed(text: str | None, closed: tuple[str, ...], sources: Any) -> None:
    name = key("nginx")
    given = world(passing(), nginx_configmap=name)
    data = {} if text is None else {"whitelist-source-range": text}
    given.add(ConfigMap(metadata=Metadata(name="nginx", namespace="default"), data=data))
    assert (given.traffic.tls.closed, given.traffic.tls.sources) == (closed, sources)


def test_clients_that_the_configmap_blocks_reach_no_host_that_is_passed_through() -> None:
    """As they reach none that is terminated, whatever the lists of Ingresses say."""
    given = world(passing(annotations=annotated(allowlist_source_range="10.0.0.0/8")), nginx_configmap=key("nginx"))
    given.add(ConfigMap(Metadata("nginx", "default"), {"block-cidrs": "10.1.2.3/16,192.0.2.1"}))
    assert given.traffic.tls.sources == {HOST: Sources(("10.0.0.0/8",), ("10.1.0.0/16", "192.0.2.1/32"))}
    given.add(passing())
    assert given.traffic.tls.sources == {HOST: Sources(None, ("10.1.0.0/16", "192.0.2.1/32"))}
    given.add(ConfigMap(Metadata("nginx", "default"), {}))
    assert given.traffic.tls.sources == {}


def test_protections_of_requests_are_problems_and_hold_for_plain_requests_only() -> None:
    asked = annotated(auth_type="basic", auth_secret="none", limit_rps="5", allowlist_source_range="10.0.0.0/8")
    given = world(passing(annotations=asked))
    assert passed(given) == {HOST: "web:443"}
    unenforced = [each for each in given.problems if each.reason is Reason.PROTECTION_NOT_ENFORCED]
    assert {each.message.split()[0] for each in unenforced} == {"auth-type", "auth-secret", "limit-rps"}
    assert plain(given, HOST).status == 503


def test_client_certificates_of_a_passed_host_are_asked_for_on_no_connection() -> None:
    given = world(passing(annotations=annotated(auth_tls_secret="default/none")), default_tls_secret="default")
    assert passed(given) == {HOST: "web:443"}
    assert all(each.checked is None for each in given.traffic.tls.terminations)


def test_a_value_that_is_no_boolean_closes_the_host() -> None:
    given = world(passing(annotations=annotated(ssl_passthrough="yes"), tls=[tls(HOST, secret="cert")]))
    assert (given.traffic.tls.closed, terminated(given), passed(given)) == ((HOST,), set(), {})
    assert ("db", Reason.PASSTHROUGH_CLOSED) in problems(given)
    assert [route.path for route in given.traffic.hosts[HOST].routes] == ["/"]


@pytest.mark.parametrize(("text", "header"), [("v1", ProxyHeader.V1), ("V2", ProxyHeader.V2)])
def test_the_proxy_protocol_tells_the_clients_address(text: str, header: ProxyHeader) -> None:
    name = "xds-ingress.dev/tls-passthrough-proxy-protocol"
    plain = world(passing()).traffic.tls.passed[0].backend
    given = world(passing(annotations={name: text}))
    (each,) = given.traffic.tls.passed
    assert given.traffic.backends[each.backend].upstream.proxy_header is header
    assert each.backend != plain
    assert problems(given) == []
    wrong = world(passing(annotations={name: "v3"}))
    assert (wrong.traffic.tls.passed[0].backend, problems(wrong)) == (plain, [("db", Reason.ANNOTATION_INVALID)])
    alone = world(ingress("db", rule(HOST, path("/")), annotations={name: text}))
    assert problems(alone) == [("db", Reason.ANNOTATION_UNSUPPORTED)]


def test_rules_without_host_are_not_passed_through() -> None:
    given = world(passing(rule(None, path("/"))))
    assert (passed(given), given.traffic.tls.closed) == ({}, ())
    assert problems(given) == [("db", Reason.ANNOTATION_UNSUPPORTED)]


def test_an_ignored_annotation_counts_as_absent() -> None:
    given = world(passing(tls=[tls(HOST, secret="cert")]), ignored_annotations=frozenset({"ssl-passthrough"}))
    assert (passed(given), terminated(given)) == ({}, {HOST})


def test_an_https_port_is_not_wrapped_in_tls_again() -> None:
    port = {"port": 443, "appProtocol": "https"}
    given = world(service("web", port), passing())
    backends = given.traffic.backends.values()
    assert sorted(each.protocol for each in backends) == [BackendProtocol.HTTPS, BackendProtocol.TCP]


def test_the_backend_of_the_passthrough_goes_with_the_annotation() -> None:
    given = world(passing())
    given.add(ingress("db", rule(HOST, path("/", "web:443")), created=1))
    assert [each.protocol for each in given.traffic.backends.values()] == [BackendProtocol.HTTP1]
    assert given.traffic.tls.passed == ()


def test_the_idle_timeout_is_that_of_the_service() -> None:
    given = world(passing())
    assert given.traffic.tls.passed[0].idle_timeout == TCP_IDLE_TIMEOUT
    for text, timeout, reasons in (
        ("10m", timedelta(minutes=10), []),
        ("soon", TCP_IDLE_TIMEOUT, [("web", Reason.ANNOTATION_INVALID)]),
    ):
        given.add(with_annotation(WEB, "xds-ingress.dev/tcp-idle-timeout", text))
        assert (given.traffic.tls.passed[0].idle_timeout, problems(given)) == (timeout, reasons)


def with_annotation(each: Service, name: str, value: str) -> Service:
    return msgspec.structs.replace(each, metadata=msgspec.structs.replace(each.metadata, annotations={name: value}))


def test_several_hosts_of_a_service_share_a_chain() -> None:
    given = world(passing(rule(HOST, path("/")), rule("b.test", path("/"))))
    assert [each.hosts for each in given.traffic.tls.passed] == [("b.test", HOST)]


def test_an_ingress_without_the_annotation_leaves_the_tls_table_alone() -> None:
    """Only Ingresses of hosts that are passed through make the table stale."""
    given = world(passing())
    table = given.traffic.tls
    given.add(ingress("other", rule("other.test", path("/"))), service("app", 8080))
    assert given.traffic.tls is table


def test_the_oldest_ingress_of_an_alias_below_a_wildcard_leaves() -> None:
    old = ingress("old", rule("a.test", path("/app")), created=1)
    young = ingress("young", rule("a.test", path("/")), created=3, annotations=annotated(server_alias="b.x.test"))
    given = world(passing(rule("*.x.test", path("/")), created=2), old, young)
    assert given.traffic.tls.without_entry == {"*.x.test", "b.x.test"}
    given.apply(Deleted(Ingress, old.key))
    assert given.traffic.tls.without_entry == {"*.x.test"}
