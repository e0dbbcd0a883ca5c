"""Ports of TCP and UDP of a real Envoy: the treatment of connections and sessions.

Covers: bytes and datagrams as they come, PROXY protocol, half-close, affinity, timeouts, limits. Excludes: the log
(test_layer4_logs.py), changes (test_layer4_changes.py), ConfigMaps and annotations (tests/translate/layer4).
"""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.layer4_site import layer4_site, port_of, raw_backend
from tests.support.raw_backends import SILENCE_SECONDS, TcpClient, UdpClient, tcp_backend, udp_backend
from tests.support.waiting import until
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import Share, Transport
from xds.traffic.service_settings import ServiceSettings
from xds.traffic.upstream import ProxyHeader

pytestmark = needs_envoy

V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""The begin of a header of version 2."""

CLIENTS: Final = tuple(f"127.0.0.{number}" for number in range(2, 12))
SOON: Final = timedelta(seconds=0.3)


def v2_header(command: int = 1, family: int = 0x11) -> bytes:
    """From 192.0.2.7:4711 to 192.0.2.1:9000. Command 0 is LOCAL."""
    addresses = bytes((192, 0, 2, 7, 192, 0, 2, 1)) + (4711).to_bytes(2, "big") + (9000).to_bytes(2, "big")
    return V2 + bytes((0x20 | command, family)) + len(addresses).to_bytes(2, "big") + addresses


async def test_bytes_pass_both_ways_and_each_side_may_end_first(tmp_path: Path) -> None:
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(raw_backend("pg"), pg.address)
        async with TcpClient(port) as client:
            assert await client.line() == "pg"  # said before the client speaks
            assert await client.ask(bytes(range(256)) * 1024) == bytes(range(256)) * 1024
            client.writer.write_eof()
            assert await client.rest() == b"end"
        async with TcpClient(port) as client:
            await client.line()
            pg.close_connections()
            assert await client.rest() == b""
        (line, _) = map(json.loads, await ports.log(2))
    assert line["protocol"] == "TCP"
    assert (line["port"], line["service"]) == (port, "db/pg")
    assert (line["bytes_received"], line["bytes_sent"]) == (2**18, 2**18 + len(b"pg\nend"))
    assert (line["client"], line["attempts"], line["flags"]) == ("127.0.0.1", 1, "-")
    assert line["cluster"] == str(raw_backend("pg").key)
    assert line["endpoint"] == f"127.0.0.1:{pg.address[1]}"


async def test_the_operators_proxy_protocol_is_not_for_ports(tmp_path: Path) -> None:
    async with tcp_backend("pg") as pg, layer4_site(tmp_path, ProxyOptions(proxy_protocol=True)) as ports:
        port = await ports.serve(raw_backend("pg"), pg.address)
        async with TcpClient(port) as client:
            assert await client.line() == "pg"
            assert await client.ask(b"PROXY TCP4 a b") == b"PROXY TCP4 a b"


HEADERS: Final = {
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 9000\r\n": b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 9000\r\n",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 9000\r\n": b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 9000\r\n",
    b"PROXY UNKNOWN\r\n": b"PROXY TCP4 127.0.0.1 127.0.0.1 ",
    v2_header(): b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 9000\r\n",
    v2_header(command=0, family=0): b"PROXY TCP4 127.0.0.1 127.0.0.1 ",
}
"""Headers of clients, and the begin of the header that the backend gets. LOCAL and UNKNOWN name no client."""


async def test_a_received_header_names_the_client(tmp_path: Path) -> None:
    backend = raw_backend("pg", header=ProxyHeader.V1)
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, pg.address, port=port_of(backend, decodes_proxy=True))
        for header, told in HEADERS.items():
            pg.received.clear()
            async with TcpClient(port) as client:
                client.writer.write(header)
                assert await client.line() == "pg"
                assert (await client.line() + "\r\n").encode().startswith(told)  # of the echo


async def test_a_port_that_decodes_waits_for_the_header_and_takes_no_other(tmp_path: Path) -> None:
    backend = raw_backend("pg")
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, pg.address, port=port_of(backend, decodes_proxy=True))
        async with TcpClient(port) as silent, TcpClient(port) as broken:
            broken.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await broken.rest() == b""
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(silent.reader.read(1), SILENCE_SECONDS)
        assert pg.received == []
        async with TcpClient(port) as client:
            client.writer.write(v2_header()[:20])
            await asyncio.sleep(0.01)
            client.writer.write(v2_header()[20:] + b"select 1")
            assert await client.line() == "pg"
            assert await client.reader.readexactly(8) == b"select 1"
        (line,) = map(json.loads, await ports.log(1))
        assert line["client"] == "192.0.2.7"


async def test_a_sent_header_comes_before_the_client_speaks(tmp_path: Path) -> None:
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        for version in ProxyHeader:
            port = await ports.serve(raw_backend("pg", header=version), pg.address)
            async with TcpClient(port, source="127.0.0.9") as client:
                assert await client.line() == "pg"
                numbers = client.port.to_bytes(2, "big") + port.to_bytes(2, "big")
                expected = {
                    ProxyHeader.V1: b"PROXY TCP4 127.0.0.9 127.0.0.1 %d %d\r\n" % (client.port, port),
                    ProxyHeader.V2: V2 + bytes((0x21, 0x11, 0, 12, 127, 0, 0, 9, 127, 0, 0, 1)) + numbers,
                }[version]
                assert await client.reader.readexactly(len(expected)) == expected  # of the echo
                assert await client.ask(b"select 1") == b"select 1"


async def test_a_connection_without_an_endpoint_is_closed(tmp_path: Path) -> None:
    alone, absent = raw_backend("alone"), raw_backend("absent")
    lost = port_of(absent)
    async with layer4_site(tmp_path) as ports:
        await ports.put(lost)
        for port in (await ports.serve(alone), lost.key.number):
            async with TcpClient(port) as client:
                assert await client.rest() == b""
        without, nowhere = map(json.loads, await ports.log(2))
        assert (without["flags"], without["endpoint"]) == ("UH", None)
        assert nowhere["flags"] == "NC"


async def test_a_refused_connection_goes_to_another_endpoint(tmp_path: Path) -> None:
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(raw_backend("pg"), pg.address, ("127.0.0.1", free_port()))
        for _ in range(6):
            async with TcpClient(port) as client:
                assert await client.line() == "pg"
        lines = [json.loads(line) for line in await ports.log(6)]
        assert 2 in {line["attempts"] for line in lines} <= {1, 2}
        assert all(line["endpoint"].endswith(f":{pg.address[1]}") for line in lines)


async def test_an_endpoint_that_refuses_five_connections_is_left_out_where_asked(tmp_path: Path) -> None:
    backend = raw_backend("pg", settings=ServiceSettings(detects_outliers=True))
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, pg.address, ("127.0.0.1", free_port()))
        for _ in range(20):
            async with TcpClient(port) as client:
                assert await client.line() == "pg"
        attempts = [json.loads(line)["attempts"] for line in await ports.log(20)]
        assert 5 <= attempts.count(2) <= 10
        assert attempts[-5:] == [1] * 5


async def test_shares_are_kept_and_the_share_of_no_backend_fails(tmp_path: Path) -> None:
    major, minor = raw_backend("major"), raw_backend("minor")
    shares = (Share(major.key, 60), Share(minor.key, 20), Share(None, 20))
    async with tcp_backend("major") as a, tcp_backend("minor") as b, layer4_site(tmp_path) as ports:
        await ports.serve(minor, b.address)
        port = await ports.serve(major, a.address, port=port_of(major, shares=shares))
        answers = []
        for _ in range(120):
            async with TcpClient(port) as client:
                answers.append(await client.line())
        assert 40 < answers.count("major") < 105
        assert 3 < answers.count("minor") < 60
        assert 3 < answers.count("") < 60


async def test_connections_of_a_client_stay_with_an_endpoint_where_asked(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(tcp_backend(f"pg-{number}")) for number in range(4)]
        ports = await stack.enter_async_context(layer4_site(tmp_path))
        sticky, plain = raw_backend("sticky", hashed=True), raw_backend("plain")
        addresses = [each.address for each in backends]
        kept = await ports.serve(sticky, *addresses, port=port_of(sticky, keeps_client=True))
        spread = await ports.serve(plain, *addresses)
        chosen: dict[int, dict[str, set[str]]] = {kept: {}, spread: {}}
        for port, clients in chosen.items():
            for source in CLIENTS * 4:
                async with TcpClient(port, source=source) as client:
                    clients.setdefault(source, set()).add(await client.line())
    assert {len(each) for each in chosen[kept].values()} == {1}
    assert len(set().union(*chosen[kept].values())) > 1
    assert max(len(each) for each in chosen[spread].values()) > 1


async def test_the_client_of_a_received_header_stays_with_an_endpoint(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(tcp_backend(f"pg-{number}")) for number in range(4)]
        ports = await stack.enter_async_context(layer4_site(tmp_path))
        backend = raw_backend("pg", hashed=True)
        behind = port_of(backend, decodes_proxy=True, keeps_client=True)
        port = await ports.serve(backend, *(each.address for each in backends), port=behind)
        chosen: dict[int, set[str]] = {}
        for number in [*range(10)] * 3:
            async with TcpClient(port) as client:
                client.writer.write(f"PROXY TCP4 192.0.2.{number} 192.0.2.99 4711 9000\r\n".encode())
                chosen.setdefault(number, set()).add(await client.line())
    assert {len(each) for each in chosen.values()} == {1}
    assert len(set().union(*chosen.values())) > 1


async def test_long_datagrams_pass_both_ways(tmp_path: Path) -> None:
    backend = raw_backend("dns", Transport.UDP)
    async with udp_backend("dns") as dns, layer4_site(tmp_path) as ports:
        port = await ports.serve(backend, dns.address)
        with UdpClient(port) as client:
            for length in (0, 1, 1_472, 1_501, 4_096, 60_000, 65_503):
                assert await client.ask(b"x" * length) == b"dns " + b"x" * length
        assert len(set(dns.peers)) == 1
        await ports.remove(port_of(backend, number=port))
        (line,) = map(json.loads, await ports.log(1))
    assert line["protocol"] == "UDP"
    assert (line["port"], line["service"], line["cluster"]) == (port, "db/dns", str(backend.key))
    assert (line["datagrams_received"], line["datagrams_sent"]) == (7, 7)
    assert line["bytes_sent"] == line["bytes_received"] + 7 * len("dns ")
    assert (line["client"], line["endpoint"]) == ("127.0.0.1", f"127.0.0.1:{dns.address[1]}")


async def test_sessions_of_a_client_stay_with_an_endpoint(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(udp_backend(f"dns-{number}")) for number in range(4)]
        ports = await stack.enter_async_context(layer4_site(tmp_path))
        backend = raw_backend("dns", Transport.UDP)
        port = await ports.serve(backend, *(each.address for each in backends))
        sockets = {source: [stack.enter_context(UdpClient(port, source=source)) for _ in "ab"] for source in CLIENTS}
        before = {source: {await each.backend() for each in pair} for source, pair in sockets.items()}
        assert {len(each) for each in before.values()} == {1}
        assert len(set().union(*before.values())) > 1
        gone = backends[0]
        await ports.endpoints(backend, *(each.address for each in backends[1:]))
        for source, pair in sockets.items():
            after = {await each.backend() for each in pair}
            assert len(after) == 1
            assert after == before[source] or before[source] == {gone.name}


async def test_silence_ends_connections_and_sessions(tmp_path: Path) -> None:
    pg, dns = raw_backend("pg"), raw_backend("dns", Transport.UDP)
    async with tcp_backend("pg") as tcp, udp_backend("dns") as udp, layer4_site(tmp_path) as ports:
        port = await ports.serve(pg, tcp.address, port=port_of(pg, idle_timeout=SOON))
        async with TcpClient(port) as client:
            await client.rest()
        assert await ports.site.envoy.stats(f"tcp.tcp_{port}.idle_timeout") == {f"tcp.tcp_{port}.idle_timeout": 1}
        port = await ports.serve(dns, udp.address, port=port_of(dns, idle_timeout=SOON))
        with UdpClient(port) as asking:
            await asking.backend(SILENCE_SECONDS)
            await ports.log(2)
            await asking.backend(SILENCE_SECONDS)
            await until(lambda: len(set(udp.peers)) == 2)


async def test_tcp_and_udp_share_a_number(tmp_path: Path) -> None:
    pg, dns = raw_backend("both"), raw_backend("both", Transport.UDP)
    async with tcp_backend("tcp") as tcp, udp_backend("udp") as udp, layer4_site(tmp_path) as ports:
        port = await ports.serve(pg, tcp.address)
        await ports.serve(dns, udp.address, port=port_of(dns, number=port))
        async with TcpClient(port) as client:
            assert await client.line() == "tcp"
        with UdpClient(port) as asking:
            assert await asking.backend() == "udp"


async def test_the_name_of_an_external_service_is_resolved(tmp_path: Path) -> None:
    async with tcp_backend("pg") as tcp, udp_backend("dns") as udp, layer4_site(tmp_path) as ports:
        pg = replace(raw_backend("pg"), external_name="localhost", target_port=tcp.address[1])
        dns = replace(raw_backend("dns", Transport.UDP), external_name="localhost", target_port=udp.address[1])
        port, udp_port = port_of(pg), port_of(dns)
        await ports.put(pg, dns, port, udp_port)
        async with TcpClient(port.key.number) as client:
            assert await client.line() == "pg"
        with UdpClient(udp_port.key.number) as asking:
            assert await asking.backend() == "dns"


async def test_limits_of_a_service_count_connections_and_sessions(tmp_path: Path) -> None:
    limits = ServiceSettings(max_requests=1, max_connections=2)
    pg, dns = raw_backend("pg", settings=limits), raw_backend("dns", Transport.UDP, settings=limits)
    async with tcp_backend("pg") as tcp, udp_backend("dns") as udp, layer4_site(tmp_path) as ports:
        port = await ports.serve(pg, tcp.address)
        async with TcpClient(port) as first, TcpClient(port) as second:
            assert [await first.line(), await second.line()] == ["pg", "pg"]
            async with TcpClient(port) as third:
                assert await third.rest() == b""
            (line,) = map(json.loads, await ports.log(1))
            assert line["flags"] == "UO"
        port = await ports.serve(dns, udp.address)
        with UdpClient(port) as a, UdpClient(port) as b, UdpClient(port) as c:
            assert [await a.backend(), await b.backend()] == ["dns", "dns"]
            assert await c.backend(SILENCE_SECONDS) == ""
            assert await a.backend() == "dns"


def keepalive_timers(port: int, *, is_peer: bool) -> list[float]:
    """The seconds until the next probe, of each established connection from or to a port.

    Source: https://docs.kernel.org/networking/proc_net_tcp.html
    """
    found = []
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = row.split()
        kind, _, ticks = timer.partition(":")
        if int((remote if is_peer else local).partition(":")[2], 16) == port and (state, kind) == ("01", "02"):
            found.append(int(ticks, 16) / 100)
    return found


async def test_probes_find_a_dead_peer_on_either_side(tmp_path: Path) -> None:
    async with tcp_backend("pg") as pg, layer4_site(tmp_path) as ports:
        port = await ports.serve(raw_backend("pg"), pg.address)
        async with TcpClient(port) as client:
            assert await client.line() == "pg"
            await until(lambda: bool(keepalive_timers(port, is_peer=False)))
            (to_client,), (to_backend,) = (
                keepalive_timers(port, is_peer=False),
                keepalive_timers(pg.address[1], is_peer=True),
            )
            assert 200 < to_client <= 300
            assert 200 < to_backend <= 300


async def test_a_listener_of_ipv6_takes_ipv4_too(tmp_path: Path) -> None:
    pg, dns = raw_backend("pg"), raw_backend("dns", Transport.UDP)
    async with tcp_backend("pg") as tcp, udp_backend("dns") as udp, layer4_site(tmp_path) as ports:
        ports.listener_address = "::"
        tcp_port, udp_port = await ports.serve(pg, tcp.address), await ports.serve(dns, udp.address)
        for address in ("127.0.0.1", "::1"):
            async with TcpClient(tcp_port, address) as client:
                assert await client.line() == "pg"
            with UdpClient(udp_port, address) as asking:
                assert await asking.backend() == "dns"
        clients = [json.loads(line)["client"] for line in await ports.log(2)]
        assert clients == ["127.0.0.1", "::1"]
