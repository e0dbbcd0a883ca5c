"""Envoys beside clients that reject everything: each proxy is served by its own answers.

Covers the order of connection, and the time after a rejecting client has gone. Excludes Envoys that are too old
(test_older_envoys.py), the rounds of a trial (tests/protocol) and random fleets (tests/properties).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.support.ads_client import CDS, VHDS
from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.http import get
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.plane import Plane
from tests.support.rejecting_client import rejecting_client
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.kube.objects import Ingress, KubeObject
from xds.protocol.builds import ProxyBuild
from xds.protocol.messages import Variant
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy

VARIANTS: Final = pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])

ENVOY_140: Final = ProxyBuild("envoy", "1.40")


def web(*hosts: str) -> Ingress:
    return ingress("web", *(rule(host, path("/", "web")) for host in hosts))


def objects(port: int) -> tuple[KubeObject, ...]:
    return web("old.example"), service("web"), slice_of("web", "127.0.0.1", ports=[port])


def options(http_port: int, *, vhds: bool = True) -> ProxyOptions:
    return ProxyOptions(listener_address="127.0.0.1", http_port=http_port, https_port=free_port(), vhds=vhds)


async def until_status(http_port: int, host: str, status: int = 200) -> None:
    """Ask an Envoy until it answers with a status."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                if (await get(http_port, host)).status == status:
                    return
            await asyncio.sleep(0.02)


def all_hosts_served(plane: Plane, node: str) -> bool:
    """Whether a proxy has every virtual host that the source asks for."""
    hosts = list(plane.pipeline.store.resources(VHDS).values())
    found = [each for each in plane.ads.deliveries(hosts) if each.node and each.node.id == node]
    return len(found) == 1 and found[0].out_of_sync == ()


def nothing_is_on_trial(plane: Plane) -> bool:
    return not any(build.last_good.is_any_on_trial for build in plane.ads._fleet.builds)


@contextlib.asynccontextmanager
async def rejecting_clients(plane: Plane, count: int, *, sotw: bool) -> AsyncIterator[None]:
    """Clients that reject everything and claim the build of the real Envoys."""
    variant = Variant.SOTW if sotw else Variant.DELTA
    async with contextlib.AsyncExitStack() as stack:
        for number in range(count):
            client = await stack.enter_async_context(
                rejecting_client(plane.address, f"hostile-{number}", variant=variant)
            )
            await until(lambda client=client: client.nacks >= 2)  # type: ignore[misc]
        yield


Enter = Callable[[], contextlib.AbstractAsyncContextManager[None]]


@VARIANTS
@pytest.mark.parametrize("position", ["first", "between", "last"])
@pytest.mark.parametrize("hostile", [1, 5], ids=["one-rejecting", "five-rejecting"])
async def test_a_client_that_rejects_everything_hurts_no_envoy_of_its_build(
    tmp_path: Path, sotw: bool, position: str, hostile: int
) -> None:
    """Two Envoys share the listener's port, so both must serve; the second one is looked at by its deliveries."""
    http_port = free_port()
    async with (
        echo("backend") as port,
        Plane(*objects(port), proxy=options(http_port)) as plane,
        contextlib.AsyncExitStack() as envoys,
        contextlib.AsyncExitStack() as clients,
    ):
        for name in ("hostile", "first", "second") if position == "first" else ("first", "hostile", "second"):
            if name == "hostile" and position != "last":
                await clients.enter_async_context(rejecting_clients(plane, hostile, sotw=sotw))
            elif name != "hostile":
                await started(envoys, plane, tmp_path, name, sotw=sotw)
        if position == "last":
            await clients.enter_async_context(rejecting_clients(plane, hostile, sotw=sotw))
        await until_status(http_port, "old.example")
        plane.apply(web("old.example", "new.example"))
        await until_status(http_port, "new.example")
        await until(lambda: all_hosts_served(plane, "first") and all_hosts_served(plane, "second"))
        await clients.aclose()
        await until(lambda: nothing_is_on_trial(plane))
        await started(envoys, plane, tmp_path, "third", sotw=sotw)
        await until(lambda: all_hosts_served(plane, "third"))


async def started(envoys: contextlib.AsyncExitStack, plane: Plane, folder: Path, name: str, *, sotw: bool) -> Envoy:
    envoy = await envoys.enter_async_context(running_envoy(plane.address, folder, node=name, sotw=sotw))
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        await envoy.until_ready()
    await until(lambda: all_hosts_served(plane, name))
    return envoy


async def test_a_client_of_another_build_takes_nothing_from_envoys(tmp_path: Path) -> None:
    """The other build keeps its trial to itself: in the Envoys' build no version goes back."""
    http_port = free_port()
    async with (
        echo("backend") as port,
        Plane(*objects(port), proxy=options(http_port)) as plane,
        rejecting_client(plane.address, version=(1, 41)) as client,
    ):
        await until(lambda: client.nacks >= 5)
        assert not nothing_is_on_trial(plane)
        async with running_envoy(plane.address, tmp_path, node="envoy") as envoy:
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                await envoy.until_ready()
            plane.apply(web("old.example", "new.example"))
            await until_status(http_port, "new.example")
            served = {build.build: build.last_good for build in plane.ads._fleet.builds}
            assert not served[ENVOY_140].is_any_on_trial
            assert served[ProxyBuild("envoy", "1.41")].is_any_on_trial


async def test_a_version_that_all_rejected_is_served_after_a_change_of_the_object(tmp_path: Path) -> None:
    http_port = free_port()
    async with (
        echo("backend") as port,
        Plane(proxy=options(http_port)) as plane,
        rejecting_client(plane.address) as client,
    ):
        plane.apply(*objects(port))
        await until(lambda: client.nacks >= 5)
        await until(lambda: bool(plane.last_good.withdrawn(CDS)))
        plane.apply(web("old.example", "new.example"))
        async with running_envoy(plane.address, tmp_path, node="envoy"):
            await until_status(http_port, "new.example")
            await until(lambda: all_hosts_served(plane, "envoy"))
