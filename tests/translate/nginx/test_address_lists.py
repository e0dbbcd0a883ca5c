"""Lists of client addresses: whitelist-, allowlist- and denylist-source-range, and the keys of the ConfigMap.

Covers: the grammar, which of two lists counts, defaults of all Ingresses, closed paths, large lists, the paths without
a list. Excludes: the answers of a real Envoy (tests/e2e/test_address_lists.py).
"""

import time
from typing import Final

import pytest

from tests.support.annotated_shop import HOST, shop
from tests.support.objects import World, config_map, ingress, path, rule, service
from tests.support.route_table_annotations import annotated, canary
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.resources.filters.chain import route_filters
from xds.traffic.access import Access
from xds.traffic.actions import Closed, Forward
from xds.traffic.policy import Policy
from xds.traffic.routes import Route
from xds.translate.nginx.networks import MAX_NETWORKS

CONFIG: Final = Key("default", "nginx")


def route(given: World) -> Route:
    (found,) = given.traffic.hosts[HOST].routes
    return found


def access(**values: str) -> Access | None:
    return route(World(service("web"), shop(values))).policy.access


def with_keys(keys: dict[str, str], **values: str) -> World:
    data = ConfigMap(Metadata(CONFIG.name, CONFIG.namespace), keys)
    return World(service("web"), data, shop(values), nginx_configmap=CONFIG)


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("10.1.2.3", ("10.1.2.3/32",)),
        ("198.51.100.77/25 , 192.0.2.7,2001:db8::1/32", ("192.0.2.7/32", "198.51.100.0/25", "2001:db8::/32")),
        ("10.0.0.0/8,\n  192.0.2.0/24\n", ("10.0.0.0/8", "192.0.2.0/24")),
        ("10.0.0.0/25,10.0.0.128/25,10.0.0.7,10.0.0.7", ("10.0.0.0/24",)),
        ("::ffff:10.0.0.1,::ffff:192.0.2.0/120", ("10.0.0.1/32", "192.0.2.0/24")),
        ("::/0", ("::/0",)),
    ],
)
def test_a_list_holds_networks_without_host_bits_and_duplicates(value: str, networks: tuple[str, ...]) -> None:
    assert access(whitelist_source_range=value) == Access(allowed=networks)
    assert access(denylist_source_range=value) == Access(denied=networks)


@pytest.mark.parametrize("name", ["whitelist-source-range", "allowlist-source-range", "denylist-source-range"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        "10.0.0.1,",
        "10.0.0.0/33",
        "10.0.0.1/0.0.0.0",
        "fe80::1%eth0",
        "010.0.0.1",
        "10.0.0.1/+8",
        "10.0.0.1/",
        "\u0661.2.3.4",
        "10.0.0.1;allow all",
        "10.0.0.1 10.0.0.2",
        "all",
        "198.51.100.0/24, nonsense",
    ],
)
def test_one_bad_element_and_an_empty_list_close_the_paths(name: str, value: str) -> None:
    given = World(service("web"), shop({name: value}))
    assert route(given).action == Closed((f"nginx.ingress.kubernetes.io/{name}",))
    (problem,) = given.problems
    assert (problem.reason, str(problem.field)) == (
        Reason.PROTECTION_UNAVAILABLE,
        f"metadata.annotations['nginx.ingress.kubernetes.io/{name}']",
    )
    assert "which is not a list of addresses" in problem.message


@pytest.mark.parametrize(
    ("new", "old", "allowed"),
    [
        ("10.0.0.0/8", "192.0.2.0/24", "10.0.0.0/8"),
        ("", "192.0.2.0/24", "192.0.2.0/24"),
        ("10.0.0.0/8", "x", "10.0.0.0/8"),
    ],
)
def test_the_new_name_precedes_the_old_one_unless_empty(new: str, old: str, allowed: str) -> None:
    found = access(allowlist_source_range=new, whitelist_source_range=old)
    assert found == Access(allowed=(allowed,))


def test_a_list_of_all_clients_is_a_list() -> None:
    assert access(whitelist_source_range="0.0.0.0/0,::/0") == Access(allowed=("0.0.0.0/0", "::/0"))


@pytest.mark.parametrize(
    ("keys", "values", "found"),
    [
        ({"whitelist-source-range": "10.0.0.0/8"}, {}, Access(allowed=("10.0.0.0/8",))),
        ({"whitelist-source-range": "10.0.0.0/8,\n"}, {}, Access(allowed=("10.0.0.0/8",))),
        ({"denylist-source-range": "10.0.0.0/8"}, {}, Access(denied=("10.0.0.0/8",))),
        (
            {"whitelist-source-range": "10.0.0.0/8"},
            {"whitelist_source_range": "192.0.2.0/24"},
            Access(allowed=("192.0.2.0/24",)),
        ),
        (
            {"whitelist-source-range": "10.0.0.0/8"},
            {"allowlist_source_range": "192.0.2.0/24"},
            Access(allowed=("192.0.2.0/24",)),
        ),
        (
            {"whitelist-source-range": "10.0.0.0/8"},
            {"denylist_source_range": "192.0.2.0/24"},
            Access(("192.0.2.0/24",), ("10.0.0.0/8",)),
        ),
        ({"whitelist-source-range": "10.0.0.0/8"}, {"ssl_redirect": "false"}, Access(allowed=("10.0.0.0/8",))),
        ({"whitelist-source-range": ""}, {}, None),
    ],
)
def test_the_key_of_the_config_map_is_for_ingresses_without_a_list(
    keys: dict[str, str], values: dict[str, str], found: Access | None
) -> None:
    given = with_keys(keys, **values)
    assert route(given).policy.access == found
    assert given.problems == []


@pytest.mark.parametrize("value", ["10.0.0.0/8,all", " ", ",", "10.0.0.0/255.0.0.0"])
@pytest.mark.parametrize("key", ["whitelist-source-range", "denylist-source-range"])
def test_a_bad_key_of_the_config_map_closes_the_paths_without_a_list(key: str, value: str) -> None:
    given = with_keys({key: value})
    assert route(given).action == Closed((key,))
    assert given.problem("ProtectionUnavailable").object.key == CONFIG
    assert isinstance(route(with_keys({key: value}, proxy_body_size="1m")).action, Closed)
    replaced = route(with_keys({key: value}, **{key.replace("-", "_"): "192.0.2.0/24"}))
    assert not isinstance(replaced.action, Closed)
    given.add(config_map("nginx", **{key: "10.0.0.0/8"}))
    assert not isinstance(route(given).action, Closed)


def test_a_bad_list_is_no_default() -> None:
    given = with_keys({"whitelist-source-range": "10.0.0.0/8"}, whitelist_source_range="bad")
    assert isinstance(route(given).action, Closed)


def test_a_list_is_for_the_default_backend_too_and_not_for_other_ingresses() -> None:
    lists = annotated(whitelist_source_range="10.0.0.0/8")
    given = World(
        service("web"),
        ingress("shop", rule(HOST, path("/shop")), default="web", annotations=lists),
        ingress("open", rule(HOST, path("/open"))),
    )
    host = given.traffic.hosts[HOST]
    found = {each.path: each.policy.access for each in (*host.routes, host.default, given.traffic.default) if each}
    assert found == {"/shop": Access(allowed=("10.0.0.0/8",)), "/open": None, "/": Access(allowed=("10.0.0.0/8",))}


@pytest.mark.parametrize(
    ("values", "gets"),
    [
        ({"whitelist_source_range": "10.0.0.0/8"}, False),
        ({"denylist_source_range": ""}, False),
        ({"whitelist_source_range": "0.0.0.0/0,::/0"}, True),
    ],
)
def test_a_canary_with_a_list_gets_no_requests(values: dict[str, str], gets: bool) -> None:
    given = World(
        service("web"),
        service("next"),
        shop({}),
        ingress("canary", rule(HOST, path("/", "next")), annotations=canary(canary_weight="100", **values)),
    )
    actions = [each.action for each in given.traffic.hosts[HOST].routes]
    shares = [share for action in actions if isinstance(action, Forward) for share in action.shares]
    found = {share.key.service for share in shares if share.key}
    assert found == ({"next"} if gets else {"web"})


def test_a_redirect_asks_no_list() -> None:
    found = route(World(service("web"), shop({"whitelist-source-range": "10.0.0.0/8", "permanent-redirect": "/x"})))
    assert found.policy.access is None


def test_an_answer_asks_the_list() -> None:
    annotations = annotated(whitelist_source_range="10.0.0.0/8") | {"xds-ingress.dev/answer": "204"}
    found = route(World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotations)))
    assert found.policy.access == Access(allowed=("10.0.0.0/8",))


def test_ten_thousand_networks_take_little_time_and_few_bytes() -> None:
    """The largest list, on the paths of many hosts."""
    listed = [f"{10 + number // 65536}.{number // 256 % 256}.{number % 256}.0/24" for number in range(0, 20_000, 2)]
    assert len(listed) == MAX_NETWORKS
    began = time.monotonic()
    hosts = [rule(f"h{number}.example.com", path("/a"), path("/b")) for number in range(50)]
    annotations = annotated(whitelist_source_range=",".join(listed))
    given = World(service("web"), ingress("shop", *hosts, annotations=annotations))
    found = {each.policy for host in given.traffic.hosts.values() for each in host.routes}
    (policy,) = found
    assert policy.access == Access(allowed=tuple(sorted(listed, key=lambda each: [*map(int, each[:-3].split("."))])))
    assert sum(len(bytes(config.value)) for config in route_filters(policy).values()) < 30 * MAX_NETWORKS
    assert time.monotonic() - began < 10


def test_more_networks_than_ten_thousand_close_the_paths() -> None:
    listed = ",".join(f"2001:db8:{number:x}::1" for number in range(MAX_NETWORKS + 1))
    assert isinstance(route(World(service("web"), shop({"denylist-source-range": listed}))).action, Closed)


def test_equal_lists_are_equal_policies() -> None:
    one, other = (
        route_filters(Policy(access=access(whitelist_source_range=each)))
        for each in ("10.0.0.1,::1", "::1 , 10.0.0.1/32")
    )
    assert one == other
    assert len(one) == 1
