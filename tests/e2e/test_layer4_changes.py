"""Changes of ports, clusters and endpoints of layer 4 on a real Envoy: the connections and sessions that end.

Excludes: changes under load, with real servers (test_postgresql.py and others).
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import tests.support.envoy
from tests.support.envoy import DEPLOYED, needs_envoy
from tests.support.layer4_site import layer4_site, port_of, raw_backend
from tests.support.raw_backends import SILENCE_SECONDS, TcpClient, UdpClient, tcp_backend, udp_backend
from xds.traffic.layer4 import Transport
from xds.traffic.service_settings import ServiceSettings

pytestmark = needs_envoy


async def test_endpoints_come_and_go_and_connections_stay(tmp_path: Path) -> None:
    backend = raw_backend("pg")
    async with tcp_backend("old") as old, tcp_backend("new") as new, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, old.address)
        async with TcpClient(port) as held:
            assert await held.line() == "old"
            await ports.endpoints(backend, new.address, draining=[old.address])
            for _ in range(4):
                async with TcpClient(port) as client:
                    assert await client.line() == "new"
            assert await held.ask(b"draining") == b"draining"
            await ports.endpoints(backend, new.address)
            assert await held.ask(b"removed") == b"removed"
            await ports.endpoints(backend)
            async with TcpClient(port) as client:
                assert await client.rest() == b""
            assert await held.ask(b"none left") == b"none left"
            await ports.remove(backend)
            assert await held.ask(b"no cluster") == b"no cluster"


async def test_sessions_leave_an_endpoint_that_drains_with_their_next_datagram(tmp_path: Path) -> None:
    backend = raw_backend("dns", Transport.UDP)
    async with udp_backend("old") as old, udp_backend("new") as new, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, old.address)
        with UdpClient(port) as client:
            assert await client.backend() == "old"
            await ports.endpoints(backend, new.address, draining=[old.address])
            assert await client.backend() == "new"
            await ports.endpoints(backend)
            assert await client.backend(SILENCE_SECONDS) == ""
            await ports.endpoints(backend, old.address)
            assert await client.backend() == "old"


async def test_ports_come_go_and_change_without_a_cut(tmp_path: Path) -> None:
    backend, dns = raw_backend("pg"), raw_backend("dns", Transport.UDP)
    async with tcp_backend("pg") as pg, udp_backend("dns") as udp, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, pg.address)
        udp_port = await ports.serve(dns, udp.address)
        async with TcpClient(port) as held:
            assert await held.line() == "pg"
            with UdpClient(udp_port) as asking:
                await asking.backend()
                for minutes in range(1, 6):
                    other = port_of(backend)
                    await ports.put(other)
                    await ports.put(port_of(backend, number=other.key.number, idle_timeout=timedelta(minutes=minutes)))
                    assert await held.ask(b"x") == b"x"
                    assert await asking.backend() == "dns"
                    await ports.remove(other)
                    await until_refused(other.key.number)
            assert len(set(udp.peers)) == 1
            await ports.put(port_of(backend, number=port, idle_timeout=timedelta(minutes=1)))
            assert await held.ask(b"changed") == b"changed"
            await ports.remove(port_of(backend, number=port))
            await until_refused(port)
            assert await held.ask(b"removed") == b"removed"


async def until_refused(port: int) -> None:
    """Until a port takes no connections: a worker closes it a moment after the acknowledgement."""
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await asyncio.sleep(0.01)


async def test_connections_of_a_changed_or_removed_port_end_with_the_drain_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.support.envoy, "DEPLOYED", (*DEPLOYED, "--drain-time-s", "1"))
    backend, other = raw_backend("pg"), raw_backend("other")
    async with tcp_backend("pg") as pg, tcp_backend("new") as new, layer4_site(tmp_path) as ports:
        port = port_of(backend)
        await ports.serve(other, new.address)
        await ports.serve(backend, pg.address, port=port)
        number = port.key.number
        async with TcpClient(number) as changed:
            assert await changed.line() == "pg"
            await ports.put(port_of(other, number=number))
            async with TcpClient(number) as removed:
                await removed.line()
                await ports.remove(port)
                assert await removed.rest() == b""
            assert await changed.rest() == b""


async def test_sessions_end_with_any_change_of_their_port_or_cluster(tmp_path: Path) -> None:
    backend = raw_backend("dns", Transport.UDP)
    limited = replace(backend, settings=ServiceSettings(max_connections=100))
    async with udp_backend("dns") as dns, layer4_site(tmp_path) as ports:
        port = port_of(backend)
        await ports.serve(backend, dns.address, port=port)
        with UdpClient(port.key.number) as client:
            assert await client.backend() == "dns"
            for change in (port_of(backend, number=port.key.number, idle_timeout=timedelta(minutes=5)), limited):
                before = {*dns.peers}
                await ports.put(change)
                # A worker hears of the change a moment after the acknowledgement.
                while dns.peers[-1] in before:
                    await client.backend(SILENCE_SECONDS)
            assert len({*dns.peers}) == 3
            await ports.remove(port)
            assert await client.backend(SILENCE_SECONDS) == ""
