"""TLS passthrough with a real Envoy: the certificate that a client meets, and the clients that may connect.

Covers: terminated, passed-through and closed hosts on one port, ALPN, 421, address lists, the PROXY protocol both
ways, ClientHellos in pieces, and connections that live on while the hosts around change. Excludes: the decision over
each host (tests/translate/test_passthrough.py).
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.authority import Authority
from tests.support.envoy import needs_envoy
from tests.support.http import CLOSED, Connection, Reply
from tests.support.objects import ingress, path, rule, secret_of, service, slice_of, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from tests.support.tls_backend import TlsBackend, tls_backend
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.objects import Ingress, IngressRule, KubeObject
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

PROXY_CA, BACKEND_CA = Authority("proxy"), Authority("backend")
HOST: Final = "db.test"
WEB, DB = service("web"), service("db", {"port": 443, "appProtocol": "https"})
OPTIONS: Final = TranslateOptions(passes_tls=True, default_tls_secret=Key("default", "default"))
PROXY: Final = ProxyOptions(passes_tls=True)


def issued(name: str, *names: str) -> KubeObject:
    found = PROXY_CA.issue(*names)
    return secret_of(name, found.certificate, found.private_key)


CERT, DEFAULT = issued("cert", "web.test", "*.w.test"), issued("default", "default.test")
ENDED: Final = ingress(
    "web",
    rule("web.test", path("/")),
    rule("*.w.test", path("/")),
    tls=[tls("web.test", "*.w.test", secret="cert")],
    created=1,
)


def passing(*rules: IngressRule, name: str = "db", created: int = 2, **fields: Any) -> Ingress:
    annotations = annotated(ssl_passthrough="true") | fields.pop("annotations", {})
    found = rules or (rule(HOST, path("/", "db:443")),)
    return ingress(name, *found, created=created, annotations=annotations, **fields)


def slices_of(backend: TlsBackend, name: str = "db") -> KubeObject:
    return slice_of(name, "127.0.0.1", ports=[backend.port])


def trusting(authority: Authority, *alpn: str) -> ssl.SSLContext:
    """A client that trusts one authority, and checks names."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_alpn_protocols([*(alpn or ("http/1.1",))])
    return context


async def get(running: Site, sni: str, authority: Authority, host: str = "") -> Reply:
    """A request by a client that checks the certificate. CLOSED for a handshake that the server ends."""
    try:
        connection = await Connection.open(running.proxy.https_port, tls=True, sni=sni, context=trusting(authority))
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError):
        return CLOSED
    with contextlib.closing(connection):
        return await connection.get(host or sni)


@pytest.fixture
def db() -> Iterator[TlsBackend]:
    with tls_backend("db", BACKEND_CA, HOST, "*.p.test", "DB.test") as backend:
        yield backend


async def test_terminated_and_passed_through_hosts_share_a_port(tmp_path: Path, db: TlsBackend) -> None:
    wild = passing(rule("*.p.test", path("/", "db:443")), rule("a.w.test", path("/", "db:443")), name="wild")
    closed = passing(
        rule("closed.test", path("/app", "db:443")), name="closed", tls=[tls("closed.test", secret="cert")]
    )
    plain = ingress("plain", rule("plain.test", path("/")))
    redirected = passing(rule("red.test", path("/", "db:443")), name="red", tls=[tls("red.test")])
    objects = (ENDED, passing(), wild, closed, plain, redirected, WEB, DB, CERT, DEFAULT, slices_of(db))
    options = TranslateOptions(passes_tls=True, default_tls_secret=Key("default", "default"), is_compatible=True)
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices, translate=options, proxy=PROXY) as running:
        assert running.rejections == []
        for host in ("web.test", "x.w.test"):
            assert (await get(running, host, PROXY_CA)).backend == "web"
        for sni in (HOST, "a.p.test"):
            assert (await get(running, sni, BACKEND_CA)).json == {"backend": "db", "sni": sni, "alpn": "http/1.1"}
        assert (await get(running, "DB.test", BACKEND_CA)).backend == "db"
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(running, HOST, PROXY_CA)
        with pytest.raises(ssl.SSLCertVerificationError):  # two labels: the default certificate is of the proxy's CA
            await get(running, "a.b.p.test", BACKEND_CA)
        assert await get(running, "closed.test", PROXY_CA) == CLOSED
        assert (await running.get("plain.test")).backend == "web"
        assert (await running.get("red.test")).status == 308
        assert (await running.get(HOST)).status != 308
        for host in (HOST, "a.p.test", "closed.test", "a.w.test"):
            for sni in ("web.test", "x.w.test", "default.test"):
                assert (await get(running, sni, PROXY_CA, host)).status == 421, (host, sni)
        context = trusting(BACKEND_CA, "h2", "http/1.1")
        connection = await Connection.open(running.proxy.https_port, tls=True, sni=HOST, context=context)
        assert connection.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        connection.close()


async def test_a_younger_annotation_leaves_the_tls_of_an_older_host_alone(tmp_path: Path, db: TlsBackend) -> None:
    younger = passing(rule("web.test", path("/app", "db:443"), path("/", "db:443")), created=5)
    objects = (ENDED, younger, WEB, DB, CERT, DEFAULT, slices_of(db))
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices, translate=OPTIONS, proxy=PROXY) as running:
        assert (await get(running, "web.test", PROXY_CA)).backend == "web"
        assert db.connections == 0


async def test_address_lists_are_asked_before_the_backend_hears_of_a_connection(tmp_path: Path, db: TlsBackend) -> None:
    """A client's address is that of the PROXY protocol header."""
    lists = annotated(allowlist_source_range="192.0.2.0/24, 2001:db8::/32", denylist_source_range="192.0.2.128/25")
    host = passing(annotations=lists)
    denied = passing(
        rule("a.p.test", path("/", "db:443")), name="a", annotations=annotated(denylist_source_range="192.0.2.9")
    )
    wild = passing(rule("*.p.test", path("/", "db:443")), name="wild", annotations=lists)
    objects = (ENDED, host, denied, wild, WEB, DB, CERT, DEFAULT, slices_of(db))
    proxy = ProxyOptions(passes_tls=True, proxy_protocol=True)
    async with site(tmp_path, *objects, translate=OPTIONS, proxy=proxy) as running:
        assert running.rejections == []

        async def is_let_in(sni: str, client: str) -> bool:
            before = db.connections
            reply = await asyncio.wait_for(_by_proxy(running.proxy.https_port, sni, client), WAIT_LIMIT_SECONDS)
            assert reply in (b"", b'{"backend": "db"'), reply
            assert db.connections - before == bool(reply)
            return bool(reply)

        clients = ("192.0.2.1", "192.0.2.127", "192.0.2.128", "198.51.100.1", "2001:db8::1", "2001:db9::1")
        expected = [True, True, False, False, True, False]
        for sni in (HOST, "b.p.test"):
            assert [await is_let_in(sni, client) for client in clients] == expected
        assert [await is_let_in("a.p.test", client) for client in ("192.0.2.9", "192.0.2.1", "198.51.100.1")] == [
            False,
            True,
            True,
        ]


async def _by_proxy(port: int, sni: str, client: str) -> bytes:
    """The begin of the answer to a client behind a proxy that says its address; empty: the connection is closed."""
    family, own = ("TCP6", "2001:db8::ffff") if ":" in client else ("TCP4", "127.0.0.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"PROXY {family} {client} {own} 40000 443\r\n".encode())
    try:
        await writer.start_tls(trusting(BACKEND_CA), server_hostname=sni)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return (await reader.readuntil(b"}")).partition(b"\r\n\r\n")[2].partition(b",")[0]
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_the_backend_learns_the_clients_address(tmp_path: Path, version: str) -> None:
    asked = {"xds-ingress.dev/tls-passthrough-proxy-protocol": version}
    with tls_backend("db", BACKEND_CA, HOST, reads_header=True) as backend:
        objects = (passing(annotations=asked), DB, slices_of(backend))
        async with site(tmp_path, *objects, translate=TranslateOptions(passes_tls=True), proxy=PROXY) as running:
            assert (await get(running, HOST, BACKEND_CA)).backend == "db"
    (header,) = backend.headers
    if version == "v1":
        assert header.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    else:
        assert header[16:24] == bytes((127, 0, 0, 1) * 2)


async def test_a_client_hello_may_come_in_pieces(tmp_path: Path, db: TlsBackend) -> None:
    objects = (passing(), DB, DEFAULT, slices_of(db))
    async with site(tmp_path, *objects, translate=OPTIONS, proxy=PROXY) as running:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting(BACKEND_CA).wrap_bio(incoming, outgoing, server_hostname=HOST)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.https_port)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        for byte in outgoing.read():
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        for _ in range(10):
            incoming.write(await asyncio.wait_for(reader.read(2**16), WAIT_LIMIT_SECONDS))
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        assert client.getpeercert()
        writer.close()


async def test_connections_live_on_while_hosts_and_endpoints_change(tmp_path: Path, db: TlsBackend) -> None:
    """A new host changes the matcher, and a new backend adds a chain. An endpoint that leaves keeps its connections."""
    objects = (ENDED, passing(), WEB, DB, CERT, DEFAULT, slices_of(db))
    async with (
        echoes([WEB]) as slices,
        site(tmp_path, *objects, *slices, translate=OPTIONS, proxy=PROXY) as running,
        contextlib.AsyncExitStack() as stack,
    ):

        async def held(sni: str, authority: Authority) -> Connection:
            context = trusting(authority)
            found = await Connection.open(running.proxy.https_port, tls=True, sni=sni, context=context)
            stack.callback(found.close)
            assert (await found.get(sni)).status == 200
            return found

        connections = {HOST: await held(HOST, BACKEND_CA), "web.test": await held("web.test", PROXY_CA)}

        async def are_alive() -> bool:
            return [(await each.get(host)).status for host, each in connections.items()] == [200, 200]

        with tls_backend("new", BACKEND_CA, HOST, "*.p.test") as new:
            more = passing(rule("a.p.test", path("/", "db:443")), rule("b.p.test", path("/", "new:443")), name="more")
            steps: list[tuple[KubeObject, ...]] = [
                (passing(rule("a.p.test", path("/", "db:443")), name="more"),),
                (more, service("new", 443), slices_of(new, "new")),
                (passing(annotations=annotated(allowlist_source_range="127.0.0.0/8")),),
                (ingress("late", rule("late.test", path("/")), tls=[tls("late.test", secret="cert")]),),
                (slices_of(new),),
            ]
            for changed in steps:
                await running.apply(*changed)
                assert await are_alive()
            assert running.rejections == []
            await _until(lambda: _answers(running, "b.p.test", "new"))
            await _until(lambda: _answers(running, HOST, "new"))
            await running.apply(slice_of("db", ports=[new.port]))
            assert await are_alive()
            assert await get(running, HOST, BACKEND_CA) == CLOSED


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Try until a condition holds: Envoy's workers follow a listener after Envoy's ACK."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


async def _answers(running: Site, host: str, backend: str) -> bool:
    return (await get(running, host, BACKEND_CA)).backend == backend


async def test_a_host_turns_from_terminated_to_passed_through_and_back(tmp_path: Path, db: TlsBackend) -> None:
    cert = issued("cert", HOST)
    ended = ingress("db", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")], created=2)
    objects = (ended, WEB, DB, cert, DEFAULT, slices_of(db))
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices, translate=OPTIONS, proxy=PROXY) as running:

        async def is_issued_by(authority: Authority) -> bool:
            try:
                return (await get(running, HOST, authority)).status == 200
            except ssl.SSLCertVerificationError:
                return False

        assert await is_issued_by(PROXY_CA)
        await running.apply(passing(tls=[tls(HOST, secret="cert")]))
        await _until(lambda: is_issued_by(BACKEND_CA))
        assert set(running.pipeline.store.resources(ResourceType.SECRET)) == {"beacon", "default/default"}
        await running.apply(passing(annotations=annotated(ssl_passthrough="ja")))
        await _until(lambda: _is_closed(running))
        await running.apply(ended)
        await _until(lambda: is_issued_by(PROXY_CA))
        assert running.rejections == []


async def _is_closed(running: Site) -> bool:
    return await get(running, HOST, BACKEND_CA) == CLOSED


async def test_the_access_log_has_a_line_for_each_connection(tmp_path: Path, db: TlsBackend) -> None:
    async with site(tmp_path, passing(), DB, slices_of(db), translate=OPTIONS, proxy=PROXY) as running:
        await get(running, HOST, BACKEND_CA)
        line = await asyncio.wait_for(running.envoy.access_log(), WAIT_LIMIT_SECONDS)
        assert (line["protocol"], line["sni"], line["service"]) == ("TLS", HOST, "default/db"), json.dumps(line)
