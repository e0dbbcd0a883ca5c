"""A limit for a run of pytest-xdist that cannot finish.

pytest-timeout bounds a test, and ends the worker's process where a test hangs in C. pytest-xdist 3.8 may then wait for
ever under `--dist loadgroup`: https://github.com/pytest-dev/pytest-xdist/issues/1323, /1327 and /1378. So pytest's
section of pyproject.toml has `--max-worker-restart=0`, which shuts the run down at the first dead worker, and this
plugin ends a run whose shutdown hangs too, or in which no test runs any more.
"""

import _thread
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

STALL_SECONDS: Final = 40.0
"""Default of the ini option `stall_seconds`: from the death of a worker, or from the end of the last running test, to
the end of the run.
"""

TEARDOWN_SECONDS: Final = 15.0
"""For an interrupted controller to stop its workers (pytest-xdist waits 10 s for them) and to print its summary."""


class StalledRun:
    """Plugin of the controller. The limit does not apply before the first test starts.

    Args:
        write_line: Prints the reason.
        stall_seconds: The ini option.
    """

    def __init__(self, write_line: Callable[[str], None], stall_seconds: float) -> None:
        self._write_line = write_line
        self._stall_seconds = stall_seconds
        self._running: set[str] = set()
        self._deadline = float("inf")
        self._worker_died = False
        self._finished = threading.Event()

    def pytest_sessionstart(self) -> None:
        threading.Thread(target=self._watch, name="stalled-run", daemon=True).start()

    def pytest_unconfigure(self) -> None:
        self._finished.set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running.add(nodeid)
        if not self._worker_died:
            self._deadline = float("inf")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.discard(nodeid)
        if not self._running and not self._worker_died:
            self._deadline = time.monotonic() + self._stall_seconds

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: Any) -> None:
        if error and not self._worker_died:
            self._worker_died = True
            self._deadline = time.monotonic() + self._stall_seconds

    def _watch(self) -> None:
        while time.monotonic() < self._deadline:
            if self._finished.wait(0.5):
                return
        reason = "a worker died" if self._worker_died else "no test is running"
        self._write_line(f"\nthe run has not ended {self._stall_seconds:.0f} s after {reason}: stopped\n")
        _thread.interrupt_main()
        if not self._finished.wait(TEARDOWN_SECONDS):
            os._exit(pytest.ExitCode.INTERRUPTED)
