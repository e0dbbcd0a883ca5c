"""The keys of ingress-nginx's ConfigMap, and what becomes of them.

Covers: that every default can be read, bad, unknown and unsupported keys, keys that protect, a ConfigMap that changes,
is missing or can't be read. Excludes: the effect on listeners
(tests/e2e/test_compatibility.py).
"""

import pytest

from tests.support.objects import World, config_map, ingress, path, rule, service
from xds.kube.change import Applied, Deleted
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.traffic.actions import Closed, Forward
from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import PREFIX, InvalidValueError, Verdict
from xds.translate.nginx.configmap.key import AnyKey
from xds.translate.nginx.configmap.registry import KEYS
from xds.translate.nginx.custom_headers import MAX_HEADERS
from xds.translate.nginx.defaults import INGRESS_NGINX

HOST = "a.example.com"
NAME = Key("default", "nginx")


def world(data: dict[str, str] | None = None, *ignored: str, is_compatible: bool = False, **annotations: str) -> World:
    written = {PREFIX + name.replace("_", "-"): text for name, text in annotations.items()}
    objects = (service("web"), ingress("shop", rule(HOST, path("/")), default="web", annotations=written))
    configured = [] if data is None else [ConfigMap(Metadata(NAME.name, NAME.namespace), data)]
    return World(
        *configured,
        *objects,
        nginx_configmap=NAME,
        is_compatible=is_compatible,
        ignored_annotations=frozenset(ignored),
    )


def action(given: World) -> object:
    (route,) = given.traffic.hosts[HOST].routes
    return route.action


def authorizer(given: World) -> str | None:
    """The host at which the authorizer is asked."""
    (route,) = given.traffic.hosts[HOST].routes
    asked = route.policy.access.authorizer if route.policy.access else None
    return asked.url.host if asked else None


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_each_default_is_valid_and_no_problem(key: AnyKey) -> None:
    if key.default:
        assert world({key.name: key.default}).problems == []


@pytest.mark.parametrize("name", INGRESS_NGINX)
def test_the_defaults_of_annotations_are_those_of_the_keys(name: str) -> None:
    assert KEYS[name].default == INGRESS_NGINX[name]


def is_valid(key: AnyKey, value: str) -> bool:
    try:
        key.grammar.parse(value)
    except InvalidValueError:
        return False
    return True


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_a_key_that_protects_is_honoured_or_closes_all_paths(key: AnyKey) -> None:
    if key.protects is None:
        return
    for value in ("true", "1.2.3.4", "deny all;", "on"):
        given = world({key.name: value})
        can_be_had = key.verdict not in (Verdict.REFUSED, Verdict.NOT_YET) and is_valid(key, value)
        closes = not can_be_had and key.protects(value)
        assert key.verdict is not Verdict.NO_EFFECT
        assert isinstance(action(given), Closed if closes else Forward)
        assert isinstance(
            given.traffic.default.action if given.traffic.default else None, Closed if closes else Forward
        )
        reported = [each.reason for each in given.problems if each.object.kind == "ConfigMap"]
        assert (Reason.PROTECTION_UNAVAILABLE in reported) == closes


def test_an_ignored_key_that_protects_closes_nothing() -> None:
    assert isinstance(action(world({"enable-modsecurity": "true"}, "enable-modsecurity")), Forward)


def test_an_ingress_opts_out_of_global_authentication() -> None:
    good, bad = ({"global-auth-url": url} for url in ("http://auth.example.com/", "auth.example.com"))
    assert authorizer(world(good)) == authorizer(world(good, enable_global_auth="no way")) == "auth.example.com"
    assert authorizer(world(good, enable_global_auth="false")) is None
    assert authorizer(world(good, auth_url="http://own.example.com/")) == "own.example.com"
    assert isinstance(action(world(bad)), Closed)
    assert isinstance(action(world(bad, enable_global_auth="true")), Closed)
    for opted_out in (world(bad, enable_global_auth="false"), world(bad, auth_url="http://own.example.com/")):
        assert isinstance(action(opted_out), Forward)


@pytest.mark.parametrize(
    ("key", "value", "annotation", "text"),
    [
        ("global-auth-url", "auth.test", "enable-global-auth", ""),
        ("enable-modsecurity", "true", "enable-modsecurity", ""),
        ("server-snippet", "deny all;", "server-snippet", "gzip on;"),
        ("stream-snippet", "deny all;", "stream-snippet", "x"),
    ],
)
def test_no_ingress_opts_out_by_an_empty_value_or_a_snippet_of_its_own(
    key: str, value: str, annotation: str, text: str
) -> None:
    asking = ingress("shop", rule(HOST, path("/")), annotations={PREFIX + annotation: text})
    data = ConfigMap(Metadata(NAME.name, NAME.namespace), {key: value})
    assert isinstance(action(World(data, service("web"), asking, nginx_configmap=NAME)), Closed)


def test_an_ingress_opts_out_of_modsecurity() -> None:
    assert isinstance(action(world({"enable-modsecurity": "true"}, enable_modsecurity="false")), Forward)


def test_long_lists_of_blocked_clients_count_whole() -> None:
    networks = ",".join(f"10.{number // 256}.{number % 256}.0/24" for number in range(2000))
    agents = ",".join(f"agent{number}" for number in range(2000))
    blocked = world({"block-cidrs": networks, "block-user-agents": agents}).traffic.listeners.blocked
    assert (len(blocked.networks), len(blocked.user_agents)) == (2000, 2000)


@pytest.mark.parametrize(
    ("written", "trusted"),
    [
        ("10.0.0.0/8,bogus", ("10.0.0.0/8",)),
        ("10.0.0.0/8, fe80::1%eth0", ("10.0.0.0/8",)),
        ("bogus", None),
        ("", None),
        (None, ("0.0.0.0/0",)),
    ],
)
def test_a_bad_network_makes_nobody_a_trusted_proxy(written: str | None, trusted: tuple[str, ...] | None) -> None:
    key = {} if written is None else {"proxy-real-ip-cidr": written}
    given = world({"use-forwarded-headers": "true", **key})
    found = given.traffic.listeners.requests.trusted
    assert (found.networks if found else None) == trusted
    assert bool(given.problems) == (written != "")


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        ({"block-cidrs": "fe80::1%eth0"}, Reason.CONFIG_KEY_INVALID, "the element 'fe80::1%eth0'"),
        ({"proxy-connect-timeout": "5s"}, Reason.CONFIG_KEY_INVALID, "its default counts"),
        ({"use-gzip": "on"}, Reason.CONFIG_KEY_INVALID, "which is not true or false"),
        ({"hide-headers": "x-a,b c"}, Reason.CONFIG_KEY_INVALID, "'b c' is none"),
        ({"block-cidrs": "10.0.0.0/8,all"}, Reason.CONFIG_KEY_INVALID, "the element 'all'"),
        ({"block-user-agents": "~a)|(b"}, Reason.CONFIG_KEY_INVALID, "the element '~a)|(b'"),
        ({"ssl-ciphers": "ECDHE-RSA-AES128-GCM-SHA256:NONE"}, Reason.CONFIG_KEY_INVALID, "no suite of 'NONE'"),
        ({"use-gzpi": "true"}, Reason.CONFIG_KEY_UNKNOWN, "'use-gzpi'"),
        ({"log-format-upstream": "$status $geoip_x"}, Reason.CONFIG_KEY_INVALID, "'geoip_x'"),
        ({"log-format-stream": "$status $geoip_x"}, Reason.CONFIG_KEY_INVALID, "'geoip_x'"),
        ({"skip-access-log-urls": "/a,~("}, Reason.CONFIG_KEY_INVALID, "the element '~('"),
        ({"jaeger-endpoint": "x"}, Reason.CONFIG_KEY_UNSUPPORTED, "has no effect here"),
        ({"use-forwarded-headers": "true"}, Reason.EVERY_CLIENT_TRUSTED, "keep nobody out"),
    ],
)
def test_a_key_without_the_effect_that_was_meant_is_a_problem(data: dict[str, str], reason: Reason, text: str) -> None:
    (problem,) = world(data).problems
    assert (problem.object.kind, problem.object.key, problem.reason) == ("ConfigMap", NAME, reason)
    assert text in problem.message


def test_a_misspelt_key_has_the_nearest_known_one_as_remedy() -> None:
    (problem,) = world({"use-gzpi": "true"}).problems
    assert problem.remedy == "Did you mean use-gzip? Correct the key."
    assert nearest("zzzzzz", tuple(KEYS)) == ""


def test_an_empty_value_is_no_problem() -> None:
    assert world(dict.fromkeys(KEYS, "")).problems == []


def test_a_change_of_a_default_translates_all_ingresses_anew() -> None:
    given = world({"proxy-connect-timeout": "7"})
    assert connect_timeouts(given) == {7}
    given.apply(Applied(config_map("nginx", proxy_connect_timeout="9")))
    assert connect_timeouts(given) == {9}
    given.apply(Deleted(ConfigMap, NAME))
    assert connect_timeouts(given) == {5}


def connect_timeouts(given: World) -> set[float]:
    return {backend.upstream.connect_timeout.total_seconds() for backend in given.traffic.backends.values()}


def test_an_annotation_precedes_the_key() -> None:
    assert connect_timeouts(world({"proxy-connect-timeout": "7"}, proxy_connect_timeout="8")) == {8}


def test_a_missing_configmap_is_a_problem_and_leaves_the_defaults() -> None:
    given = world(None, is_compatible=True)
    (problem,) = given.problems
    assert problem.reason == Reason.CONFIG_MAP_NOT_FOUND
    assert given.traffic.listeners.gateway_statuses


def test_the_last_content_counts_while_the_configmap_cant_be_read() -> None:
    given = world({"proxy-connect-timeout": "7"})
    given.apply(Applied(ConfigMap(Metadata(NAME.name, NAME.namespace), None, "forbidden")))
    (problem,) = given.problems
    assert connect_timeouts(given) == {7}
    assert (problem.reason, "forbidden" in problem.message) == (Reason.CONFIG_MAP_NOT_FOUND, True)


def with_headers(**data: str) -> World:
    named = ConfigMap(Metadata("headers", "edge"), {name.replace("_", "-"): value for name, value in data.items()})
    keys = dict.fromkeys(("proxy-set-headers", "add-headers"), "edge/headers")
    given = world(keys)
    given.apply(Applied(named))
    return given


def test_headers_come_from_named_configmaps_with_variables_as_operators() -> None:
    given = with_headers(X_From="100% edge", X_Address="$remote_addr by ${http_x_user}")
    expected = (
        ("x-address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% by %REQ(X-USER)%"),
        ("x-from", "100%% edge"),
    )
    assert given.problems == []
    assert given.traffic.listeners.requests.written == given.traffic.listeners.responses.written == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-A", "a\r\nX-B: b"), ("X-A", ""), ("X-A", "$geoip_country"), ("Host", "a"), (":path", "/"), ("a b", "c")],
)
def test_a_header_that_cant_be_set_is_left_out(name: str, value: str) -> None:
    given = with_headers(**{name: value, "X-Kept": "1"})
    assert given.traffic.listeners.requests.written == (("x-kept", "1"),)
    assert [each.reason for each in given.problems] == [Reason.CONFIG_KEY_INVALID] * 2


def test_more_headers_than_envoy_takes_are_none() -> None:
    given = with_headers(**{f"x{number}": "1" for number in range(MAX_HEADERS + 1)})
    assert given.traffic.listeners.requests.written == given.traffic.listeners.responses.written == ()
    assert [each.reason for each in given.problems] == [Reason.CONFIG_KEY_INVALID] * 2


def test_a_missing_configmap_of_headers_sets_none_until_it_is_there() -> None:
    given = world({"proxy-set-headers": "edge/headers"})
    assert [each.reason for each in given.problems] == [Reason.CONFIG_MAP_NOT_FOUND]
    given.apply(Applied(ConfigMap(Metadata("headers", "edge"), {"X-A": "1"})))
    assert (given.problems, given.traffic.listeners.requests.written) == ([], (("x-a", "1"),))


@pytest.mark.parametrize(
    ("key", "requests", "connections"),
    [
        ("disable-access-log", False, False),
        ("disable-http-access-log", False, True),
        ("disable-stream-access-log", True, False),
    ],
)
def test_the_access_log_is_switched_off(key: str, *, requests: bool, connections: bool) -> None:
    usual, given = world().traffic.listeners.access_log, world({key: "true"})
    assert (usual.is_on, usual.has_connections) == (True, True)
    found = given.traffic.listeners.access_log
    assert (found.is_on, found.has_connections, given.problems) == (requests, connections, [])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("", ""),
        (
            "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time",
            (
                "[{client}] [%START_TIME(%d/%b/%Y:%H:%M:%S %z)%] {protocol} {flags} {bytes_sent} {bytes_received} "
                "{duration_ms}"
            ),
        ),
        ('{"to": "${upstream_addr}", "%": 1}', '{{"to": "{endpoint}", "%%": 1}}'),
    ],
)
def test_the_line_of_a_connection_has_envoys_operators_and_fields(written: str, text: str) -> None:
    given = world({"log-format-stream": written})
    assert (given.traffic.listeners.access_log.connection_text, given.problems) == (text, [])
    assert given.traffic.listeners.access_log.text == ""


def test_traces_of_all_paths_are_switched_off_and_an_annotation_switches_them_on() -> None:
    data = ConfigMap(Metadata(NAME.name, NAME.namespace), {"enable-opentelemetry": "false"})
    traced = ingress("traced", rule("b.test", path("/")), annotations={f"{PREFIX}enable-opentelemetry": "true"})
    shop = ingress("shop", rule("a.test", path("/")))
    given = World(data, service("web"), shop, traced, nginx_configmap=NAME, has_tracer=True)
    found = {host: each.routes[0].policy.tracing.is_on for host, each in given.traffic.hosts.items()}
    assert found == {"a.test": False, "b.test": True}
    assert given.problems == []
