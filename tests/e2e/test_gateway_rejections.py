"""Listeners of Gateways that a real Envoy can't have: the Gateway is told, and all other listeners serve.

Excludes: the conditions in statuses (tests/reporting), and each kind of resource (tests/explain).
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.ads_client import LDS
from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener, parent
from tests.support.http import get
from tests.support.objects import config_map, service
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.kube.objects import KubeObject
from xds.problems.problem import Key, Problem
from xds.traffic.layer4 import Transport
from xds.translate.gateway.options import GatewayOptions
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

AT, BOUND = "127.0.0.2", "127.0.0.1"
OPTIONS: Final = TranslateOptions(
    gateway=GatewayOptions(addresses=(AT,), listener_address=BOUND, shared_addresses=frozenset({BOUND})),
    layer4=Layer4Options(config_maps={Transport.TCP: Key("default", "tcp-services")}),
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.server.ads.REJECTION_REPORT_SECONDS", 0.05)


@contextlib.asynccontextmanager
async def serving(folder: Path, *objects: KubeObject) -> AsyncIterator[Site]:
    web = service("web")
    route = http_route(to("web"), parentRefs=parent())
    async with (
        echoes([web]) as slices,
        site(folder, gateway_class(), web, *slices, route, translate=OPTIONS) as running,
    ):
        running.plane.apply(*objects)
        yield running


async def problems(running: Site) -> list[Problem]:
    plane = running.plane
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        plane.pipeline.report_rejections(await plane.ads.rejection_reports())
    return [each for each in plane.pipeline.problems if each.reason == "RejectedByProxy"]


def rejected(running: Site) -> set[str]:
    statuses = [each for status in running.plane.ads.proxies() for each in status.stream.types if each.type is LDS]
    return set().union(*(each.rejected_names for each in statuses))


async def serves(port: int, at: str = AT) -> None:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while (await get(port, "any.test", at=at)).backend != "web":
            await asyncio.sleep(0.02)


async def test_a_port_that_is_taken_is_a_problem_of_the_listener(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((AT, free_port()))
        taken.listen()
        busy, free = taken.getsockname()[1], free_port()
        edge = gateway(listener(port=free), listener(name="busy", port=busy))
        async with serving(tmp_path, edge) as running:
            await until(lambda: rejected(running) == {f"tcp/{AT}:{busy}"})
            await serves(free)
            (problem,) = await problems(running)
            assert problem.object == edge.ref
            assert str(problem.field) == "spec.listeners[1]"
            assert "--http-port" not in problem.remedy


async def test_a_port_of_layer_4_harms_no_other_listener(tmp_path: Path) -> None:
    port, free = free_port(), free_port()
    shared: dict[str, Any] = {"addresses": [{"type": "IPAddress", "value": BOUND}]}
    edge = gateway(listener(port=free), listener(name="taken", port=port), **shared)
    async with serving(tmp_path, config_map("tcp-services", **{str(port): "default/web:80"})) as running:
        await running.settled()
        running.plane.apply(edge)
        await until(lambda: rejected(running) == {f"tcp/{BOUND}:{port}"})
        await serves(free, BOUND)
        await serves(port, BOUND)
        (problem,) = await problems(running)
        assert problem.object == edge.ref
        assert "duplicate address" in problem.message
