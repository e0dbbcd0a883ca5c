"""The `validate` rules of Envoy's API, compared with the verdict of a real Envoy on the same configuration.

Covers: each kind of rule in plain fields, lists, maps, wrappers, durations, oneofs and Anys; a meaning for every rule
in the table; the name of the field in a violation. Excludes: other reasons for rejection (tests/e2e), and
built resources, which break no rule (tests/properties).
"""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.envoy_json import from_dict
from xds.address import parse
from xds.bootstrap.config import BootstrapOptions, bootstrap
from xds.envoyapi import codec, constraints
from xds.envoyapi.constraints import TABLE_PATH, violations
from xds.envoyapi.pool import message_class

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
ANY_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ANY_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
ANY_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


ENDPOINT = {"endpoint": {"address": address("10.0.0.1", 80)}, "load_balancing_weight": 1}
ROUTE = {
    "match": {"prefix": "/", "headers": [{"name": "x", "string_match": {"exact": "y"}}]},
    "route": {"cluster": "a", "retry_policy": {"retry_host_predicate": []}},
    "request_headers_to_add": [{"header": {"key": "k", "value": "v"}}],
    "request_headers_to_remove": ["gone"],
    "metadata": {"filter_metadata": {"some": {"a": "b"}}},
}
MANAGER = {
    "@type": ANY_MANAGER,
    "stat_prefix": "http",
    "http2_protocol_options": {"max_concurrent_streams": 100, "initial_stream_window_size": 65535},
    "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ANY_ROUTER}}],
    "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [ROUTE]}]},
}
GOOD = {
    "static_resources": {
        "clusters": [
            {
                "name": "a",
                "connect_timeout": "1s",
                "load_assignment": {
                    "cluster_name": "a",
                    "endpoints": [{"lb_endpoints": [ENDPOINT], "load_balancing_weight": 1}],
                },
                "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
                "circuit_breakers": {"thresholds": [{"max_requests": 1}]},
            }
        ],
        "listeners": [
            {
                "name": "l",
                "address": address("127.0.0.1", 8080),
                "filter_chains": [{"filters": [{"name": "hcm", "typed_config": MANAGER}]}],
            }
        ],
        "secrets": [{"name": "s", "generic_secret": {"secret": {"inline_string": "x"}}}],
    }
}

CLUSTER = "static_resources.clusters[0]"
LOCALITY = f"{CLUSTER}.load_assignment.endpoints[0]"
SOCKET = f"{LOCALITY}.lb_endpoints[0].endpoint.address.socket_address"
LISTENER = "static_resources.listeners[0]"
HCM = f"{LISTENER}.filter_chains[0].filters[0].typed_config"
VHOST = f"{HCM}.route_config.virtual_hosts[0]"
ROUTE_0 = f"{VHOST}.routes[0]"
GONE = "(gone)"

# A path, a value, and the field below the path (or beside, with a slash) whose rule breaks. None: no rule breaks.
CASES: list[tuple[str, Any] | tuple[str, Any, str | None]] = [
    (f"{CLUSTER}.name", ""),
    (f"{CLUSTER}.connect_timeout", "0s"),
    (f"{CLUSTER}.connect_timeout", "0.000000001s", None),
    (f"{CLUSTER}.dns_refresh_rate", "0.001s"),
    (f"{CLUSTER}.dns_refresh_rate", "0.001000001s", None),
    (f"{CLUSTER}.lb_policy", 99),
    (f"{CLUSTER}.common_lb_config.healthy_panic_threshold.value", 100, None),
    (f"{CLUSTER}.common_lb_config.healthy_panic_threshold.value", 100.5),
    (f"{CLUSTER}.common_lb_config.healthy_panic_threshold.value", -1),
    (f"{CLUSTER}.circuit_breakers.thresholds[0].priority", 9),
    (f"{CLUSTER}.load_assignment.cluster_name", ""),
    (f"{LOCALITY}.priority", 128, None),
    (f"{LOCALITY}.priority", 129),
    (f"{LOCALITY}.load_balancing_weight", 0),
    (f"{LOCALITY}.lb_endpoints[0].load_balancing_weight", 0),
    (f"{LOCALITY}.lb_endpoints[0].endpoint.address", {}, ".address"),
    (f"{SOCKET}.address", ""),
    (f"{SOCKET}.port_value", 65536),
    (f"{SOCKET}.port_value", GONE, "/port_specifier"),
    (f"{LISTENER}.per_connection_buffer_limit_bytes", 0, None),
    (f"{LISTENER}.filter_chains[0].filters[0].name", ""),
    (f"{HCM}.stat_prefix", ""),
    (f"{HCM}.codec_type", 9),
    (f"{HCM}.http_filters[0].name", ""),
    (f"{HCM}.http2_protocol_options.max_concurrent_streams", 0),
    (f"{HCM}.http2_protocol_options.max_concurrent_streams", 2**31),
    (f"{HCM}.http2_protocol_options.initial_stream_window_size", 65534),
    (f"{HCM}.path_with_escaped_slashes_action", 9, None),
    (f"{HCM}.server_name", "a\nb"),
    (f"{HCM}.upgrade_configs", [{"upgrade_type": ""}], None),
    (f"{HCM}.route_config", GONE, "/route_specifier"),
    (f"{HCM}.access_log", [{"name": "a", "filter": {}}], "[0].filter.filter_specifier"),
    (f"{VHOST}.name", ""),
    (f"{VHOST}.domains", []),
    (f"{VHOST}.domains", ["a\nb"], "[0]"),
    (f"{VHOST}.domains", ["caf\xe9"], None),
    (f"{VHOST}.require_tls", 7),
    (f"{ROUTE_0}.match", GONE),
    (f"{ROUTE_0}.match", {}, ".path_specifier"),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/a"}, None),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/a/"}, ".path_separated_prefix"),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/a\n"}, None),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/a/\n"}, None),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/a?b"}, ".path_separated_prefix"),
    (f"{ROUTE_0}.match", {"path_separated_prefix": "/"}, ".path_separated_prefix"),
    (f"{ROUTE_0}.match", {"safe_regex": {"regex": ""}}, ".safe_regex.regex"),
    (f"{ROUTE_0}.match.headers[0].name", ""),
    (f"{ROUTE_0}.match.headers[0].name", "a\nb"),
    (f"{ROUTE_0}.match.headers[0].name", "a b", None),
    (f"{ROUTE_0}.match.headers[0].string_match", {"prefix": ""}, ".prefix"),
    (f"{ROUTE_0}.match.headers[0].string_match", {}, ".match_pattern"),
    (f"{ROUTE_0}.route", GONE, "/action"),
    (f"{ROUTE_0}.route.cluster", ""),
    (f"{ROUTE_0}.route.cluster", GONE, "_specifier"),
    (f"{ROUTE_0}.route.prefix_rewrite", "/\0"),
    (f"{ROUTE_0}.route.retry_policy.retry_host_predicate", [{"name": ""}], "[0].name"),
    (f"{ROUTE_0}.request_headers_to_add[0].header.key", ""),
    (f"{ROUTE_0}.request_headers_to_add[0].header.key", "a\r"),
    (f"{ROUTE_0}.request_headers_to_add", [{}], "[0].header"),
    (f"{ROUTE_0}.request_headers_to_add", [{"header": {"key": "k", "value": "v" * 16385}}], "[0].header.value"),
    (f"{ROUTE_0}.request_headers_to_add", [{"header": {"key": "k", "value": "v"}}] * 1001),
    (f"{ROUTE_0}.request_headers_to_remove[0]", ""),
    (f"{ROUTE_0}.metadata.filter_metadata", {"": {"a": "b"}}, "['']"),
    ("static_resources.secrets[0].generic_secret.secret", {}, ".specifier"),
]


STEP = re.compile(r"([a-z0-9_@]+)|\[(\d+)\]")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good configuration with one value changed."""
    made = copy.deepcopy(GOOD)
    *way, last = [int(index) if index else name for name, index in STEP.findall(path)]
    at: Any = made
    for step in way:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    return made


def broken(config: dict[str, Any]) -> list[str]:
    """The paths of all violations."""
    return [each.path for each in violations(from_dict(BOOTSTRAP, config))]


CAUSE = re.compile(r'(\w+)ValidationError\.(\w+)(\[\d+\])?: |field: "(\w+)", reason: is required')


def named(rejected: str) -> str:
    """The end of the path in Envoy's message, such as `Clusters[0].LbPolicy`, in lower case without underscores."""
    steps = [f"{match[2] or match[4]}{match[3] or ''}" for match in CAUSE.finditer(rejected)]
    return plain(".".join(steps))


def below(path: str, way: str | None) -> str | None:
    if way and way.startswith("/"):
        return f"{path.rpartition('.')[0]}.{way[1:]}"
    return None if way is None else f"{path}{way}"


def plain(path: str) -> str:
    return re.sub(r"\['.*'\]", "[]", path.replace("_", "").lower())


@needs_envoy
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].rpartition('.')[2]}={str(case[1])[:40]!r}")
def test_an_envoy_rejects_exactly_the_values_that_break_a_rule(
    case: tuple[str, Any] | tuple[str, Any, str | None], tmp_path: Path
) -> None:
    path, value = case[:2]
    expected = below(path, case[2]) if len(case) > 2 else path
    config = changed(path, value)
    assert broken(config) == ([expected] if expected else [])
    rejected = bootstrap_error(config, tmp_path)
    assert ("constraint validation failed" in rejected) == (expected is not None), rejected
    if expected:
        assert plain(expected).endswith(named(rejected).removesuffix("[]")) or "['']" in expected, rejected


def test_the_good_configuration_breaks_no_rule() -> None:
    assert broken(GOOD) == []


def test_all_violations_are_found_at_once() -> None:
    config = changed(f"{CLUSTER}.name", "")
    config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["stat_prefix"] = ""
    assert broken(config) == [f"{HCM}.stat_prefix", f"{CLUSTER}.name"]


def test_an_any_of_an_unknown_type_is_a_violation() -> None:
    packed = from_dict("envoy.config.listener.v3.Filter", {"name": "x"})
    codec.upb(packed).typed_config.type_url = "type.googleapis.com/no.such.Type"  # type: ignore[attr-defined]
    (violation,) = violations(packed)
    assert str(violation) == "typed_config: 'type.googleapis.com/no.such.Type' breaks a type that is known"


def test_an_empty_any_breaks_no_rule() -> None:
    """The empty Any switches a filter of the chain on."""
    assert violations(from_dict("envoy.config.route.v3.FilterConfig", {"config": {}})) == ()


def test_an_any_that_can_not_be_decoded_is_a_violation() -> None:
    packed: Any = from_dict("envoy.config.listener.v3.Filter", {"name": "x", "typed_config": {"@type": ANY_TLS}})
    codec.upb(packed).typed_config.value = b"\xff"  # type: ignore[attr-defined]
    (violation,) = violations(packed)
    assert violation.path == "typed_config"


def test_a_violation_shows_no_bytes() -> None:
    """Bytes could be a private key."""
    kind = "envoy.type.matcher.v3.StringMatcher"
    assert violations(from_dict(kind, {"prefix": ""}))[0].value == "''"
    assert constraints._shown(b"secret") == "6 long"


@pytest.mark.parametrize("name", json.loads(TABLE_PATH.read_bytes())["messages"])
def test_every_rule_has_a_check(name: str) -> None:
    check = constraints._message_check(message_class(name).DESCRIPTOR)
    assert check(message_class(name)()) is not None, "compiles"


@pytest.mark.parametrize("sotw", [False, True])
def test_our_bootstrap_breaks_no_rule(sotw: bool) -> None:
    assert violations(bootstrap(BootstrapOptions(parse("127.0.0.1:18000"), "node", sotw=sotw))) == ()
