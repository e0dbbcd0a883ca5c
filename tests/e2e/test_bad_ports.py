"""One bad entry among good ones, from a folder, with a real Envoy: connections and sessions of good entries are never
cut, the bad entry has its Problem, and the Problem ends with the fault.

Excludes: ports that Envoy cannot bind (test_port_in_use.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec
import pytest
import pytest_asyncio

from tests.support.debian import needs
from tests.support.dns_clients import Client, dns_clients, query, text_of
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import Exposed, Pods, exposed, running
from tests.support.objects import external, service
from tests.support.real_servers import nsd
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.objects import KubeObject
from xds.traffic.layer4 import Transport

pytestmark = [
    needs_envoy,
    needs("nsd"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad-ports"),
    pytest.mark.timeout(300),  # a busy machine takes long to start processes
]

ADDRESS: Final = "127.0.7.1"

BAD, GOOD, RESERVED = (free_port() for _ in range(3))
"""The port of bad entries, unless a case names another; the port of good entries; a port of --reserved-ports."""

BACKEND: Final = free_port()
"""The port of the Service `dns`, by UDP and TCP; the Service `only` has it by TCP alone."""

LISTENERS: Final = (f"tcp/{GOOD}", f"udp/{GOOD}")

ENTRY: Final = f"default/dns:{BACKEND}"

Entries: TypeAlias = dict[int | str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """Entries among good ones.

    Attributes:
        reason: Of the only Problem.
        tcp: Of the ConfigMap of TCP ports.
        udp: Of the ConfigMap of UDP ports.
        expose: The annotation of a Service `claims`.
        blamed: The object of the Problem.
        objects: Further objects of the case.
        opens: The listener that the entries open nevertheless.
    """

    reason: str
    tcp: Entries = field(default_factory=dict)
    udp: Entries = field(default_factory=dict)
    expose: str = ""
    blamed: str = "tcp-services"
    objects: tuple[KubeObject, ...] = ()
    opens: str = ""


def claiming(name: str, value: str) -> KubeObject:
    """A Service without endpoints, which claims ports."""
    built = service(name, {"name": "udp", "port": BACKEND, "protocol": "UDP"})
    annotations = {"xds-ingress.dev/expose": value}
    return msgspec.structs.replace(built, metadata=msgspec.structs.replace(built.metadata, annotations=annotations))


CASES: Final = {
    "a key without a number": Case("PortInvalid", {"abc": ENTRY}),
    "a key with a dot": Case("PortInvalid", {"9022.": ENTRY}),
    "key 0": Case("PortInvalid", {"0": ENTRY}),
    "key -5": Case("PortInvalid", {"-5": ENTRY}),
    "key 70000": Case("PortInvalid", {"70000": ENTRY}),
    "an empty value": Case("PortInvalid", {BAD: ""}),
    "no port": Case("PortInvalid", {BAD: "default/dns"}),
    "no namespace": Case("PortInvalid", {BAD: f"dns:{BACKEND}"}),
    "too many slashes": Case("PortInvalid", {BAD: f"a/b/c:{BACKEND}"}),
    "too many flags": Case("PortInvalid", {BAD: f"{ENTRY}:PROXY:PROXY:x"}),
    "an unknown flag": Case("UnknownFlag", {BAD: f"{ENTRY}:BAD"}, opens=f"tcp/{BAD}"),
    "PROXY for UDP": Case("UnknownFlag", udp={BAD: f"{ENTRY}:PROXY"}, blamed="udp-services", opens=f"udp/{BAD}"),
    "no such Service": Case("BackendNotFound", {BAD: f"default/absent:{BACKEND}"}),
    "no such port": Case("BackendPortNotFound", {BAD: f"default/dns:{BACKEND + 1}"}),
    "UDP to a TCP port": Case("BackendPortNotFound", udp={BAD: f"default/only:{BACKEND}"}, blamed="udp-services"),
    "one port by two keys": Case("PortConflict", {f"0{GOOD}": ENTRY}),
    "a reserved port": Case("PortReserved", {RESERVED: ENTRY}),
    "an outside host": Case(
        "ExternalNameRefused", {BAD: "default/outside:80"}, objects=(external("outside", "db.example.com", 80),)
    ),
    "an item without a Service port": Case("PortInvalid", expose=f"{BAD}=udp", blamed="claims"),
    "an item of another's port": Case("PortNotExposed", expose=f"{BAD}=tcp:{BACKEND}", blamed="claims"),
    "an item of the ConfigMap's port": Case(
        "PortConflict", udp={BAD: ENTRY}, expose=f"{BAD}=udp:{BACKEND}", blamed="claims", opens=f"udp/{BAD}"
    ),
}


@dataclass(slots=True)
class Ports:
    """A control plane and an Envoy with good ports, a connection, and a session."""

    world: Exposed
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: Client

    def write(self, tcp: Entries | None = None, udp: Entries | None = None) -> None:
        """Write both ConfigMaps, with the good entries."""
        for transport, entries in ((Transport.TCP, tcp), (Transport.UDP, udp)):
            self.world.expose(transport, {GOOD: ENTRY, **(entries or {})})

    async def answer(self) -> None:
        """Ask on the connection, on a new connection, and in the session.

        Raises:
            TimeoutError, OSError: One of the ports doesn't answer.
        """
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            assert await asked(self.reader, self.writer) == "good"
            assert await answered(GOOD) == "good"
            assert await self.client.ask() == "good"

    async def until_told(self, expected: set[tuple[str, str]]) -> None:
        """Until just these Problems exist, an object and a reason each."""
        found: set[tuple[str, str]] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                while (found := await self._told()) != expected:
                    await asyncio.sleep(0.01)
        assert found == expected

    async def _told(self) -> set[tuple[str, str]]:
        return {(each.object.name, each.reason) for each in await self.world.problems()}


async def answered(port: int) -> str:
    """The answer on a new connection; empty if it is refused or closed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    with contextlib.closing(writer):
        return await asked(reader, writer)


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Source: https://www.rfc-editor.org/rfc/rfc1035#section-4.2.2"""
    question = query(1)
    writer.write(len(question).to_bytes(2, "big") + question)
    try:
        length = int.from_bytes(await reader.readexactly(2), "big")
        return text_of(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ports]:
    folder = tmp_path_factory.mktemp("ports")
    flags = ("--reserved-ports", str(RESERVED), "--expose-ports", f"{BAD}/udp=default")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(nsd(folder, "good", ADDRESS, BACKEND))
        world = await stack.enter_async_context(exposed(folder, *flags))
        Pods(world, "dns", BACKEND, ("UDP", "TCP")).write(ADDRESS)
        Pods(world, "only", BACKEND).write(ADDRESS)
        for transport in Transport:
            world.expose(transport, {GOOD: ENTRY})
        await stack.enter_async_context(running(world, sotw=True))
        await world.is_listening(*LISTENERS)
        (client,) = await stack.enter_async_context(dns_clients(1, GOOD))
        reader, writer = await asyncio.open_connection("127.0.0.1", GOOD)
        stack.callback(writer.close)
        yield Ports(world, reader, writer, client)


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_entry_costs_no_good_one(ports: Ports, name: str) -> None:
    case, world = CASES[name], ports.world
    objects = (*case.objects, *((claiming("claims", case.expose),) if case.expose else ()))
    for each in objects:
        world.put(each.metadata.name, each)
    ports.write(case.tcp, case.udp)
    await ports.until_told({(case.blamed, case.reason)})
    await world.is_listening(*LISTENERS, *((case.opens,) if case.opens else ()))
    await ports.answer()
    if case.opens.startswith("tcp"):
        assert await answered(BAD) == "good"
    for each in objects:
        world.remove(each.metadata.name)
    ports.write()
    await ports.until_told(set())
    await world.is_listening(*LISTENERS)
    await ports.answer()


async def test_the_other_protocol_answers_though_a_config_map_is_deleted(ports: Ports) -> None:
    ports.world.remove("tcp-services")
    await ports.until_told({("tcp-services", "PortConfigMapNotFound")})
    await ports.world.is_listening(f"udp/{GOOD}")
    assert await answered(GOOD) == ""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        assert await asked(ports.reader, ports.writer) == "good"  # a closed port's connections have the drain time
        assert await ports.client.ask() == "good"
    ports.write()
    await ports.world.is_listening(*LISTENERS)
    assert await answered(GOOD) == "good"


async def test_the_session_of_a_good_port_never_ended(ports: Ports) -> None:
    name = f"udp.udp_{GOOD}.downstream_sess_total"
    assert await ports.world.envoy.stats(name) == {name: 1}
