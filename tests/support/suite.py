"""`python -m tests.support.suite GROUP...`: run groups of the tests, and print the seconds of each.

The tests of a group are of one cost. `make quick` runs `quick`, `make test` every group. Further tests that take
minutes get a marker and a line in GROUPS, and `quick` leaves the marker out.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.support import envoy_versions

NETNS: Final = Path(__file__).parent / "cluster" / "netns"
NODE_NETWORK: Final = Path(__file__).parent / "node" / "network"

INTERRUPT_SECONDS: Final = 30
"""For pytest to end its workers and print its summary after the limit."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tests of one cost.

    Attributes:
        arguments: Of pytest.
        inside: A command that runs another one in namespaces of its own.
        variables: Environment variables of pytest.
        limit_seconds: Until a run is interrupted, and counts as failed; many times the seconds on an idle machine.
    """

    arguments: tuple[str, ...]
    limit_seconds: float
    inside: Path = NETNS
    variables: Mapping[str, str] = field(default_factory=dict)


def _modules(marker: str) -> list[str]:
    """The test modules that name a marker. To collect every module takes as long as these groups run."""
    tests = Path(__file__).parents[1]
    named = (each for each in tests.rglob("test_*.py") if f"mark.{marker}" in each.read_text(encoding="utf-8"))
    return sorted(str(each.relative_to(tests.parent)) for each in named)


_ALONE: Final = ("cluster", "rows", "chart", "conformance")
"""Folders with a group of their own."""

_PARALLEL: Final = ("-n", "auto", "--dist", "loadgroup", *(f"--ignore=tests/{each}" for each in _ALONE))

# Measured in November 2026 on two idle cores: quick takes 644 s of processor in 374 s, where 5 minutes are promised;
# envoy 560 s, browser 205 s, monitoring 105 s, cases 43 s, release 120 s, rows 217 s, cluster 545 s, chart 295 s,
# conformance 130 s.
GROUPS: Final[dict[str, Group]] = {
    "quick": Group((*_PARALLEL, "-m", "not envoy and not browser and not monitoring and not release"), 1800),
    "envoy": Group((*_PARALLEL, "--ignore=tests/cases", "-m", "envoy and not browser and not monitoring"), 1800),
    "browser": Group((*_PARALLEL, "-m", "browser", "tests/browser"), 900),
    "monitoring": Group((*_PARALLEL, "-m", "monitoring", *_modules("monitoring")), 900),
    "cases": Group((*_PARALLEL, "tests/cases", "-m", "envoy"), 900),
    # With the machine's network, for packages of the index.
    "release": Group(("tests/release", "-m", "release"), 1800, Path("/usr/bin/env")),
    # Not parallel: every batch of cases has the ports 80 and 443.
    "rows": Group(("tests/rows",), 1800, Path(__file__).parents[1] / "rows" / "namespaces"),
    # Not parallel: these tests stop and kill parts of a control plane that parallel tests would share.
    "cluster": Group(("tests/cluster",), 2400),
    # Not parallel: one API server, and every Pod has a network of its own.
    "chart": Group(("tests/chart",), 2400, NODE_NETWORK),
    # Not parallel: one run of a suite that has its own parallel tests.
    "conformance": Group(("tests/conformance",), 2400, NODE_NETWORK),
}
GROUPS.update(
    (f"envoy-{release}", replace(GROUPS["envoy"], variables={"XDS_TEST_ENVOY": str(envoy_versions.binary(release))}))
    for release in envoy_versions.others()
)


def run(group: Group) -> int:
    """pytest's exit code; not 0 either if the limit passes."""
    command = [str(group.inside), sys.executable, "-m", "pytest", *group.arguments]
    print("$", *command[1:], flush=True)
    with subprocess.Popen(command, env={**os.environ, **group.variables}) as process:
        try:
            return process.wait(group.limit_seconds)
        except subprocess.TimeoutExpired:
            print(f"\nnot finished after {group.limit_seconds:.0f} s: interrupted", flush=True)
            process.send_signal(signal.SIGINT)
        try:
            process.wait(INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() or 1


def _processor_seconds() -> float:
    """Of all ended child processes, with theirs: on a busy machine a better measure than the time of the run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(names: list[str]) -> int:
    rows, failed = [], False
    for name in names:
        began, processor = time.monotonic(), _processor_seconds()
        code = run(GROUPS[name])
        seconds, processor = time.monotonic() - began, _processor_seconds() - processor
        failed |= code != 0
        result = "passed" if code == 0 else f"failed: exit code {code}"
        rows.append(f"{name:8} {seconds:5.0f} s  ({processor:.0f} s of processor)  {result}")
    print("\n".join(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(GROUPS)))
