"""The ends of connections in `xds explain tcp://` and `tls://`, against a real Envoy's.

Excludes: proxies that can't bind (test_port_in_use.py), and passthrough itself (test_passthrough.py).
"""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import config_map, exact, ingress, path, rule, secret_of, service, slice_of, tls
from tests.support.raw_backends import tcp_backend
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from tests.support.tls_backend import tls_backend
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.explain.connection import Connection
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_question import layer4_question
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

pytestmark = [needs_envoy, pytest.mark.timeout(2 * WAIT_LIMIT_SECONDS)]

OPTIONS = TranslateOptions(passes_tls=True, layer4=Layer4Options({Transport.TCP: Key("default", "tcp")}))
PROXY_CA, BACKEND_CA = Authority("proxy"), Authority("backend")
PASSED = annotated(ssl_passthrough="true")


def explained(running: Site, url: str, client: str = "") -> Connection:
    asked = layer4_question(url, client)
    assert asked
    return explain_connection(connection_facts(running.pipeline.state_reader, asked)).connection


async def tcp_end(port: int) -> Connection:
    """The end of a connection: backends speak first."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return Connection.REFUSED
    with contextlib.closing(writer):
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            return Connection.FORWARDED if await reader.readline() else Connection.CLOSED


async def tls_end(port: int, sni: str) -> Connection:
    """The end of a connection, by the authority that the certificate is from."""
    ends = {PROXY_CA: Connection.TERMINATED, BACKEND_CA: Connection.FORWARDED}
    for authority, end in ends.items():
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.check_hostname = False
        try:
            opened = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=sni)
            _, writer = await asyncio.wait_for(opened, WAIT_LIMIT_SECONDS)
        except ssl.SSLCertVerificationError:
            continue
        except (ssl.SSLError, ConnectionError):
            return Connection.CLOSED
        writer.close()
        return end
    raise AssertionError(f"{sni} has a certificate of another authority")


async def test_connections_to_ports_end_as_explained(tmp_path: Path) -> None:
    served, idle, broken, unasked = (free_port() for _ in range(4))
    entries = {str(served): "default/pg:5432", str(idle): "default/idle:5432", str(broken): "default/gone:5432"}
    objects = (config_map("tcp", **entries), service("pg", 5432), service("idle", 5432))
    async with tcp_backend("pg") as backend:
        ready = slice_of("pg", backend.address[0], ports=[backend.address[1]])
        async with site(tmp_path, *objects, ready, translate=OPTIONS) as running:
            ends = [await tcp_end(port) for port in (served, idle, broken, unasked)]
            assert ends == [Connection.FORWARDED, Connection.CLOSED, Connection.REFUSED, Connection.REFUSED]
            assert [explained(running, f"tcp://h:{port}") for port in (served, idle, broken, unasked)] == ends


async def test_tls_connections_end_as_explained(tmp_path: Path) -> None:
    own = PROXY_CA.issue("ended.test")
    listed = PASSED | annotated(whitelist_source_range="10.9.9.9/32")
    objects = (
        service("db", 443),
        service("idle", 443),
        secret_of("cert", own.certificate, own.private_key),
        ingress("ended", rule("ended.test", path("/", "db:443")), tls=[tls("ended.test", secret="cert")]),
        ingress("passed", rule("passed.test", path("/", "db:443")), annotations=PASSED),
        ingress("wild", rule("*.wild.test", path("/", "db:443")), annotations=PASSED),
        ingress("exact", rule("exact.test", exact("/", "db:443")), annotations=PASSED),
        ingress("idle", rule("idle.test", path("/", "idle:443")), annotations=PASSED),
        ingress("listed", rule("listed.test", path("/", "db:443")), annotations=listed),
    )
    forwarded, closed = Connection.FORWARDED, Connection.CLOSED
    ends = {
        "ended.test": Connection.TERMINATED,
        "passed.test": forwarded,
        "a.wild.test": forwarded,
        "a.b.wild.test": closed,
        "exact.test": closed,
        "idle.test": closed,
        "listed.test": closed,
        "other.test": closed,
    }
    proxy = ProxyOptions(passes_tls=True)
    with tls_backend("db", BACKEND_CA, "passed.test") as backend:
        ready = slice_of("db", "127.0.0.1", ports=[backend.port])
        async with site(tmp_path, *objects, ready, translate=OPTIONS, proxy=proxy) as running:
            assert {host: await tls_end(running.proxy.https_port, host) for host in ends} == ends
            assert {host: explained(running, f"tls://{host}", "127.0.0.1") for host in ends} == ends
