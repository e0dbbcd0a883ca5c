"""`make demo` as a process."""

import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]

DEMO_LIMIT_SECONDS: Final = 200
"""Until a wait for the demo fails."""

STAYS_UP: Final = "Ctrl-C stops everything"
"""Printed after the tour."""

SWITCHES: Final = {"DEMO_ONCE", "DEMO_TLS", "DEMO_MONITORING", "DEMO_MACOS"}
"""Environment variables of the demo, which a test sets by itself."""

MARK: Final = "DEMO_TEST_MARK"
"""An environment variable whose value marks all processes of a demo."""


class Demo:
    """A demo as a process. `folder` holds its temporary files and its output."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._mark = uuid.uuid4().hex
        self._output = folder / "output.txt"
        self.temporary = folder / "with a space"
        self.temporary.mkdir()
        own = {"TMPDIR": str(self.temporary), MARK: self._mark, "XDS_LISTEN": "nonsense", **environment}
        inherited = {name: value for name, value in os.environ.items() if name not in SWITCHES}
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

    @property
    def server(self) -> str:
        """The address of the control plane."""
        [found] = re.findall(r"xds serve .* --listen (\S+)", self.output)
        return str(found)

    @property
    def http(self) -> str:
        """The URL of the Envoys' HTTP port."""
        [port] = re.findall(r"xds serve .* --http-port (\d+)", self.output)
        return f"http://127.0.0.1:{port}"

    @property
    def manifests(self) -> Path:
        """The folder of the control plane."""
        [found] = re.findall(r"Manifests, watched for changes: (.*)", self.output)
        return Path(found)

    def wait_for(self, text: str) -> None:
        """Wait until the demo has printed the text."""
        deadline = time.monotonic() + DEMO_LIMIT_SECONDS
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def processes(self) -> dict[int, str]:
        """Command lines of the running processes of the demo by process id, itself included."""
        mark = f"{MARK}={self._mark}".encode()
        found = {int(process.name): _command(process, mark) for process in Path("/proc").glob("[0-9]*")}
        return {pid: command for pid, command in found.items() if command}


def _command(process: Path, mark: bytes) -> str:
    """Empty if the process isn't marked, or isn't there any more (or never was ours to look at)."""
    try:
        if mark not in (process / "environ").read_bytes().split(b"\0"):
            return ""
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
