"""Bound listeners of a real Envoy: the routes, certificates and backends that each connection meets.

Covers: tables by address, wildcards, the choice of a chain by server name, 421, certificates of clients, TLS that is
passed on, ended in front of TCP, and closed, TCP, UDP by weight, and changes under open connections. Excludes: the
translation from Gateways (tests/translate/gateway), and the matches of routes (test_route_table.py).
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from tests.support.authority import Authority
from tests.support.bound_model import GATEWAY, bound_http, layer4_route, virtual_host
from tests.support.bound_site import BoundSite, bound_site
from tests.support.echo import echo
from tests.support.envoy import free_port, needs_envoy
from tests.support.http import CLOSED, Connection, Reply, get, unverified
from tests.support.objects import key
from tests.support.raw_backends import TcpClient, UdpClient, tcp_backend, udp_backend
from tests.support.tls_backend import tls_backend
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.backend_tls import ClientAuthorities, CredentialKey, CredentialPart
from xds.traffic.bound import BoundListener, Chain, ChainTls, ClientCheck, ListenerKey, TableKey
from xds.traffic.layer4 import Share, Transport
from xds.traffic.model import TrafficChange
from xds.traffic.upstream import BackendProtocol

pytestmark = needs_envoy

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
AUTHORITY: Final = Authority("gateway")
HOST: Final = "shop.example.com"


@contextlib.asynccontextmanager
async def serving(folder: Path, *services: str, sotw: bool = False) -> AsyncIterator[BoundSite]:
    """A site with echo backends."""
    async with bound_site(folder, sotw=sotw) as running, contextlib.AsyncExitStack() as stack:
        for each in services:
            await running.backend(each, await stack.enter_async_context(echo(each)))
        yield running


def by_sni(at: ListenerKey, *chains: Chain) -> BoundListener:
    return BoundListener(at, chains, GATEWAY, 443, reads_sni=True)


async def eventually(expected: Any, ask: Callable[[], Awaitable[Any]]) -> None:
    """Until the answer is as expected: Envoy's workers follow a listener after Envoy's ACK."""
    found = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while (found := await ask()) != expected:
                await asyncio.sleep(0.02)
    assert found == expected


async def secure(port: int, sni: str, host: str = "") -> Reply:
    return await get(port, host or sni, tls=True, sni=sni, at=FIRST)


async def ended_by(port: int, sni: str) -> str:
    """The chain that ends TLS, by the certificate; empty if the connection fails."""
    reply = await secure(port, sni)
    if not reply.peer:
        return ""
    names = x509.load_der_x509_certificate(reply.peer).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return str(names.value.get_values_for_type(x509.DNSName)[0])


@pytest.mark.parametrize("sotw", [False, True])
async def test_one_host_has_other_routes_at_another_address(tmp_path: Path, *, sotw: bool) -> None:
    port = free_port()

    async def backends() -> list[str]:
        return [(await get(port, HOST, at=each)).backend for each in (FIRST, SECOND)]

    async with serving(tmp_path, "a", "b", sotw=sotw) as running:
        await running.put(bound_http(ListenerKey(FIRST, port)), virtual_host(HOST, "a"))
        await running.put(bound_http(ListenerKey(SECOND, port)), virtual_host(HOST, "b"))
        await eventually(["a", "b"], backends)
        assert (await get(port, "other.example.com", at=FIRST)).status == 404
        await running.put(bound_http(ListenerKey(FIRST, port)), virtual_host(HOST, "b"))
        assert await backends() == ["b", "b"]
        await running.remove(ListenerKey(FIRST, port))
        await eventually(["", "b"], backends)


async def test_a_wildcard_stands_for_any_number_of_labels(tmp_path: Path) -> None:
    port = free_port()
    async with serving(tmp_path, "a", "b") as running:
        domains = (virtual_host("*.example.com", "a"), virtual_host("*.b.example.com", "b"))
        await running.put(bound_http(ListenerKey(FIRST, port)), *domains)
        await eventually("a", lambda: backend_of(port, "x.example.com"))
        assert await backend_of(port, "x.y.example.com") == "a"
        assert await backend_of(port, "x.b.example.com") == "b"
        assert await backend_of(port, "x.y.b.example.com:8080") == "b"
        assert (await get(port, "example.com", at=FIRST)).status == 404


async def backend_of(port: int, host: str) -> str:
    return (await get(port, host, at=FIRST)).backend


async def test_the_most_specific_server_name_chooses_the_connections(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port())
    names = {"exact": "a.b.example.com", "deep": "*.b.example.com", "wide": "*.example.com", "any": ""}
    async with serving(tmp_path, *names) as running:
        await running.tls(at, names)
        await eventually("any", lambda: ended_by(at.port, "other.test"))
        expected = {
            "a.b.example.com": "exact",
            "x.b.example.com": "deep",
            "x.a.b.example.com": "deep",
            "b.example.com": "wide",
            "x.example.com": "wide",
            "x.y.example.com": "wide",
            "example.com": "any",
        }
        found = {sni: (await ended_by(at.port, sni), (await secure(at.port, sni)).backend) for sni in expected}
        assert found == {sni: (chain, chain) for sni, chain in expected.items()}


async def test_a_host_of_other_connections_is_misdirected(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port())
    async with serving(tmp_path, "exact", "wide") as running:
        await running.tls(at, {"exact": "a.example.com", "wide": "*.example.com"})
        await eventually("wide", lambda: ended_by(at.port, "b.example.com"))
        asked = {
            ("a.example.com", "a.example.com"): 200,
            ("a.example.com", "b.example.com"): 421,
            ("b.example.com", "a.example.com"): 421,
            ("b.example.com", "c.d.example.com"): 200,
            ("a.example.com", "other.test"): 404,
            ("b.example.com", "other.test"): 404,
        }
        found = {(sni, host): (await secure(at.port, sni, host)).status for sni, host in asked}
        assert found == asked
        assert await secure(at.port, "other.test") == CLOSED


async def test_a_host_without_routes_is_404_and_not_misdirected(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port())
    async with serving(tmp_path, "exact", "wide") as running:
        await running.tls(at, {"exact": "a.example.com", "wide": "*.example.com"})
        table = TableKey(at, "a.example.com", tls=True)
        await running.remove_domain(table, "a.example.com")
        await eventually("exact", lambda: ended_by(at.port, "a.example.com"))
        assert (await secure(at.port, "a.example.com")).status == 404


async def test_one_more_server_name_leaves_open_connections_alone(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port())
    async with serving(tmp_path, "old", "new") as running:
        await running.tls(at, {"old": "*.example.com"})
        await eventually("old", lambda: ended_by(at.port, "b.example.com"))
        held = await Connection.open(at.port, tls=True, sni="b.example.com", at=FIRST)
        with contextlib.closing(held):
            assert (await held.get("b.example.com")).backend == "old"
            await running.tls(at, {"old": "*.example.com", "new": "b.example.com"})
            await eventually("new", lambda: ended_by(at.port, "b.example.com"))
            assert (await held.get("b.example.com")).status == 421
            assert (await held.get("c.example.com")).backend == "old"
        draining = await running.site.envoy.get("/stats?filter=total_filter_chains_draining")
        assert draining.strip() == "listener_manager.total_filter_chains_draining: 0"


@pytest.mark.parametrize("required", [True, False])
async def test_clients_are_asked_for_certificates(tmp_path: Path, *, required: bool) -> None:
    at, clients, strangers = ListenerKey(FIRST, free_port()), Authority("clients"), Authority("strangers")
    name = CredentialKey(key("clients"), CredentialPart.CLIENT_AUTHORITIES)
    async with serving(tmp_path, "web") as running:
        running.model.credentials[name] = ClientAuthorities(clients.pem)
        await running.change(TrafficChange(credentials=frozenset({name})))
        await running.tls(at, {"web": HOST}, ClientCheck(name, required=required))
        await eventually("web", lambda: shown(at.port, tmp_path, clients))
        others = [await shown(at.port, tmp_path, each) for each in (None, strangers)]
        assert others == (["", ""] if required else ["web", "web"])


async def shown(port: int, folder: Path, authority: Authority | None) -> str:
    """The backend that answers a client with a certificate of an authority; empty if the connection fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if authority:
        issued = authority.issue("client.test")
        chain, private = folder / "client.pem", folder / "client.key"
        chain.write_bytes(issued.certificate)
        private.write_bytes(issued.private_key)
        context.load_cert_chain(chain, private)
    try:
        connection = await Connection.open(port, tls=True, sni=HOST, context=context, at=FIRST)
    except (ssl.SSLError, ConnectionError):
        return ""
    with contextlib.closing(connection):
        return (await connection.get(HOST)).backend


async def test_tls_is_passed_on_ended_and_closed_on_one_port(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port())
    backend_authority = Authority("backend")
    async with serving(tmp_path, "web") as running, tcp_backend("pg") as pg:
        with tls_backend("db", backend_authority, "db.example.com", "db.test") as db:
            raw = {
                name: await running.backend(name, port, BackendProtocol.TCP)
                for name, port in (("db", db.port), ("pg", pg.address[1]))
            }
            passed, plain = (layer4_route(Share(raw[name]), route=name) for name in ("db", "pg"))
            await running.tls(at, {"web": "*.example.com"})
            cert = await running.certificate("pg", AUTHORITY, "pg.example.com")
            chains = (
                *running.model.bound[at].chains,
                Chain(("db.example.com", "*.pass.example.com"), route=passed),
                Chain(("pg.example.com",), ChainTls((cert,)), route=plain),
                Chain(("closed.example.com",)),
                Chain(("gone.example.com",), route=layer4_route(Share(None), route="gone")),
            )
            await running.put(by_sni(at, *chains))
            await eventually("db", lambda: passed_to(at.port, "db.example.com"))
            assert await passed_to(at.port, "x.y.pass.example.com") == "db"
            for name in ("closed.example.com", "gone.example.com", "other.test"):
                assert await secure(at.port, name) == CLOSED
            assert (await secure(at.port, "web.example.com")).backend == "web"
            assert (await secure(at.port, "web.example.com", "db.example.com")).status == 421
            context = unverified()
            reader, writer = await asyncio.open_connection(
                FIRST, at.port, ssl=context, server_hostname="pg.example.com"
            )
            assert await reader.readline() == b"pg\n"
            writer.close()


async def passed_to(port: int, sni: str) -> str:
    """The backend that ends TLS; empty if the connection fails."""
    reply = await secure(port, sni)
    return str(reply.json["backend"]) if reply.status == 200 else ""


async def test_connections_and_sessions_are_shared_by_weight(tmp_path: Path) -> None:
    number = free_port()
    tcp, udp = ListenerKey(FIRST, number), ListenerKey(FIRST, number, Transport.UDP)
    async with bound_site(tmp_path) as running, contextlib.AsyncExitStack() as stack:
        kinds: Any = ((tcp, BackendProtocol.TCP, tcp_backend), (udp, BackendProtocol.UDP, udp_backend))
        for at, protocol, opened in kinds:
            shares = []
            for name, weight in (("a", 7), ("b", 2), ("c", 1)):
                backend = await stack.enter_async_context(opened(name))
                shares.append(Share(await running.backend(name, backend.address[1], protocol), weight))
            await running.put(BoundListener(at, (Chain(route=layer4_route(*shares)),), GATEWAY, number))

        async def connection() -> str:
            async with TcpClient(number, FIRST) as client:
                return await client.line()

        async def session() -> str:
            with UdpClient(number, FIRST) as client:
                return await client.backend()

        for ask in (connection, session):
            found = Counter([await ask() for _ in range(300)])
            assert 0.6 < found["a"] / 300 < 0.8
            assert 0.12 < found["b"] / 300 < 0.28
            assert 0.03 < found["c"] / 300 < 0.17


async def test_a_session_keeps_its_backend(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port(), Transport.UDP)
    async with bound_site(tmp_path) as running, udp_backend("a") as a, udp_backend("b") as b:
        shares = [Share(await running.backend(each.name, each.address[1], BackendProtocol.UDP)) for each in (a, b)]
        await running.put(BoundListener(at, (Chain(route=layer4_route(*shares)),), GATEWAY, 53))
        for _ in range(8):
            with UdpClient(at.port, FIRST) as client:
                assert len({await client.backend() for _ in range(5)}) == 1


async def test_datagrams_of_an_unusable_backend_are_dropped(tmp_path: Path) -> None:
    at = ListenerKey(FIRST, free_port(), Transport.UDP)
    async with bound_site(tmp_path) as running:
        await running.put(BoundListener(at, (Chain(route=layer4_route(Share(None))),), GATEWAY, 53))
        with UdpClient(at.port, FIRST) as client:
            assert await client.ask(b"?", 0.3) == b""
