"""The suite's own end: a run whose worker dies ends red, and within a minute, on this repository's configuration.

Each test runs pytest on a small project in a folder of its own.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LIMIT_SECONDS = 180
"""Much more than a minute: on a busy machine three processes take most of that to start."""

HANG = """
import ctypes, pytest

@pytest.mark.parametrize("number", range(8))
def test_before(number): pass

@pytest.mark.timeout(1)
def test_hangs_in_c():
    ctypes.CDLL(None).pause()

@pytest.mark.parametrize("number", range(8))
def test_after(number): pass
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in `folder`, with the options of this repository's pyproject.toml and its conftest.py.

    Raises:
        subprocess.TimeoutExpired: The run has not ended after LIMIT_SECONDS.
    """
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    lines = [f"timeout_method = {options['timeout_method']}", f"addopts = {' '.join(options['addopts'])}"]
    (folder / "pytest.ini").write_text("\n".join(["[pytest]", f"pythonpath = {ROOT}", *lines]))
    (folder / "conftest.py").symlink_to(ROOT / "tests" / "conftest.py")
    command = [sys.executable, "-m", "pytest", "--dist", "loadgroup", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)


@pytest.mark.timeout(LIMIT_SECONDS + 30)
def test_a_worker_that_dies_ends_the_run_red(tmp_path: Path) -> None:
    (tmp_path / "test_hang.py").write_text(HANG)
    done = run_pytest(tmp_path, "-n", "2")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "crashed while running 'test_hang.py::test_hangs_in_c'" in done.stdout
    assert "stopped" not in done.stdout


@pytest.mark.timeout(LIMIT_SECONDS + 30)
def test_a_run_that_waits_for_ever_after_a_dead_worker_is_stopped(tmp_path: Path) -> None:
    """By the stall limit, with pytest-xdist made to replace the worker, after which version 3.8 hangs."""
    (tmp_path / "test_hang.py").write_text(HANG)
    done = run_pytest(tmp_path, "-n", "1", "--max-worker-restart=4", "-o", "stall_seconds=3")
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    assert "the run has not ended 3 s after a worker died: stopped" in done.stdout
    assert "crashed while running 'test_hang.py::test_hangs_in_c'" in done.stdout
