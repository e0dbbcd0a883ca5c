"""`make demo` from outside: its exit code, and no processes or files left behind.

Excluded: the tour's own output, which the tour checks: it fails if a step fails.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 90
STAYS_UP = "Ctrl-C stops everything"
MARK = "DEMO_TEST_MARK"
"""An environment variable whose value marks all processes of a demo."""

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="two Envoys share a port by SO_REUSEPORT: needs Linux"),
    needs_envoy,
]


class Demo:
    """A demo as a process. `folder` holds its temporary files and its output."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._mark = uuid.uuid4().hex
        self._output = folder / "output.txt"
        self.temporary = folder / "with a space"
        self.temporary.mkdir()
        own = {"TMPDIR": str(self.temporary), MARK: self._mark, "XDS_LISTEN": "nonsense", **environment}
        inherited = {name: value for name, value in os.environ.items() if name not in {"DEMO_ONCE", "DEMO_TLS"}}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "envoy/demo"],
                cwd=REPOSITORY,
                env={**inherited, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Wait until the demo has printed the text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Command lines of the running processes of the demo by process id, itself included."""
        mark = f"{MARK}={self._mark}".encode()
        found = {int(process.name): _command(process, mark) for process in Path("/proc").glob("[0-9]*")}
        return {pid: command for pid, command in found.items() if command}

    def suggestions(self) -> list[str]:
        """The commands to try, without endless ones, and without curl's where there is no curl."""
        invitation = self.output.partition("Things to try")[2].splitlines()
        commands = [line.strip().removeprefix("$ ") for line in invitation if line.startswith("     $ ")]
        left_out = ("tail -f", "snapshot watch", *([] if shutil.which("curl") else ["curl"]))
        return [command for command in commands if not any(each in command for each in left_out)]

    def assert_nothing_is_left(self) -> None:
        assert self.processes() == {}
        assert list(self.temporary.iterdir()) == []


def _command(process: Path, mark: bytes) -> str:
    """Empty if the process isn't marked, or isn't there any more (or never was ours to look at)."""
    try:
        if mark not in (process / "environ").read_bytes().split(b"\0"):
            return ""
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(30)


@pytest.mark.parametrize("tls", ["", "1"], ids=["plaintext", "tls"])
def test_the_tour_succeeds_and_leaves_no_processes(tmp_path: Path, demos: list[Demo], tls: str) -> None:
    demos.append(demo := Demo(tmp_path, DEMO_ONCE="1", DEMO_TLS=tls))

    assert demo.process.wait(PATIENCE) == 0, demo.output

    demo.assert_nothing_is_left()
    assert "FAILED" not in demo.output
    assert ("--tls-ca" in demo.output) == bool(tls)


def test_the_suggested_commands_work(tmp_path: Path, demos: list[Demo]) -> None:
    demos.append(demo := Demo(tmp_path))
    demo.wait_for(STAYS_UP)

    for command in demo.suggestions():
        tried = subprocess.run(command, check=False, shell=True, cwd=REPOSITORY, capture_output=True, text=True)
        assert tried.returncode == 0, (command, tried.stdout, tried.stderr)
        assert "no healthy upstream" not in tried.stdout, command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_demo_stays_up_until_ctrl_c(tmp_path: Path, demos: list[Demo], number: signal.Signals) -> None:
    demos.append(demo := Demo(tmp_path))
    demo.wait_for(STAYS_UP)
    assert len(demo.processes()) >= 4, "the demo, the control plane, two Envoys"

    demo.process.send_signal(number)

    assert demo.process.wait(30) == 0, demo.output
    demo.assert_nothing_is_left()


def test_a_signal_during_the_tour_leaves_no_processes(tmp_path: Path, demos: list[Demo]) -> None:
    demos.append(demo := Demo(tmp_path, DEMO_ONCE="1"))
    demo.wait_for("Host and path rules")

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(30) == 128 + signal.SIGINT, demo.output
    demo.assert_nothing_is_left()


def test_a_dead_envoy_ends_the_demo_with_its_log(tmp_path: Path, demos: list[Demo]) -> None:
    demos.append(demo := Demo(tmp_path))
    demo.wait_for(STAYS_UP)

    os.kill(next(pid for pid, command in demo.processes().items() if "envoy-2.yaml" in command), signal.SIGKILL)

    assert demo.process.wait(30) == 1, demo.output
    assert "envoy-2 was ended by SIGKILL" in demo.output
    assert demo.processes() == {}
