"""A process of the control plane that tests start, stop, kill and pause, over and over."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

PATIENCE: Final = 60.0
"""Seconds for a part's start or end: 3 on an idle machine."""


class Part:
    """A process with the same command line at every start: the same ports, the same data. Bound to no event loop.

    Args:
        ready: Whether the part works; polled after a start.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, ready: Callable[[], Awaitable[bool]]) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None while the part does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Start the part if it does not run, and wait until it is ready.

        Raises:
            RuntimeError: The process ended, or didn't become ready.
        """
        self.spawn()
        await self.until_ready()

    def spawn(self) -> None:
        """Start the process without a wait."""
        if self.pid is None:
            # After a SIGKILL of the test process no other process could end this one.
            alone = ("setpriv", "--pdeathsig", "KILL", "--")
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*alone, *self._command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )

    async def until_ready(self) -> None:
        """Raises:
        RuntimeError: The process ended, or didn't become ready.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.pid is not None:
                    if await self._ready():
                        return
                    await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.name} isn't ready; the end of {self.log}:\n{self._tail()}")

    async def stop(self) -> None:
        """Send SIGTERM, and wait for the end."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Send SIGKILL, and wait for the end, after which the ports are free."""
        await self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Send SIGSTOP: connections stay open and silent."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT; no effect if the part isn't paused."""
        self._send(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> None:
        self._send(number)
        self.resume()
        async with asyncio.timeout(PATIENCE):
            while self.pid is not None:
                await asyncio.sleep(0.01)

    def _send(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]
