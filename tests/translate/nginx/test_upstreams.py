"""Annotations about the use of backends: backend-protocol, load balancing and connections.

Covers: grammars with edge values, the clusters of one Service that is used in several ways, what shares a cluster.
Excludes: answers (tests/support/route_table_annotations.py), traffic (tests/e2e/test_upstream_policies.py).
"""

from datetime import timedelta

import pytest

from tests.support.objects import World, external, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.objects import Service
from xds.traffic.actions import Closed, Forward
from xds.traffic.backends import Backend
from xds.traffic.hashing import HashKey, HashPart
from xds.traffic.routes import Route
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, Balancing, UpstreamPolicy
from xds.translate.nginx.annotation import PREFIX

HOST = "a.example.com"
HEADLESS = "None"


def world(of: Service | None = None, /, **values: str) -> World:
    return World(of or service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))


def only_route(given: World) -> Route:
    (route,) = given.traffic.hosts[HOST].routes
    return route


def only_backend(given: World) -> Backend:
    (backend,) = given.traffic.backends.values()
    return backend


def hash_keys(value: str) -> tuple[HashKey, ...]:
    given = world(upstream_hash_by=value)
    assert not given.problems
    assert only_backend(given).upstream.balancing is Balancing.HASH
    return only_route(given).policy.hash_keys


@pytest.mark.parametrize(
    ("word", "protocol", "sends_sni"),
    [
        ("HTTPS", BackendProtocol.WSS, False),
        (" https ", BackendProtocol.WSS, False),
        ("GRPC", BackendProtocol.H2C, True),
        ("grpcs", BackendProtocol.GRPCS, False),
    ],
)
def test_backend_protocol_precedes_the_app_protocol(word: str, protocol: BackendProtocol, sends_sni: bool) -> None:
    given = world(service("web", {"port": 80, "appProtocol": "unknown"}), backend_protocol=word)
    backend = only_backend(given)
    assert (backend.protocol, backend.upstream.sends_sni) == (protocol, sends_sni)
    assert backend.key.variant
    assert not given.problems


def test_backend_protocol_http_precedes_an_app_protocol_with_tls() -> None:
    backend = only_backend(world(service("web", {"port": 80, "appProtocol": "https"}), backend_protocol="HTTP"))
    assert backend.protocol is BackendProtocol.HTTP1
    assert backend.key.variant


@pytest.mark.parametrize("word", ["H2C", "HTTP2", "", "HTTP/1.1", "HTTPS\n"])
def test_a_bad_backend_protocol_leaves_the_app_protocol(word: str) -> None:
    given = world(service("web", {"port": 80, "appProtocol": "h2c"}), backend_protocol=word)
    assert (only_backend(given).protocol, only_backend(given).key.variant) == (BackendProtocol.H2C, "")
    assert [each.reason for each in given.problems] == (["AnnotationInvalid"] if word else [])


def test_fastcgi_closes_the_paths_with_a_problem() -> None:
    given = world(backend_protocol="fcgi")
    assert only_route(given).action == Closed((PREFIX + "backend-protocol",))
    assert not given.traffic.backends
    assert given.problem("BackendProtocolUnsupported").object.name == "shop"


def test_auto_http_has_a_backend_for_each_scheme() -> None:
    given = world(backend_protocol="AUTO_HTTP")
    route = only_route(given)
    plain, by_tls = (given.traffic.backends[key] for key in route.backends)
    assert (plain.protocol, by_tls.protocol) == (BackendProtocol.HTTP1, BackendProtocol.WSS)
    assert isinstance(route.action, Forward)
    (only,) = route.action.backends
    assert (only.key_of(tls=False), only.key_of(tls=True)) == (plain.key, by_tls.key)
    assert plain.key.variant == ""


@pytest.mark.parametrize(
    "values",
    [
        {"backend_protocol": "HTTP"},
        {"backend_protocol": "http", "load_balance": "round_robin", "proxy_connect_timeout": "5"},
        {"service_upstream": "false"},
        {"connection_proxy_header": "close"},
        {"upstream_vhost": "b.example.com"},
    ],
)
def test_annotations_that_say_the_default_share_the_cluster_of_the_port(values: dict[str, str]) -> None:
    given = world(**values)
    assert str(only_backend(given).key) == "default/web/80"
    assert only_backend(given).upstream == DEFAULT_UPSTREAM


def test_a_grpc_annotation_shares_the_cluster_of_a_port_that_says_the_same() -> None:
    backend = only_backend(world(service("web", {"port": 80, "appProtocol": "grpc"}), backend_protocol="GRPC"))
    assert (backend.protocol, backend.key.variant) == (BackendProtocol.H2C, "")


def test_routes_with_equal_policies_share_a_cluster() -> None:
    given = World(
        service("web"),
        ingress("one", rule(HOST, path("/one")), annotations=annotated(load_balance="ewma")),
        ingress("two", rule("b.test", path("/two")), annotations=annotated(load_balance=" ewma ")),
        ingress("plain", rule(HOST, path("/"))),
    )
    assert {each.variant == "" for each in given.traffic.backends} == {True, False}
    assert len(given.traffic.backends) == 2


def test_the_variant_of_a_policy_never_changes() -> None:
    """Another name would replace the clusters of a fleet, with their connections."""
    assert UpstreamPolicy().variant == ""
    assert UpstreamPolicy(balancing=Balancing.HASH).variant == "fffae04db2"
    assert UpstreamPolicy(protocol=BackendProtocol.WSS, sends_sni=False).variant == "2f32e4ff8e"


@pytest.mark.parametrize(
    ("value", "seconds"), [("1", 1), ("30", 30), ("+7", 7), ("2147483647", 86400), ("5", 5), ("", 5)]
)
def test_a_connect_timeout_is_a_number_of_seconds(value: str, seconds: int) -> None:
    given = world(proxy_connect_timeout=value)
    assert only_backend(given).upstream.connect_timeout == timedelta(seconds=seconds)
    assert not given.problems


@pytest.mark.parametrize("value", ["-1", "60s", "1e3", " 60", "99999999999", "\u0666", "x"])
def test_a_bad_connect_timeout_leaves_the_default(value: str) -> None:
    given = world(proxy_connect_timeout=value)
    assert only_backend(given).upstream == DEFAULT_UPSTREAM
    assert [each.reason for each in given.problems] == ["AnnotationInvalid"]


@pytest.mark.parametrize("word", ["chash", "chashsubset", "sticky_balanced", "sticky_persistent"])
def test_balancers_of_other_annotations_are_round_robin_with_a_problem(word: str) -> None:
    given = world(load_balance=word)
    assert only_backend(given).upstream == DEFAULT_UPSTREAM
    assert [each.reason for each in given.problems] == ["AnnotationUnsupported"]


@pytest.mark.parametrize("word", ["least_conn", "ip_hash", "EWMA", "ewma\n"])
def test_a_bad_balancer_is_round_robin_with_a_problem(word: str) -> None:
    given = world(load_balance=word)
    assert only_backend(given).upstream == DEFAULT_UPSTREAM
    assert [each.reason for each in given.problems] == ["AnnotationInvalid"]


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("$remote_addr", [HashKey(HashPart.CLIENT_ADDRESS)]),
        ("$binary_remote_addr", [HashKey(HashPart.CLIENT_ADDRESS)]),
        ("$http_x_User", [HashKey(HashPart.HEADER, "x-user")]),
        ("$http_host", [HashKey(HashPart.HOST)]),
        ("$cookie_Id_1", [HashKey(HashPart.COOKIE, "Id_1")]),
        ("$arg_q", [HashKey(HashPart.QUERY_PARAMETER, "q")]),
        ("a-${host}b$request_uri", [HashKey(HashPart.HOST), HashKey(HashPart.TARGET)]),
        ("$uri$document_uri$args", [HashKey(HashPart.PATH), HashKey(HashPart.QUERY)]),
        ("$scheme$request_method", [HashKey(HashPart.METHOD)]),
        ("$scheme", [HashKey(HashPart.NOTHING)]),
        ("all", [HashKey(HashPart.NOTHING)]),
        ("$-$", [HashKey(HashPart.NOTHING)]),
        ("${remote_addr", [HashKey(HashPart.NOTHING)]),
    ],
)
def test_upstream_hash_by_names_parts_of_the_request(value: str, keys: list[HashKey]) -> None:
    assert list(hash_keys(value)) == keys


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("$request_id", "AnnotationUnsupported"),
        ("$host$1", "AnnotationUnsupported"),
        ("$http_", "AnnotationUnsupported"),
        ("$" + "x" * 1000, "AnnotationUnsupported"),
        ("".join(f"$arg_{number}" for number in range(9)), "AnnotationUnsupported"),
        ("$host $uri", "AnnotationInvalid"),
        ("$host\n", "AnnotationInvalid"),
        ("$(host)", "AnnotationInvalid"),
    ],
)
def test_a_hash_key_that_is_not_known_leaves_round_robin(value: str, reason: str) -> None:
    given = world(upstream_hash_by=value)
    assert only_backend(given).upstream == DEFAULT_UPSTREAM
    assert only_route(given).policy.hash_keys == ()
    assert [each.reason for each in given.problems] == [reason]
    assert len(given.problems[0].message) < 600


def test_a_hash_precedes_load_balance() -> None:
    backend = only_backend(world(upstream_hash_by="$host", load_balance="ewma"))
    assert backend.upstream.balancing is Balancing.HASH


@pytest.mark.parametrize(
    ("cluster_ip", "endpoints"),
    [
        ("10.96.0.7", [("10.96.0.7", 80)]),
        ("FD00::7", [("fd00::7", 80)]),
        (HEADLESS, []),
        ("", []),
        (None, []),
        ("10.96.0", []),
    ],
)
def test_service_upstream_is_the_address_of_the_service(
    cluster_ip: str | None, endpoints: list[tuple[str, int]]
) -> None:
    given = world(service("web", clusterIP=cluster_ip), service_upstream="true")
    backend = only_backend(given)
    found = [each[:2] for zone in given.traffic.localities(backend) for each in zone.endpoints]
    assert found == endpoints
    assert bool(backend.key.variant) == bool(endpoints)


def test_service_upstream_of_an_external_name_changes_nothing() -> None:
    given = World(
        external("web", "out.example.com", 80),
        ingress("shop", rule(HOST, path("/")), annotations=annotated(service_upstream="true")),
        allow_external_name=True,
    )
    assert only_backend(given).upstream == DEFAULT_UPSTREAM


def test_the_default_backend_of_an_ingress_is_used_as_its_paths_are() -> None:
    given = World(
        service("web"),
        ingress("shop", rule(HOST, path("/")), default="web", annotations=annotated(backend_protocol="HTTPS")),
    )
    default = given.traffic.hosts[HOST].default
    assert default is not None
    assert default.backend == only_route(given).backend == only_backend(given).key


@pytest.mark.parametrize(("protocol", "header"), [("HTTP", "close"), ("HTTPS", "close"), ("GRPC", ""), ("GRPCS", "")])
def test_http2_has_no_connection_header(protocol: str, header: str) -> None:
    """A backend resets a request with one: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2."""
    asking = annotated(backend_protocol=protocol, connection_proxy_header="close")
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=asking))
    assert given.traffic.hosts[HOST].routes[0].policy.connection == header
