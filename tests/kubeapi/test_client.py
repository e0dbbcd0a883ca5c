"""The HTTP client of an API server: its connections, on real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.relay import Relay, relay_to
from xds.kubeapi.client import ApiClient
from xds.kubeapi.interface import ApiUnavailable
from xds.kubeapi.kubeconfig import Access

IDLE_CONNECTIONS = 3


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """Leads to a server that answers each GET request with `{}`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.01)  # so that requests at the same time need connections of their own
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with relay_to(f"{host}:{port}") as relay:
        yield relay
    server.close()


@pytest.fixture
async def client(relay: Relay, tmp_path: Path) -> AsyncIterator[ApiClient]:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://{relay.address}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    client = await ApiClient.create(Access(tmp_path / "kubeconfig"))
    yield client
    await client.close()


async def fill(client: ApiClient) -> None:
    """Leave several idle connections behind."""
    await asyncio.gather(*(client.request("GET", "/api") for _ in range(IDLE_CONNECTIONS)))


async def test_a_write_that_times_out_closes_all_idle_connections(client: ApiClient, relay: Relay) -> None:
    await fill(client)
    relay.freeze()
    with pytest.raises(ApiUnavailable, match="no answer in time"):
        await client.request("GET", "/api", timeout=0.1)
    assert await client.request("GET", "/api") == (200, {})


async def test_a_read_that_times_out_closes_all_idle_connections(client: ApiClient, relay: Relay) -> None:
    await fill(client)
    relay.freeze()
    with pytest.raises(ApiUnavailable, match="no answer in time"):
        async with client.get("/api", {}, timeout=aiohttp.ClientTimeout(total=0.1)):
            pass
    async with client.get("/api", {}, timeout=aiohttp.ClientTimeout(total=30)) as response:
        assert await response.read() == b"{}"


async def test_a_request_may_demand_a_new_connection(client: ApiClient, relay: Relay) -> None:
    await fill(client)
    relay.freeze()
    async with client.get("/api", {}, timeout=aiohttp.ClientTimeout(total=30), new_connection=True) as response:
        assert await response.read() == b"{}"
