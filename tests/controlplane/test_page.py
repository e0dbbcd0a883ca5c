"""The page on a real control plane: its address, the links of its pages, secrets, and proxies as a reason to refresh.

Excludes the pages (tests/ui) and the browser (tests/browser).
"""

import asyncio
import contextlib
import html
import re
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import yarl

from tests.cli.test_no_password_is_shown import FILES
from tests.cli.test_no_password_is_shown import objects as password_objects
from tests.support.debug_server import DebugServer, figures
from tests.support.envoy import free_port
from tests.support.objects import certificate, ingress, path, rule, secret, service, tls
from xds.address import HostPort
from xds.controlplane.page import start_page
from xds.protocol.messages import Node
from xds.ui.options import UiOptions


@pytest.fixture
async def server() -> AsyncIterator[DebugServer]:
    async with DebugServer() as server:
        yield server


async def test_a_default_address_in_use_is_no_reason_to_stop(server: DebugServer) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = HostPort("127.0.0.1", taken.getsockname()[1])
        async with contextlib.AsyncExitStack() as stack:
            await start_page(UiOptions(address, required=False), server.answers, list, "127.0.0.1:1", stack)
            with pytest.raises(OSError, match="address already in use"):
                await start_page(UiOptions(address, required=True), server.answers, list, "127.0.0.1:1", stack)


async def test_a_proxy_that_connects_refreshes_the_page(server: DebugServer) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        options = UiOptions(HostPort("127.0.0.1", port))
        await start_page(options, server.answers, lambda: map(figures, server.proxies), "127.0.0.1:1", stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stream = await stack.enter_async_context(session.get(f"http://127.0.0.1:{port}/events"))
        first = await mark(stream)
        server.connect(Node("envoy-1"))
        assert await mark(stream) != first


async def test_every_link_leads_to_a_page_and_no_page_shows_a_secret(server: DebugServer) -> None:
    shop = ingress("shop", rule("a.test", path("/", "web"), path("/gone", "gone")), tls=[tls("a.test", secret="tls")])
    server.do(*password_objects(*FILES.values()), secret("tls"), shop)
    server.do(service("gone"))
    server.do(secret("tls", certificate("a.test", serial=2)))
    server.connect(Node("envoy-1"))
    port, found = free_port(), dict[str, str]()
    async with contextlib.AsyncExitStack() as stack:
        await start_page(UiOptions(HostPort("127.0.0.1", port)), server.answers, list, "127.0.0.1:1", stack)
        session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        wanted = ["/", "/explain?url=https://a.test/", "/explain?url=http://a.test/good", "/revisions/2"]
        while wanted:
            address = wanted.pop()
            async with session.get(yarl.URL(address, encoded=True)) as answer:
                assert answer.status == 200, address
                found[address] = await answer.text()
            links = map(html.unescape, re.findall(r'(?:href|src)="([^"#]+)"', found[address]))
            wanted += {each for each in links if each not in found and each not in wanted}
    assert len(found) > 30
    for address, text in found.items():
        for hidden in ("marker", "PRIVATE KEY"):
            assert hidden.lower() not in text.lower(), address
    assert "tls_certificate.certificate_chain" in found["/revisions/3"]


async def mark(stream: aiohttp.ClientResponse) -> bytes:
    async with asyncio.timeout(20):
        while not (line := await stream.content.readline()).startswith(b"data: "):
            assert line
    return line
