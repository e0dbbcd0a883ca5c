"""Virtual hosts that come, move and go, with a real Envoy and requests without a pause: no wrong answer.

Covers hosts, wildcards, a certificate that comes and goes, and restarts of Envoy and of the control plane meanwhile, by
VHDS and inside of RouteConfigurations. Excludes rejections (test_rejections.py) and the choice of the route
(test_route_table.py).
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ads_client import LDS, RDS, VHDS
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.http import get
from tests.support.objects import certificate, ingress, path, rule, secret, service, tls
from tests.support.plane import Plane
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.kube.objects import Ingress, KubeObject
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy

VHDS_ON, VHDS_OFF = ProxyOptions(), ProxyOptions(vhds=False)
every_way = pytest.mark.parametrize(
    ("sotw", "proxy"), [(False, VHDS_ON), (False, VHDS_OFF), (True, VHDS_ON)], ids=["vhds", "no-vhds", "sotw"]
)

CERT = secret("cert", certificate("a.example.com", "b.example.com"))


def shop(name: str, *hosts: str, secured: tuple[str, ...] = (), to: str = "web") -> Ingress:
    entries = [tls(*secured, secret="cert")] if secured else None
    return ingress(name, *(rule(host, path("/", to)) for host in hosts), tls=entries)


BASE: tuple[KubeObject, ...] = (shop("stable", "stable.example.com"), service("web"), service("other"))


@contextlib.asynccontextmanager
async def asked(port: int, host: str, *, secure: bool = False, fine: tuple[int, ...] = (200,)) -> AsyncIterator[None]:
    """Requests in a row, whose statuses must all be among `fine`; 0: no connection."""
    seen: dict[int, int] = {}

    async def ask() -> None:
        while True:
            reply = await get(port, host, tls=secure, sni=host if secure else "")
            seen[reply.status] = seen.get(reply.status, 0) + 1
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(ask()) for _ in range(2)]
    try:
        yield
        before = sum(seen.values())
        while sum(seen.values()) < before + 10:
            await asyncio.gather(*(task for task in tasks if task.done()))
            await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert seen.keys() <= set(fine), seen


async def until_answered(port: int, host: str, status: int, *, secure: bool = False) -> None:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while (await get(port, host, tls=secure, sni=host if secure else "")).status != status:
            await asyncio.sleep(0.01)


@every_way
async def test_hosts_come_move_and_go(tmp_path: Path, sotw: bool, proxy: ProxyOptions) -> None:
    """One host stays, another moves between Ingresses and under a wildcard and back, more hosts come and go."""
    async with echoes([service("web"), service("other")]) as slices:
        objects = (*BASE, *slices, shop("moving", "moving.example.com"))
        async with site(tmp_path, *objects, sotw=sotw, proxy=proxy) as running:
            port = running.proxy.http_port
            async with asked(port, "stable.example.com"), asked(port, "moving.example.com"):
                for number in range(8):
                    await running.apply(shop("new", f"new-{number}.example.com"))
                    assert (await running.get(f"new-{number}.example.com")).status == 200
                    await running.apply(shop("moving", "moving.example.com", to="other"))
                    assert (await running.get("moving.example.com")).backend == "other"
                    await running.apply(shop("moving", "*.example.com"))
                    assert (await running.get("any.example.com")).backend == "web"
                    await running.apply(shop("moving", "moving.example.com", "*.example.com", to="other"))
                    await running.apply(shop("moving", "moving.example.com"))
                    assert (await running.get("any.example.com")).status == 404
                await running.delete(shop("new"))
                assert (await running.get("new-7.example.com")).status == 404
            assert running.rejections == []


@every_way
async def test_a_certificate_comes_goes_and_comes_back(tmp_path: Path, sotw: bool, proxy: ProxyOptions) -> None:
    """The TLS listener comes with the certificate. A connection is served or refused, and never by a listener without
    routes.
    """
    plain = shop("shop", "a.example.com", "b.example.com")
    secured = shop("shop", "a.example.com", "b.example.com", secured=("a.example.com", "b.example.com"))
    async with (
        echoes([service("web")]) as slices,
        site(tmp_path, *BASE, *slices, plain, sotw=sotw, proxy=proxy) as running,
    ):
        port, secure = running.proxy.http_port, running.proxy.https_port
        async with (
            asked(port, "a.example.com"),
            asked(secure, "a.example.com", secure=True, fine=(0, 200)),
        ):
            for _ in range(4):
                await running.apply(secured, CERT)
                await until_answered(secure, "b.example.com", 200, secure=True)
                await running.apply(plain)
                await until_answered(secure, "a.example.com", 0, secure=True)
        await running.apply(shop("shop", "a.example.com", "b.example.com", secured=("a.example.com",)), CERT)
        await until_answered(secure, "a.example.com", 200, secure=True)
        reply = await running.get("b.example.com", tls=True, sni="a.example.com")
        assert reply.status == 421, "what the certificate had before is gone"
        assert running.rejections == []


async def test_a_connection_outlives_its_certificate(tmp_path: Path) -> None:
    """The filter chain drains with its virtual hosts, which stay until the chain is gone."""
    secured = shop("shop", "a.example.com", secured=("a.example.com",))
    async with echoes([service("web")]) as slices, site(tmp_path, *BASE, *slices, secured, CERT) as running:
        names = running.plane.names(VHDS)
        await running.apply(shop("shop", "a.example.com"))
        await until(lambda: running.plane.status_of(LDS, "test").settled)
        gone = sorted(set(names) - set(running.plane.names(VHDS)))
        assert gone == ["https@3/default/cert/*", "https@3/default/cert/a.example.com"]
        status = running.plane.status_of(VHDS, "test")
        assert (status.pending, status.in_flight) == (0, False)


@pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])
async def test_an_envoy_started_amid_changes_is_ready_with_every_host(tmp_path: Path, sotw: bool) -> None:
    secured = shop("shop", "a.example.com", secured=("a.example.com",))
    async with echoes([service("web")]) as slices, site(tmp_path, *BASE, *slices, sotw=sotw) as running:
        port, secure = running.proxy.http_port, running.proxy.https_port
        await running.apply(secured, CERT)
        running.envoy.process.kill()
        await until(lambda: running.plane.ads.connected == 0)
        edits = asyncio.create_task(_edit(running))
        try:
            for number in range(3):
                node = f"again-{number}"
                async with (
                    asked(port, "stable.example.com", fine=(0, 200)),
                    asked(secure, "a.example.com", secure=True, fine=(0, 200)),
                    running_envoy(running.plane.address, tmp_path, node=node, sotw=sotw) as envoy,
                ):
                    await envoy.until_ready()
                    await until_answered(port, "stable.example.com", 200)
                    await until_answered(secure, "a.example.com", 200, secure=True)
        finally:
            edits.cancel()
            await asyncio.gather(edits, return_exceptions=True)


async def _edit(running: Site) -> None:
    """Add and remove hosts, and edit one host, until cancelled."""
    number = 0
    while True:
        number += 1
        running.plane.apply(shop("new", f"new-{number}.example.com", to=("web", "other")[number % 2]))
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def restarted(folder: Path, before: ProxyOptions, after: ProxyOptions) -> AsyncIterator[Site]:
    """A site whose control plane restarts with new options and objects under a running Envoy.

    After a switch to VHDS, Envoy drops the virtual hosts of its RouteConfigurations, and only then asks for new ones.
    """
    http, https = free_port(), free_port()
    first, second = (
        dataclasses.replace(each, listener_address="127.0.0.1", http_port=http, https_port=https)
        for each in (before, after)
    )
    fine = (200, 404) if after.vhds and not before.vhds else (200,)
    secured = shop("shop", "a.example.com", "gone.example.com", secured=("a.example.com",))
    async with contextlib.AsyncExitStack() as stack:
        slices = await stack.enter_async_context(echoes([service("web")]))
        listen = free_port()
        async with Plane(*BASE, *slices, secured, CERT, proxy=first, port=listen) as plane:
            envoy = await stack.enter_async_context(running_envoy(plane.address, folder))
            await envoy.until_ready()
            await Site(plane, first, envoy).settled()
            await until_answered(first.https_port, "a.example.com", 200, secure=True)
            await stack.enter_async_context(asked(first.http_port, "stable.example.com", fine=fine))
            await stack.enter_async_context(asked(first.https_port, "a.example.com", secure=True, fine=fine))
            plane.apply(shop("late", "late.example.com"))  # may be under way when the server ends
        changed = shop("shop", "a.example.com", "new.example.com", secured=("a.example.com",))
        plane = Plane(*BASE, *slices, changed, CERT, proxy=second, port=listen)
        await stack.enter_async_context(plane)
        yield Site(plane, second, envoy)


async def test_a_restarted_server_sends_changes_and_removals(tmp_path: Path) -> None:
    async with restarted(tmp_path, VHDS_ON, VHDS_ON) as running:
        port = running.proxy.http_port
        await until(lambda: running.plane.ads.connected == 1)
        await until_answered(port, "new.example.com", 200)
        await running.settled()
        for gone in ("gone.example.com", "late.example.com"):
            await until_answered(port, gone, 404)
        assert running.plane.status_of(RDS, "test").sent is None, "the RouteConfigurations were right"
        assert running.rejections == []


@pytest.mark.parametrize(
    ("before", "after"), [(VHDS_OFF, VHDS_ON), (VHDS_ON, VHDS_OFF)], ids=["switched-on", "switched-off"]
)
async def test_vhds_is_switched_under_a_running_envoy(
    tmp_path: Path, before: ProxyOptions, after: ProxyOptions
) -> None:
    async with restarted(tmp_path, before, after) as running:
        port = running.proxy.http_port
        await until_answered(port, "new.example.com", 200)
        await running.settled()
        for gone in ("gone.example.com", "late.example.com"):
            await until_answered(port, gone, 404)
        assert running.rejections == []
