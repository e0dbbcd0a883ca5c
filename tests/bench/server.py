"""The real `xds serve`, and the costs of a process."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.envoy import free_port

XDS: Final = Path(sys.executable).parent / "xds"

SETTLED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Running:
    """A running process, and its gRPC address."""

    process: asyncio.subprocess.Process
    listen: str

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, to the kernel's tick of 10 ms: proc_pid_stat(5)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def cpu_exact(self) -> float:
        """The same to the nanosecond, of the threads that still run: proc_schedstat(5)."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    @property
    def memory(self) -> float:
        """Resident megabytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def peak(self) -> float:
        """The largest resident size so far, in megabytes: VmHWM of proc_pid_status(5)."""
        [line] = [line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmHWM" in line]
        return int(line.split()[1]) * 1024 / 1e6

    async def settled(self) -> float:
        """Wait until the process is idle, except for a tick, for SETTLED seconds; then `cpu`. Limited to a minute."""
        for _ in range(int(60 / SETTLED)):
            before = self.cpu
            await asyncio.sleep(SETTLED)
            if self.cpu - before < 0.011:
                break
        return self.cpu


@dataclass(frozen=True, slots=True)
class Served(Running):
    """A running `xds serve`. `started`: the start of the process, in seconds of `time.monotonic`."""

    admin: str
    started: float

    async def ready(self) -> float:
        """Wait for /readyz, and return the seconds since the process was started."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://{self.admin}/readyz") as answer:
                        if answer.status == 200:
                            return time.monotonic() - self.started
                await asyncio.sleep(0.002)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.admin}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)


@contextlib.asynccontextmanager
async def served(folder: Path, *flags: str, listen: str = "", log: Path | None = None) -> AsyncIterator[Served]:
    """The server on a folder, with further flags, at the address `listen` or a free one."""
    async with serving("--from", str(folder), *flags, listen=listen, log=log) as server:
        yield server


@contextlib.asynccontextmanager
async def serving(
    *flags: str, listen: str = "", log: Path | None = None, checkout: Path | None = None
) -> AsyncIterator[Served]:
    """The server with any source, given by flags. Warnings go to the log, if given. `checkout`: of another version."""
    listen = listen or f"127.0.0.1:{free_port()}"
    admin = f"127.0.0.1:{free_port()}"
    where = ("--listen", listen, "--admin", admin, "--ui", "off", "--log-level", "warning" if log else "error")
    started = time.monotonic()
    with log.open("wb") if log else contextlib.nullcontext() as output:
        environment = {**os.environ, "PYTHONPATH": str(checkout)} if checkout else None
        process = await asyncio.create_subprocess_exec(
            XDS, "serve", *where, *flags, stdout=output, stderr=output, env=environment
        )
    try:
        yield Served(process, listen, admin, started)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def write(path: Path, text: str) -> None:
    """Write atomically: a new file replaces the old one."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".tmp")
    new.write_text(text)
    new.replace(path)
