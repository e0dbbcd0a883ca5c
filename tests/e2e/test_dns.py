"""A DNS server through UDP and TCP ports of a real Envoy: sessions of many clients over endpoints that come and go."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.support.debian import needs
from tests.support.dns_clients import Clients, dns_clients
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import Exposed, Pods, exposed, running
from tests.support.real_servers import BIG_BYTES, nsd, run
from xds.traffic.layer4 import Transport

pytestmark = [
    needs_envoy,
    needs("nsd", "drill", "dnsperf"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("dns"),
    pytest.mark.timeout(300),  # a busy machine takes long to start processes
]

SERVERS: Final = {"a": "127.0.5.1", "b": "127.0.5.2", "c": "127.0.5.3"}
"""The address of each server."""

CLIENTS: Final = 1000

LOAD_SECONDS: Final = 2
"""Of a run of dnsperf."""


@dataclass(slots=True)
class Dns:
    """Three servers behind a port of Envoy, for UDP and for TCP."""

    world: Exposed
    pods: Pods
    port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dns(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dns]:
    folder = tmp_path_factory.mktemp("dns")
    port, public = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        for name, address in SERVERS.items():
            await stack.enter_async_context(nsd(folder, name, address, port))
        world = await stack.enter_async_context(exposed(folder))
        pods = Pods(world, "dns", port, ("UDP", "TCP"))
        pods.write(*SERVERS.values())
        for transport in Transport:
            world.expose(transport, {public: f"default/dns:{port}"})
        await stack.enter_async_context(running(world))
        await world.is_listening(f"tcp/{public}", f"udp/{public}")
        yield Dns(world, pods, public)


@pytest.mark.parametrize("flags", [("-b", "4096"), ("-t",)], ids=["UDP with EDNS", "TCP"])
async def test_a_long_answer_comes_whole(dns: Dns, flags: tuple[str, ...]) -> None:
    result = await run("drill", *flags, "-p", str(dns.port), "@127.0.0.1", "big.test", "TXT")
    assert result.code == 0, result
    assert sum(map(len, re.findall(r'"([abc]x+)"', result.out))) == BIG_BYTES, result.out


async def test_no_query_of_a_thousand_clients_is_lost_but_those_to_removed_endpoints(
    dns: Dns, record_property: Callable[[str, object], None]
) -> None:
    asked = Clients(dns.port)
    async with dns_clients(CLIENTS, dns.port) as clients:
        await asked.ask_all(clients)
        stayed = {client for client, servers in asked.servers.items() if servers == ["c"]}
        async with asked.asking(clients):
            await _roll(dns.pods, asked)
    again = Clients(dns.port)
    async with dns_clients(CLIENTS, dns.port) as clients:
        await again.ask_all(clients)
    unexplained = [each for each in asked.lost if each.server not in each.removed]
    assert unexplained == []
    assert len(stayed) > CLIENTS / 10
    assert all(asked.servers[client] == ["c"] for client in stayed)
    assert again.servers == {client: servers[:1] for client, servers in asked.servers.items()}
    moved = sum(len(servers) > 1 for servers in asked.servers.values())
    record_property("answers", asked.answers)
    record_property("lost, all under way to a removed endpoint", len(asked.lost))
    record_property("clients that moved, all from an endpoint that left", moved)


async def _roll(pods: Pods, asked: Clients) -> None:
    """Endpoints that drain before they leave, and endpoints that leave at once; that of `c` stays."""
    for name, is_drained in itertools.product(("a", "b"), (True, True, False)):
        await asked.more(CLIENTS)
        if is_drained:
            await pods.drain(SERVERS[name])
            await asked.more(CLIENTS)
        await pods.leave(SERVERS[name])
        asked.removed.append(name)
        await asked.more(CLIENTS)
        await pods.join(SERVERS[name])


async def test_no_query_is_lost_though_the_control_plane_is_killed(
    dns: Dns, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    queries = tmp_path / "queries"
    queries.write_text("".join(f"name-{number}.test TXT\n" for number in range(100)))
    flags = (
        "-c",
        str(CLIENTS),
        "-T",
        "1",
        "-t",
        "20",
        "-q",
        "50",
        "-Q",
        "2000",
        "-l",
        str(LOAD_SECONDS),
        "-d",
        str(queries),
    )
    kill = asyncio.create_task(_kill_and_change(dns))
    total = 0
    while not kill.done():
        result = await run("dnsperf", "-s", "127.0.0.1", "-p", str(dns.port), *flags)
        assert result.code == 0, result
        sent, lost = (int(re.findall(rf"Queries {each}: +(\d+)", result.out)[0]) for each in ("sent", "lost"))
        assert lost == 0, result.out
        total += sent
    await kill
    record_property("queries of dnsperf's 1,000 clients over a kill of the control plane", total)


async def _kill_and_change(dns: Dns) -> None:
    """The next control plane opens another port, and closes it."""
    await dns.world.kill()
    await dns.world.start()
    other = free_port()
    entry = f"default/dns:{dns.pods.port}"
    dns.world.expose(Transport.UDP, {dns.port: entry, other: entry})
    await dns.world.is_listening(f"tcp/{dns.port}", f"udp/{dns.port}", f"udp/{other}")
    dns.world.expose(Transport.UDP, {dns.port: entry})
    await dns.world.is_listening(f"tcp/{dns.port}", f"udp/{dns.port}")
