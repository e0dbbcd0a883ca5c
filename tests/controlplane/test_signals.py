"""Signals of `xds serve`, running and at its start, with and without a terminal."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.test_app import Serve, serving
from tests.support.waiting import WAIT_LIMIT_SECONDS, until

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def names(numbers: tuple[signal.Signals, ...]) -> list[str]:
    return [number.name for number in numbers]


@pytest.mark.parametrize("number", STOPPING, ids=names(STOPPING))
async def test_a_stopping_signal_ends_the_server_with_a_log_line(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path) as serve:
        code = await serve.stop(number)
        assert code == 0
    assert serve.logged("signal_received")["signal"] == number.name
    assert serve.has_logged("stopping")


async def test_other_signals_are_ignored_with_a_log_line_that_has_a_remedy(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        for number in IGNORED:
            serve.process.send_signal(number)
        await until(lambda: len(ignored(serve)) == len(IGNORED))
        assert sorted(ignored(serve)) == sorted(names(IGNORED))
        assert "restart the server to change flags" in serve.logged("signal_ignored")["remedy"]
        assert (await serve.get("/readyz"))[0] == 200
        assert await serve.stop() == 0


def ignored(serve: Serve) -> list[str]:
    return [line["signal"] for line in serve.logs if line["event"] == "signal_ignored"]


async def test_a_closed_terminal_stops_the_server_and_a_mere_signal_does_not(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "xds", "serve", "--from", str(tmp_path), "--log-format", "json"]
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ui", "off")
    # setsid makes the terminal the one that controls the process, so that closing it sends SIGHUP.
    process = await asyncio.create_subprocess_exec(
        "setsid", "--ctty", *command, *ports, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    await asyncio.to_thread(read_until, ours, b'"revision_committed"')
    process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(read_until, ours, b'"signal_ignored"')
    assert process.returncode is None
    os.close(ours)
    assert await asyncio.wait_for(process.wait(), WAIT_LIMIT_SECONDS) == 0


def read_until(descriptor: int, text: bytes) -> None:
    read = b""
    while text not in read:
        read += os.read(descriptor, 65536)


IN_A_CONTAINER = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


@pytest.mark.parametrize("number", STOPPING, ids=names(STOPPING))
def test_process_1_of_a_container_exits_with_0_from_its_first_moment_on(tmp_path: Path, number: signal.Signals) -> None:
    """The signal arrives before Python has started. The command before `serve` is the ENTRYPOINT of the image."""
    if subprocess.run([*IN_A_CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces: `sysctl kernel.unprivileged_userns_clone=1`")
    entrypoint = ["env", "--block-signal=TERM,INT,QUIT", sys.executable, "-m", "xds"]
    process = subprocess.Popen([*IN_A_CONTAINER, *entrypoint, "serve", "--from", str(tmp_path)], stderr=subprocess.PIPE)
    while not (inner := child(process.pid)) or not blocks(inner, signal.SIGQUIT):
        assert process.poll() is None
    os.kill(inner, number)
    _, errors = process.communicate(timeout=WAIT_LIMIT_SECONDS)
    assert (process.returncode, errors) == (0, b"")


def child(pid: int) -> int:
    """The one child of the process; 0: none yet."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text() or 0)


def blocks(pid: int, number: signal.Signals) -> bool:
    """Whether the process blocks the signal. Source: SigBlk in proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), 16)
    return bool(blocked >> (number - 1) & 1)
