"""Worker processes for slow hashes. Python computes some of them, so threads would hold up the event loop."""

import asyncio
import contextlib
import sys
from typing import Final

from xds.authz import worker

KNOWN_HASH: Final = b"$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm"
"""Of KNOWN_PASSWORD, for the test of `Workers.try_out`. Source: test vectors of the library bcrypt."""

KNOWN_PASSWORD: Final = b"Kk4DQuMMfZL9o"


class WorkerError(Exception):
    """A hash could not be computed."""


class Workers:
    """Processes, each started when the others are busy, and kept. The caller bounds their number."""

    def __init__(self) -> None:
        self._idle: list[asyncio.subprocess.Process] = []
        self._all: set[asyncio.subprocess.Process] = set()

    async def matches(self, hash_: bytes, password: bytes, seconds: float) -> bool:
        """Whether a password has a hash.

        Args:
            hash_: A hash that `hashes.slow_kind` knows.
            password: The password.
            seconds: Longest time. A worker that takes longer is killed.

        Raises:
            WorkerError: the worker ended, or could not be started.
            TimeoutError: the hash takes longer.
        """
        process: asyncio.subprocess.Process | None = None
        try:
            async with asyncio.timeout(seconds):
                process = await self._take()
                answer = await _ask(process, worker.question(hash_, password))
        except (OSError, EOFError) as error:
            self._discard(process)
            if isinstance(error, TimeoutError):
                raise
            raise WorkerError(f"a worker process failed: {type(error).__name__}") from None
        except BaseException:
            self._discard(process)
            raise
        self._idle.append(process)
        if answer == worker.FAILED:
            raise WorkerError("a worker process can't compute a hash")
        return answer == worker.RIGHT

    async def try_out(self, seconds: float) -> None:
        """Start a worker, and compute a known hash.

        Raises:
            WorkerError: the result is wrong, or as in `matches`.
        """
        try:
            if await self.matches(KNOWN_HASH, KNOWN_PASSWORD, seconds):
                return
        except TimeoutError:
            raise WorkerError(f"a worker process didn't answer within {seconds:.0f} s") from None
        raise WorkerError("a worker process computes hashes wrongly")

    async def stop(self) -> None:
        """End every worker."""
        for each in self._all:
            self._discard(each)
        for each in self._all:
            await each.wait()
            if each.stdin is not None:
                with contextlib.suppress(OSError):
                    await each.stdin.wait_closed()

    async def _take(self) -> asyncio.subprocess.Process:
        while self._idle:
            if (process := self._idle.pop()).returncode is None:
                return process
        self._all = {each for each in self._all if each.returncode is None}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", worker.__name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._all.add(process)
        return process

    @staticmethod
    def _discard(process: asyncio.subprocess.Process | None) -> None:
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()


async def _ask(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise BrokenPipeError
    process.stdin.write(question)
    await process.stdin.drain()
    return await process.stdout.readexactly(1)
