"""`xds serve` with a standard error that hangs, fails or is closed. The stream alone: tests/test_queued_stream.py."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane.test_app import INGRESS, get
from tests.support.envoy import free_port
from tests.support.waiting import WAIT_LIMIT_SECONDS


@dataclass
class Process:
    process: asyncio.subprocess.Process
    admin: str
    folder: Path

    async def until(self, path: str, condition: Callable[[int, str], bool]) -> None:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while True:
                with contextlib.suppress(OSError):
                    if condition(*await get(self.admin, path)):
                        return
                assert self.process.returncode is None
                await asyncio.sleep(0.01)

    async def works(self) -> None:
        """Readiness, a change, which is logged, and a goodbye."""
        await self.until("/readyz", lambda status, _: status == 200)
        for number in range(20):
            (self.folder / f"broken-{number}.yaml").write_text("kind: [")
        (self.folder / "web.yaml").write_text(INGRESS)
        await self.until("/metrics", lambda _, text: 'xds_ingress_resources{type="cds"} 1.0' in text)
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), WAIT_LIMIT_SECONDS) == 0

    async def until_dropped(self) -> None:
        await self.until("/metrics", lambda _, text: "xds_ingress_log_lines_dropped_total 0.0" not in text)


@contextlib.asynccontextmanager
async def serving(folder: Path, stderr: int | None, *shell: str, admin_port: int = 0) -> AsyncIterator[Process]:
    admin = f"127.0.0.1:{admin_port or free_port()}"
    command = [*shell, sys.executable, "-m", "xds", "serve", "--from", str(folder), "--listen", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(*command, "--admin", admin, "--ui", "off", stderr=stderr)
    try:
        yield Process(process, admin, folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that a few log lines fill."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_pipe_without_reading_stops_nothing(tmp_path: Path, pipe: tuple[int, int], blocking: bool) -> None:
    _, writer = pipe
    os.set_blocking(writer, blocking)
    async with serving(tmp_path, writer) as process:
        await process.works()


async def test_a_reader_that_goes_stops_nothing(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    async with serving(tmp_path, writer) as process:
        await process.until("/readyz", lambda status, _: status == 200)
        os.close(reader)
        (tmp_path / "broken.yaml").write_text("kind: [")
        await process.until_dropped()
        await process.works()


async def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    async with serving(tmp_path, full) as process:
        await process.until_dropped()
        await process.works()
    os.close(full)


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
async def test_closed_standard_streams_stop_nothing(tmp_path: Path, closed: str) -> None:
    async with serving(tmp_path, None, "sh", "-c", f'exec "$@" {closed}', "sh") as process:
        await process.works()


async def test_an_error_at_the_start_ends_a_process_whose_pipe_is_full(tmp_path: Path, pipe: tuple[int, int]) -> None:
    _, writer = pipe
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    os.set_blocking(writer, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with serving(tmp_path, writer, admin_port=taken.getsockname()[1]) as process:
            assert await asyncio.wait_for(process.process.wait(), WAIT_LIMIT_SECONDS) == 3
