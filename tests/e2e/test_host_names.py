"""Names of hosts through a real Envoy: the Location of a www redirect, aliases that come and go, the Host of backends.

Excludes: which name has which routes (tests/e2e/test_route_table.py).
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site

pytestmark = needs_envoy

ASKED: Final = {
    "/text": "inner.test",
    "/constants": "$service_name.$namespace:$service_port",
    "/host": "$host",
    "/part": "x-$host.y",
    "/written": "$http_host",
    "/dollar": "a%b",
}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Site]:
    objects = (
        service("web"),
        secret("cert", certificate("a.test", "www.a.test", "b.test")),
        ingress(
            "main",
            rule("a.test", path("/")),
            tls=[tls("a.test", secret="cert")],
            annotations=annotated(from_to_www_redirect="true", server_alias="alias.test"),
        ),
        *(
            ingress(
                under[1:],
                rule("a.test", path(under)),
                rule("*.w.test", path(under)),
                annotations=annotated(upstream_vhost=value),
            )
            for under, value in ASKED.items()
        ),
    )
    async with (
        echo("web") as port,
        site(tmp_path, *objects, slice_of("web", "127.0.0.1", ports=[port])) as started,
    ):
        yield started


async def test_the_location_of_a_www_name(running: Site) -> None:
    for asked, location in (
        ("/x?y=1", "http://a.test/x?y=1"),
        ("/x/", "http://a.test/x"),
        ("/x/?y", "http://a.test/x/?y"),
        ("/x?y=/", "http://a.test/x?y=/"),
        ("/", "http://a.test"),
        ("/?y", "http://a.test/?y"),
    ):
        reply = await running.get("www.a.test:8080", asked)
        assert (reply.status, reply.headers["location"]) == (308, location)
    reply = await running.get("www.a.test", "/x/", tls=True, sni="www.a.test")
    assert (reply.status, reply.headers["location"]) == (308, "https://a.test/x")
    assert (await running.get("www.a.test", tls=True, sni="www.a.test")).headers["location"] == "https://a.test"
    assert not running.rejections


async def test_an_alias_gives_way_to_an_ingress_and_returns(running: Site) -> None:
    assert (await running.get("alias.test")).status == 200
    own = ingress("own", rule("alias.test", path("/own")))
    await running.apply(own)
    assert [(await running.get("alias.test", under)).status for under in ("/", "/own")] == [404, 200]
    await running.delete(own)
    assert (await running.get("alias.test")).status == 200
    main = ingress("main", rule("a.test", path("/")), annotations=annotated(server_alias="b.test"))
    await running.apply(main)
    assert [(await running.get(host)).status for host in ("alias.test", "b.test", "www.a.test")] == [404, 200, 404]
    assert not running.rejections


async def test_the_host_of_the_backend(running: Site) -> None:
    async def seen(host: str, under: str) -> tuple[str, str]:
        reply = await running.get(host, under)
        return reply.json["host"], reply.json["headers"]["x-forwarded-host"]

    for host in ("A.Test:8080", "a.test"):
        assert await seen(host, "/text") == ("inner.test", host)
        assert await seen(host, "/constants") == ("web.default:80", host)
        assert await seen(host, "/host") == ("a.test", host)
        assert await seen(host, "/part") == ("x-a.test.y", host)
        assert await seen(host, "/written") == (host, host)
        assert await seen(host, "/dollar") == (host, host)
        assert await seen(host, "/") == (host, host)
    assert await seen("alias.test:8080", "/host") == ("alias.test", "alias.test:8080")
    assert await seen("b.w.test:8080", "/text") == ("inner.test", "b.w.test:8080")
    assert await seen("b.w.test:8080", "/host") == ("b.w.test:8080", "b.w.test:8080")
    assert await seen("b.w.test", "/part") == ("x-b.w.test.y", "b.w.test")
    assert not running.rejections
