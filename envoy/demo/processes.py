"""The processes of the demo, each with its own process group and log. All are stopped at the end."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from waiting import first

BINARIES = Path(sys.executable).parent
"""The folder of the virtual environment. Not resolved: `python` there is a link to another folder."""

STOP_TIMEOUT_SECONDS = 10.0
"""Time for a process to end after SIGTERM."""

COMMAND_TIMEOUT_SECONDS = 20.0

LOG_TAIL_LINES = 15
"""Lines of a log in an error message."""


class DemoError(Exception):
    """The demo can't go on. The message names the place to look at."""


def environment() -> dict[str, str]:
    """The environment without variables that are flags of `xds`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("XDS_")}


def shown(command: Sequence[str | Path]) -> str:
    """The command line to type in the working directory of the demo."""
    program = Path(command[0])
    with suppress(ValueError):
        program = program.relative_to(Path.cwd())
    return shlex.join([str(program), *map(str, command[1:])])


class Child:
    """A process for the lifetime of the demo."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def died(self) -> NoReturn:
        """Wait for the end of the process.

        Raises:
            DemoError: the process has ended; with the end of its log.
        """
        code = await self._process.wait()
        raise DemoError(f"{self.name} {_ending(code)}; the end of {self.log}:\n{self.tail()}")

    async def stop(self) -> None:
        """Ends the whole process group, by force after STOP_TIMEOUT_SECONDS.

        Raises:
            DemoError: it took force, or it ended with an error.
        """
        if not self.running:
            return
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_SECONDS)
        stubborn = self.running
        self._signal(signal.SIGKILL)
        code = await self._process.wait()
        if stubborn:
            raise DemoError(f"{self.name} did not end within {STOP_TIMEOUT_SECONDS:.0f} s of SIGTERM")
        if code:
            raise DemoError(f"{self.name} {_ending(code)} when it was told to stop")

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:]) or "    (it is empty)"

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the latter on macOS, for a group that has ended
            os.killpg(self._process.pid, number)


def _ending(code: int) -> str:
    return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def _check(program: str | Path) -> None:
    if not Path(program).exists():
        raise DemoError(f"{program} is missing; `make venv` installs it")


class Children:
    """The processes, stopped in reverse order when the context manager exits."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    async def __aenter__(self) -> "Children":
        return self

    async def __aexit__(self, *_: object) -> None:
        errors = []
        for child in reversed(self._children):
            try:
                await child.stop()
            except DemoError as error:
                errors.append(error)
        if errors:
            raise DemoError("; ".join(map(str, errors)))

    async def start(self, name: str, *command: str | Path, output: str = "") -> Child:
        """Start a process. Standard error goes to the log, and standard output to the log or to the file `output`.

        Raises:
            DemoError: the program is missing.
        """
        _check(command[0])
        log = self._logs / f"{name}.log"
        with log.open("ab") as errors, (self._logs / output if output else log).open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=environment(),
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def first_death(self) -> NoReturn:
        """Wait for the end of any process.

        Raises:
            DemoError: a process has ended.
        """
        await first(*(child.died() for child in self._children))


async def run(command: Sequence[str | Path], columns: int) -> tuple[int, str, str]:
    """Run a command to its end. Returns exit code, standard output and standard error.

    Raises:
        DemoError: the command takes longer than COMMAND_TIMEOUT_SECONDS, or the program is missing.
    """
    _check(command[0])
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(), "COLUMNS": str(columns)},
        start_new_session=True,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_SECONDS)
    except TimeoutError:
        raise DemoError(f"{shown(command)} did not end within {COMMAND_TIMEOUT_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode(errors="replace"), errors.decode(errors="replace")
