"""The page within the control plane: its address, and the state of proxies as a reason to refresh.

Excludes the pages (tests/ui) and the browser (tests/browser).
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.debug_server import DebugServer, figures
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
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    async with contextlib.AsyncExitStack() as stack:
        options = UiOptions(HostPort("127.0.0.1", port))
        await start_page(options, server.answers, lambda: map(figures, server.proxies), "127.0.0.1:1", stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stream = await stack.enter_async_context(session.get(f"http://127.0.0.1:{port}/events"))
        first = await mark(stream)
        server.connect(Node("envoy-1"))
        assert await mark(stream) != first


async def mark(stream: aiohttp.ClientResponse) -> bytes:
    async with asyncio.timeout(20):
        while not (line := await stream.content.readline()).startswith(b"data: "):
            assert line
    return line
