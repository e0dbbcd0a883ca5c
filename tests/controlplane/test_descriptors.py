"""The limit of file descriptors of `xds serve`: raised at the start, and a reserve that proxies can't take."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.test_app import INGRESS, Serve, serving
from tests.support.ads_client import LDS
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.address import HostPort, parse
from xds.controlplane import descriptors
from xds.protocol.messages import Variant

PROXIES = 300


@contextlib.contextmanager
def limits(soft: int, hard: int) -> Iterator[None]:
    """Limits for the processes of asyncio that start now."""
    create = asyncio.create_subprocess_exec
    with pytest.MonkeyPatch.context() as patch:
        command = ("prlimit", f"--nofile={soft}:{hard}")
        patch.setattr(asyncio, "create_subprocess_exec", lambda *args, **kwargs: create(*command, *args, **kwargs))
        yield


async def connections(serve: Serve, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = parse(serve.address)
    assert isinstance(address, HostPort)
    return [await asyncio.open_connection(address.host, address.port) for _ in range(count)]


async def is_served(reader: asyncio.StreamReader) -> bool:
    """Whether the server greets the connection: with HTTP/2's SETTINGS, of 9 bytes and more."""
    try:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            return len(await reader.read(9)) == 9
    except ConnectionError:
        return False


async def test_a_soft_limit_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    with limits(64, 2000):
        async with serving(tmp_path) as serve:
            opened = await connections(serve, PROXIES)
            assert all([await is_served(reader) for reader, _ in opened])
            assert await serve.metric("xds_ingress_process_max_fds") == 2000
            assert await serve.metric("xds_ingress_process_open_fds") > PROXIES
            for _, writer in opened:
                writer.close()
    assert not serve.has_logged("descriptors_scarce")


async def test_proxies_leave_descriptors_for_probes_and_files(tmp_path: Path) -> None:
    with limits(64, 64):
        async with serving(tmp_path) as serve:
            opened = await connections(serve, PROXIES)
            served = [await is_served(reader) for reader, _ in opened]
            assert sum(served) == descriptors.max_connections(64)
            await until(lambda: serve.has_logged("descriptors_scarce"))
            for _ in range(20):
                assert (await serve.get("/readyz"))[0] == 200
            (tmp_path / "web.yaml").write_text(INGRESS)
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                while await serve.metric('xds_ingress_resources{type="cds"}') == 0:
                    await asyncio.sleep(0.01)
            for _, writer in opened:
                writer.close()
            await until(lambda: serve.has_logged("descriptors_available"))
            client = serve.client(Variant.DELTA)
            await client.subscribe(LDS)
            await client.accept(LDS, "http")
            assert await serve.stop() == 0
    assert [line["event"] for line in serve.logs].count("descriptors_scarce") == 1


def test_the_reserve_is_half_of_a_small_limit() -> None:
    assert [descriptors.max_connections(limit) for limit in (64, 256, 1024)] == [32, 128, 896]
