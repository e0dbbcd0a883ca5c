"""A process of the control plane that can be started, stopped, killed and held up, over and over."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

PATIENCE: Final = 60.0
"""Seconds for which a part may start or stop: it takes 3 where nothing else runs."""


class Part:
    """Every start is of the same command line: the same ports, the same data. It is bound to no event loop.

    Args:
        ready: Whether it works; it is asked again and again after a start.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, ready: Callable[[], Awaitable[bool]]) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None if it doesn't run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Until it is ready; nothing if it runs.

        Raises:
            RuntimeError: it ended, or didn't become ready.
        """
        self.spawn()
        await self.until_ready()

    def spawn(self) -> None:
        """Start it, and don't wait."""
        if self.pid is None:
            # Nobody could end it after a SIGKILL of the test process.
            alone = ("setpriv", "--pdeathsig", "KILL", "--")
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*alone, *self._command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )

    async def until_ready(self) -> None:
        """
        Raises:
            RuntimeError: it ended, or didn't become ready.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.pid is not None:
                    if await self._ready():
                        return
                    await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.name} isn't ready; the end of {self.log}:\n{self._tail()}")

    async def stop(self) -> None:
        """By SIGTERM, and until it has ended."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """By SIGKILL, and until it has ended. What it held of ports is free then."""
        await self._end(signal.SIGKILL)

    def pause(self) -> None:
        """By SIGSTOP: its connections stay, and nothing is said on them."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """By SIGCONT; nothing if it isn't paused."""
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
