"""Headers at the edge through a real Envoy, as a backend and a client receive the headers.

Covers: forwarded headers of strangers and of trusted proxies, request ids, Envoy's own headers, the Server header, a
Host with a dot at the end. Excludes: upgrades (test_upgrades.py), redirects (test_tls.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.http import get
from tests.support.objects import certificate, endpoint, ingress, path, rule, secret, service, slice_of, tls
from tests.support.site import Site, echoes, site
from xds.kube.objects import EndpointSlice
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy

HOST = "shop.example.com"
SHOP = (
    ingress("shop", rule(HOST, path("/", "web")), tls=[tls(HOST, secret="cert")]),
    service("web"),
    secret("cert", certificate(HOST)),
)
CLAIMS = {
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=gopher",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "gopher",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil",
    "X-Forwarded-User": "root",
    "X-Forwarded-Client-Cert": "By=evil",
    "X-Scheme": "gopher",
    "X-Real-IP": "6.6.6.6",
    "X-Original-Forwarded-For": "6.6.6.6",
    "X-Original-Host": "evil.test",
    "X-Original-Method": "DELETE",
    "X-Original-URI": "/evil",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "Proxy": "http://evil.test",
}


LOOPBACK = "127.0.0.1"


def told(headers: dict[str, str]) -> dict[str, str]:
    """The headers about the client and the connection that a backend received."""
    prefixes = ("forwarded", "x-forwarded-", "x-real-", "x-scheme", "x-original-", "x-rewrite-", "proxy")
    return {name: value for name, value in headers.items() if name.startswith(prefixes)}


async def received(
    running: Site, headers: dict[str, str] | None = None, *, authority: str = HOST, over_tls: bool = False
) -> dict[str, str]:
    """The headers of a request as the backend received them."""
    port = running.proxy.https_port if over_tls else running.proxy.http_port
    reply = await get(port, authority, tls=over_tls, sni=HOST, **(headers or {}))
    found: dict[str, str] = reply.json["headers"]
    return found


@pytest.mark.parametrize("vhds", [True, False], ids=["vhds", "no-vhds"])
async def test_claims_of_strangers_are_replaced(tmp_path: Path, *, vhds: bool) -> None:
    proxy = ProxyOptions(vhds=vhds)
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, proxy=proxy) as running:
        for is_tls, scheme, port in ((False, "http", "80"), (True, "https", "443")):
            for claims in ({}, CLAIMS):
                found = told(await received(running, claims, authority=f"{HOST}:30080", over_tls=is_tls))
                # For a loopback address Envoy writes the machine's own address.
                assert str(ip_address(found.pop("x-forwarded-for"))) != "6.6.6.6"
                assert found == {
                    "x-forwarded-host": f"{HOST}:30080",
                    "x-forwarded-port": port,
                    "x-forwarded-proto": scheme,
                    "x-forwarded-scheme": scheme,
                    "x-real-ip": LOOPBACK,
                    "x-scheme": scheme,
                }


async def test_public_ports_are_forwarded(tmp_path: Path) -> None:
    proxy = ProxyOptions(public_http_port=30080, public_https_port=30443)
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, proxy=proxy) as running:
        assert (await received(running))["x-forwarded-port"] == "30080"
        assert (await received(running, over_tls=True))["x-forwarded-port"] == "30443"


async def test_words_of_trusted_proxies_are_kept(tmp_path: Path) -> None:
    proxy = ProxyOptions(trusted_hops=1)
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, proxy=proxy) as running:
        found = told(await received(running, CLAIMS))
        assert found.pop("x-forwarded-for").startswith("6.6.6.6,")
        kept = {name.lower(): value for name, value in CLAIMS.items()}
        del kept["x-forwarded-for"], kept["x-forwarded-client-cert"], kept["proxy"]
        assert found == kept


async def test_trusted_proxies_are_completed(tmp_path: Path) -> None:
    proxy = ProxyOptions(trusted_hops=1)
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, proxy=proxy) as running:
        claims = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https", "X-Real-IP": "6.6.6.6"}
        found = told(await received(running, claims))
        assert found.pop("x-forwarded-for").startswith("6.6.6.6, 203.0.113.9,")
        assert found == {
            "x-forwarded-host": HOST,
            "x-forwarded-proto": "https",
            "x-forwarded-scheme": "https",
            "x-real-ip": "203.0.113.9",
            "x-scheme": "https",
        }


async def test_the_host_loses_a_dot_at_the_end(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices) as running:
        for is_tls in (False, True):
            found = await received(running, authority=f"{HOST}.:8080", over_tls=is_tls)
            assert (found["host"], found["x-forwarded-host"]) == (f"{HOST}:8080", f"{HOST}:8080")


async def test_a_request_id_is_kept(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices) as running:
        for given in ("order-4711", "0190a5b6-7c1e-7d3f-8a2b-0123456789ab"):
            assert (await received(running, {"X-Request-ID": given}))["x-request-id"] == given
        assert (await received(running))["x-request-id"]


async def test_a_request_id_is_replaced_if_asked(tmp_path: Path) -> None:
    proxy = ProxyOptions(replace_request_id=True)
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, proxy=proxy) as running:
        assert (await received(running, {"X-Request-ID": "order-4711"}))["x-request-id"] not in ("", "order-4711")


async def test_envoys_own_headers_are_not_for_clients(tmp_path: Path) -> None:
    """Clients of private addresses are strangers too: behind address translation every client has such an address."""
    orders = {
        "X-Envoy-Upstream-RQ-Timeout-Ms": "1",
        "X-Envoy-Retry-On": "5xx",
        "X-Envoy-Max-Retries": "9",
        "X-Envoy-Decorator-Operation": "x",
        "X-Envoy-Original-Path": "/evil",
        "X-Envoy-Internal": "true",
        "X-Envoy-External-Address": "6.6.6.6",
    }
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices) as running:
        found = {name: each for name, each in (await received(running, orders)).items() if name.startswith("x-envoy")}
        assert found == {"x-envoy-external-address": LOOPBACK}


@pytest.mark.parametrize(("flag", "expected"), [("envoy", "envoy"), ("nginx", "nginx"), ("", None)])
async def test_the_server_header(tmp_path: Path, flag: str, expected: str | None) -> None:
    objects = (ingress("shop", rule(HOST, path("/", "web"), path("/gone", "gone"))), service("web"))
    async with (
        backend(b"") as silent,
        site(tmp_path, *objects, slice_at(silent), proxy=ProxyOptions(server_header=flag)) as running,
    ):
        for asked in ("/", "/gone"):
            assert (await running.get(HOST, asked)).headers.get("server") == expected, asked


async def test_a_backends_server_header_stays(tmp_path: Path) -> None:
    async with backend(b"Server: Apache/2\r\n") as named, site(tmp_path, *SHOP, slice_at(named)) as running:
        assert (await running.get(HOST)).headers["server"] == "Apache/2"


@contextlib.asynccontextmanager
async def backend(headers: bytes) -> AsyncIterator[int]:
    """A backend that answers with these headers; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n%b\r\n" % headers)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def slice_at(port: int) -> EndpointSlice:
    return slice_of("web", endpoint(LOOPBACK), ports=[port])
