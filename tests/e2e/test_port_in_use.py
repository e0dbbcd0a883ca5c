"""Busy ports, which a real Envoy cannot bind, among free ports: the free ports answer, a busy port is a problem of its
entry, and serves without a restart once the port is free.

Covers TCP and UDP, Envoy's admin port, and bad listeners beside busy ports. Excludes the counts of several proxies
(tests/protocol/rejection/test_bind_retries.py): Envoys of one machine share ports.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.ads_client import LDS
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.objects import config_map, service, slice_of
from tests.support.plane import Plane
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.envoyapi import codec
from xds.kube.objects import KubeObject
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, resource
from xds.snapshot.store import ResourceKey
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

MAPS: Final = {transport: Key("default", f"{transport}-services") for transport in Transport}

BAD: Final = {"dup": "has duplicate address", "bare": "no filter chains specified"}
"""Listeners with a fault of their own, and Envoy's words for it."""

RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Ports:
    """A free port, and busy ports with the sockets that have the ports."""

    good: int
    tcp: int
    udp: int
    busy_tcp: socket.socket
    busy_udp: socket.socket


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.protocol.rejection.bind_retries.BIND_RETRY_SECONDS", RETRY_SECONDS)
    monkeypatch.setattr("xds.server.ads.REJECTION_REPORT_SECONDS", 0.05)


@pytest.fixture
async def backend() -> AsyncIterator[int]:
    """A server that sends each line back."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while line := await reader.readline():
                writer.write(line)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def ports() -> Iterator[Ports]:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for each in (tcp, udp):
            each.bind(("127.0.0.1", free_port()))
        tcp.listen()
        yield Ports(free_port(), tcp.getsockname()[1], udp.getsockname()[1], tcp, udp)


def entries(ports: Ports, *further: int) -> list[KubeObject]:
    tcp = {str(number): "default/db:5432" for number in (ports.good, ports.tcp, *further)}
    return [config_map("tcp-services", **tcp), config_map("udp-services", **{str(ports.udp): "default/db:53"})]


def objects(backend: int) -> list[KubeObject]:
    numbers = ({"name": "sql", "port": 5432, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"})
    return [service("db", *numbers), slice_of("db", "127.0.0.1", ports=[{"name": "sql", "port": backend}])]


def rejected(plane: Plane) -> set[str]:
    statuses = [each for status in plane.ads.proxies() for each in status.stream.types if each.type is LDS]
    return set().union(*(each.rejected_names for each in statuses))


async def told(plane: Plane) -> dict[str, Problem]:
    """The problems of rejections, by the name of the listener in the message."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        plane.pipeline.report_rejections(await plane.ads.rejection_reports())
    found = [each for each in plane.pipeline.problems if each.reason == "RejectedByProxy"]
    return {each.message.partition("Listener ")[2].split(" ")[0].rstrip(";"): each for each in found}


async def asked(port: int) -> bytes:
    """The answer on a new connection; empty: refused."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return b""
        with contextlib.closing(writer):
            writer.write(b"hello\n")
            return await reader.readline()


def bad(plane: Plane, ports: Ports) -> dict[ResourceKey, Resource]:
    """Listeners that Envoy rejects: at an address that another listener has, and without filter chains."""
    body: Any = codec.upb(codec.decode(LDS.message, plane.pipeline.store.resources(LDS)[f"tcp/{ports.good}"].body))
    body.name = "dup"
    dup = body.SerializeToString(deterministic=True)
    body.name = "bare"
    body.address.socket_address.port_value = free_port()
    body.ClearField("filter_chains")
    bare = body.SerializeToString(deterministic=True)
    return {(LDS, "bare"): resource(LDS, "bare", bare), (LDS, "dup"): resource(LDS, "dup", dup)}


@contextlib.asynccontextmanager
async def fleet(folder: Path, backend: int, *, sotw: bool) -> AsyncIterator[tuple[Plane, Envoy]]:
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    translate = TranslateOptions(layer4=Layer4Options(config_maps=MAPS))
    async with (
        Plane(*objects(backend), proxy=proxy, translate=translate) as plane,
        running_envoy(plane.address, folder, sotw=sotw) as envoy,
    ):
        await until(lambda: any(each.acknowledged for each in types(plane)))
        yield plane, envoy


def types(plane: Plane) -> list[Any]:
    return [each for status in plane.ads.proxies() for each in status.stream.types if each.type is LDS]


@pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])
async def test_busy_ports_serve_when_they_are_free_and_harm_no_other(
    tmp_path: Path, backend: int, ports: Ports, *, sotw: bool
) -> None:
    async with fleet(tmp_path, backend, sotw=sotw) as (plane, envoy):
        plane.apply(*entries(ports, envoy.admin))
        bare, dup = bad(plane, ports).items()
        plane.commit(dict([bare]))
        unbound = {f"tcp/{ports.tcp}", f"tcp/{envoy.admin}", f"udp/{ports.udp}"}
        await until(lambda: rejected(plane) == {*unbound, "bare"})
        plane.commit(dict([dup]))  # of two listeners at an address the first one stays
        await until(lambda: rejected(plane) == {*unbound, *BAD})
        problems = await told(plane)
        for name in unbound:
            transport, _, number = name.partition("/")
            problem = problems[name]
            assert problem.object == ObjectRef("ConfigMap", "default", f"{transport}-services")
            assert str(problem.field) == f"data[{number}]"
            assert f"Listener {name} cannot bind on 1 of 1 proxies" in problem.message
        for name, reason in BAD.items():
            assert problems[name].object == ObjectRef("Listener", "", name)
            assert [each for each in (*BAD.values(), "cannot bind") if each in problems[name].message] == [reason]
        assert plane.last_good.names_on_trial(LDS) == BAD.keys()

        reader, writer = await asyncio.open_connection("127.0.0.1", ports.good)
        nacks = plane.metrics.streams.nacks.counts[LDS]
        await until(lambda: plane.metrics.streams.nacks.counts[LDS] >= nacks + 2)
        assert await asked(ports.good) == b"hello\n"
        (status,) = types(plane)
        assert all(each in status.last_rejection.message for each in ("duplicate address", *unbound))

        ports.busy_tcp.close()
        await until(lambda: rejected(plane) == {*unbound, *BAD} - {f"tcp/{ports.tcp}"})
        assert await asked(ports.tcp) == b"hello\n"
        assert f"tcp/{ports.tcp}" not in await told(plane)
        ports.busy_udp.close()
        await until(lambda: rejected(plane) == {f"tcp/{envoy.admin}", *BAD})
        plane.apply(*entries(ports))
        await until(lambda: rejected(plane) == BAD.keys())

        with contextlib.closing(writer):
            writer.write(b"held\n")
            assert await reader.readline() == b"held\n"
        listeners = await envoy.stats("listener_manager.listener_(added|modified|removed)")
        assert listeners["listener_manager.listener_modified"] == 0
        assert f"udp/{ports.udp}" in await envoy.get("/listeners")
