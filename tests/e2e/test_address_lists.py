"""Lists of client addresses, and satisfy, through a real Envoy.

Covers: networks of IPv4 and IPv6, deny before allow, the address behind trusted proxies, the same answers by `xds
explain`, redirects and answers of the proxy itself, a list that changes, the largest list, an authorizer that is down.
Excludes: values (tests/translate/nginx/test_address_lists.py).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.http import Connection
from tests.support.objects import config_map, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.explain.narration import explain_now
from xds.explain.url import question
from xds.kube.objects import Ingress
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.traffic.access import Passwords
from xds.translate.nginx import passwords
from xds.translate.nginx.external_auth import AUTH_URL
from xds.translate.nginx.networks import MAX_NETWORKS
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.satisfy import SATISFY
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
CONFIG: Final = Key("default", "nginx")
LISTS: Final = {
    "mixed": {"whitelist_source_range": "198.51.100.77/25 , 192.0.2.7,2001:db8::/32"},
    "mapped": {"whitelist_source_range": "::ffff:192.0.2.0/120"},
    "denied": {"denylist_source_range": "203.0.113.0/24,2001:db8:1::/48"},
    "both": {"denylist_source_range": "198.51.100.9", "allowlist_source_range": "198.51.100.0/24"},
    "all": {"whitelist_source_range": "0.0.0.0/0,::/0"},
    "v6": {"whitelist_source_range": "::/0"},
    "bad": {"whitelist_source_range": "0.0.0.0/0,::/0,x"},
    "moved": {"whitelist_source_range": "198.51.100.0/24", "permanent_redirect": "https://new.test"},
}


def listed(name: str, values: dict[str, str]) -> Ingress:
    return ingress(name, rule(HOST, path(f"/{name}")), annotations=annotated(**values))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Site]:
    answer = annotated(whitelist_source_range="198.51.100.0/24") | {"xds-ingress.dev/answer": "204"}
    objects = (
        service("web"),
        config_map("nginx"),
        *(listed(name, values) for name, values in LISTS.items()),
        ingress("answer", rule(HOST, path("/answer")), annotations=answer),
        ingress("missing", rule(HOST, path("/missing", "no")), annotations=annotated(**LISTS["mixed"])),
        ingress("unannotated", rule(HOST, path("/"))),
        ingress("default", default="web", annotations=annotated(denylist_source_range="203.0.113.0/24")),
    )
    async with (
        echo("web") as port,
        site(
            tmp_path,
            *objects,
            slice_of("web", "127.0.0.1", ports=[port]),
            translate=TranslateOptions(nginx_configmap=CONFIG),
            proxy=ProxyOptions(trusted_hops=1),
        ) as started,
    ):
        yield started


async def statuses(running: Site, under: str, *clients: str, host: str = HOST) -> list[int]:
    return [(await running.get(host, under, x_forwarded_for=client)).status for client in clients]


async def test_clients_are_let_in_by_their_address(running: Site) -> None:
    for under, client, status in (
        ("/mixed", "198.51.100.9", 200),
        ("/mixed", "192.0.2.7", 200),
        ("/mixed", "192.0.2.8", 403),
        ("/mixed", "198.51.100.200", 403),
        ("/mixed", "2001:db8::5", 200),
        ("/mixed", "2001:db9::5", 403),
        ("/mixed", "198.51.100.9, 203.0.113.1", 403),
        ("/mixed", "203.0.113.1, 198.51.100.9", 200),
        ("/mixed/below", "192.0.2.8", 403),
        ("/mapped", "192.0.2.8", 200),
        ("/mapped", "192.0.3.8", 403),
        ("/denied", "203.0.113.9", 403),
        ("/denied", "203.0.114.9", 200),
        ("/denied", "2001:db8:1::1", 403),
        ("/denied", "2001:db8:2::1", 200),
        ("/both", "198.51.100.9", 403),
        ("/both", "198.51.100.10", 200),
        ("/both", "203.0.113.9", 403),
        ("/all", "203.0.113.9", 200),
        ("/all", "2001:db9::5", 200),
        ("/v6", "203.0.113.9", 403),
        ("/v6", "2001:db9::5", 200),
        ("/bad", "203.0.113.9", 503),
        ("/moved", "203.0.113.9", 301),
        ("/answer", "203.0.113.9", 403),
        ("/answer", "198.51.100.9", 204),
        ("/missing", "203.0.113.9", 403),
        ("/missing", "198.51.100.9", 503),
        ("/", "203.0.113.9", 200),
    ):
        assert (under, client, await statuses(running, under, client)) == (under, client, [status])
        asked = question(f"http://{HOST}{under}", "GET", (), client.rpartition(", ")[2])
        assert (under, client, explain_now(running.pipeline.state_reader, asked).status) == (under, client, status)
    assert await statuses(running, "/", "203.0.113.9", "198.51.100.9", host="other.test") == [403, 200]
    for upgrade in ("websocket", "h2c"):
        reply = await running.get(HOST, "/mixed", connection="Upgrade", upgrade=upgrade, x_forwarded_for="203.0.113.9")
        assert reply.status == 403
    assert not running.rejections


async def test_a_list_changes_and_vanishes(running: Site) -> None:
    clients = ("198.51.100.9", "203.0.113.9", "10.1.2.3")
    await running.apply(listed("mixed", {"whitelist_source_range": "203.0.113.0/24"}))
    assert await statuses(running, "/mixed", *clients) == [403, 200, 403]
    await running.apply(listed("mixed", {"whitelist_source_range": "203.0.113.0/24,"}))
    assert await statuses(running, "/mixed", *clients) == [503, 503, 503]
    await running.apply(listed("mixed", {}))
    assert await statuses(running, "/mixed", *clients) == [200, 200, 200]
    await running.apply(config_map("nginx", **{"whitelist-source-range": "10.0.0.0/8"}))
    for under in ("/", "/mixed"):
        assert await statuses(running, under, *clients) == [403, 403, 200]
    assert await statuses(running, "/all", *clients) == [200, 200, 200]
    await running.apply(config_map("nginx", **{"whitelist-source-range": "10.0.0.0/8,x"}))
    assert await statuses(running, "/mixed", *clients) == [503, 503, 503]
    await running.apply(config_map("nginx", **{"denylist-source-range": "203.0.113.0/24"}))
    assert await statuses(running, "/mixed", *clients) == [200, 403, 200]
    assert not running.rejections


async def test_the_largest_list_is_taken_and_quick(running: Site) -> None:
    networks = [f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.0/24" for number in range(0, 20_000, 2)]
    assert len(networks) == MAX_NETWORKS
    async with asyncio.timeout(10):
        await running.apply(listed("mixed", {"whitelist_source_range": ",".join(networks)}))
    assert await statuses(running, "/mixed", "20.0.0.1", "20.0.1.1", networks[-1].replace(".0/24", ".9")) == [
        200,
        403,
        200,
    ]
    connection = await Connection.open(running.proxy.http_port)
    began = time.monotonic()
    for _ in range(20):
        assert (await connection.get(HOST, "/mixed", x_forwarded_for="203.0.113.9")).status == 403
    connection.close()
    assert time.monotonic() - began < 2
    assert not running.rejections


async def test_a_listed_client_needs_no_authorizer_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of `xds authz` is no cluster here, so that a question is answered 503; without endpoint, 500."""

    def asked(reader: AnnotationReader, *_: object, **__: object) -> Passwords | None:
        asks = reader.text(SATISFY) and not reader.text(AUTH_URL)
        return Passwords("realm", (("user", "{SHA}x"),), Key("default", "any")) if asks else None

    monkeypatch.setattr(passwords, "read", asked)
    values = {"whitelist_source_range": "198.51.100.0/24"}
    inner = {**values, "denylist_source_range": "198.51.100.9"}
    objects = (
        service("web"),
        service("auth"),
        listed("url", {**values, "satisfy": "any", "auth_url": "http://auth.default.svc.cluster.local/check"}),
        listed("any", {**values, "satisfy": "any"}),
        listed("inner", {**inner, "satisfy": "any"}),
        listed("every", {**values, "satisfy": "all"}),
        listed("unlisted", {"satisfy": "any", "denylist_source_range": "203.0.113.0/24"}),
        listed("plain", values),
    )
    async with (
        echo("web") as port,
        site(
            tmp_path, *objects, slice_of("web", "127.0.0.1", ports=[port]), proxy=ProxyOptions(trusted_hops=1)
        ) as running,
    ):
        clients = ("198.51.100.9", "198.51.100.10", "203.0.113.9")
        assert await statuses(running, "/url", *clients) == [200, 200, 500]
        assert await statuses(running, "/any", *clients) == [200, 200, 503]
        assert await statuses(running, "/inner", *clients) == [503, 200, 503]
        assert await statuses(running, "/every", *clients) == [503, 503, 403]
        assert await statuses(running, "/unlisted", *clients) == [503, 503, 503]
        assert await statuses(running, "/plain", *clients) == [200, 200, 403]
        assert not running.rejections
