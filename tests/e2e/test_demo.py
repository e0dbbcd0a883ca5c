"""`make demo` from outside: its exit code, and no processes or files left behind.

Excluded: the tour's own output, which the tour checks: it fails if a step fails.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo import DEMO_LIMIT_SECONDS, REPOSITORY, STAYS_UP, Demo
from tests.support.envoy import needs_envoy

pytestmark = [
    pytest.mark.timeout(300),
    needs_envoy,
]


def suggestions(demo: Demo) -> list[str]:
    """The commands to try, without endless ones, and without curl's where there is no curl."""
    invitation = demo.output.partition("Things to try")[2].splitlines()
    commands = [line.strip().removeprefix("$ ") for line in invitation if line.startswith("     $ ")]
    left_out = ("tail -f", "snapshot watch", *([] if shutil.which("curl") else ["curl"]))
    return [command for command in commands if not any(each in command for each in left_out)]


def assert_nothing_is_left(demo: Demo) -> None:
    assert demo.processes() == {}
    assert list(demo.temporary.iterdir()) == []


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.stop()


@pytest.mark.parametrize("macos", ["", "1"], ids=["shared ports", "own ports"])
@pytest.mark.parametrize("tls", ["", "1"], ids=["plaintext", "tls"])
def test_the_tour_succeeds_and_leaves_no_processes(tmp_path: Path, demos: list[Demo], tls: str, macos: str) -> None:
    demos.append(demo := Demo(tmp_path, DEMO_ONCE="1", DEMO_TLS=tls, DEMO_MACOS=macos))

    assert demo.process.wait(DEMO_LIMIT_SECONDS) == 0, demo.output

    assert_nothing_is_left(demo)
    assert "FAILED" not in demo.output
    assert ("--tls-ca" in demo.output) == bool(tls)
    assert len(set(re.findall(r"xds serve .* --http-port (\d+)", demo.output))) == (2 if macos else 1)


@pytest.mark.parametrize("macos", ["", "1"], ids=["shared ports", "own ports"])
def test_the_suggested_commands_work(tmp_path: Path, demos: list[Demo], macos: str) -> None:
    demos.append(demo := Demo(tmp_path, DEMO_MACOS=macos))
    demo.wait_for(STAYS_UP)

    for command in suggestions(demo):
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
    assert_nothing_is_left(demo)


def test_a_signal_during_the_tour_leaves_no_processes(tmp_path: Path, demos: list[Demo]) -> None:
    demos.append(demo := Demo(tmp_path, DEMO_ONCE="1"))
    demo.wait_for("Host and path rules")

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(30) == 128 + signal.SIGINT, demo.output
    assert_nothing_is_left(demo)


def test_a_dead_envoy_ends_the_demo_with_its_log(tmp_path: Path, demos: list[Demo]) -> None:
    demos.append(demo := Demo(tmp_path))
    demo.wait_for(STAYS_UP)

    os.kill(next(pid for pid, command in demo.processes().items() if "envoy-2.yaml" in command), signal.SIGKILL)

    assert demo.process.wait(30) == 1, demo.output
    assert "envoy-2 was ended by SIGKILL" in demo.output
    assert demo.processes() == {}


def test_without_prometheus_the_demo_names_the_command_that_fetches_it(tmp_path: Path, demos: list[Demo]) -> None:
    nothing = str(tmp_path / "nothing")
    demos.append(demo := Demo(tmp_path, DEMO_MONITORING="1", XDS_TEST_DEBIAN=nothing, PATH=nothing))

    assert demo.process.wait(30) == 1

    [line] = demo.output.splitlines()
    assert "prometheus and prometheus-alertmanager not found: `make tools`" in line
    assert_nothing_is_left(demo)
