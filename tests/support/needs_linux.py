"""Tests that need Linux, each with the reason: elsewhere they are skipped."""

import sys
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).resolve().parents[1]

_LOOPBACK: Final = "backends listen on further addresses of 127.0.0.0/8, which are this machine's on Linux alone"
_NAMESPACE: Final = "the addresses of Pods are those of a network namespace"

NEEDS_LINUX: Final = {
    "e2e": _LOOPBACK,
    "features": _LOOPBACK,
    "cases": _LOOPBACK,
    "rows": _LOOPBACK,
    "bench": "the figures are those of /proc",
    "cluster": _NAMESPACE,
    "chart": _NAMESPACE,
    "monitoring": "Prometheus and its companions come from Debian's packages",
    "browser": "Chromium comes from Debian's packages",
    "authz/test_authz_process.py": "processes are looked at in /proc, and a socket has an abstract name",
    "cli/test_process.py": "processes are looked at in /proc",
    "controlplane/test_app.py": "a socket has an abstract name",
    "controlplane/test_signals.py": "processes are looked at in /proc",
    "process/test_bind_failure.py": "setpriv takes a right away",
    "sources/folder/test_source.py": "the kernel's inotify is limited by /proc/sys",
    "test_macos.py": "macOS is imitated on Linux",
}
"""Folders and files of tests."""


def reason(path: Path) -> str:
    """Why the tests of a file need Linux; empty for those that don't."""
    if not path.is_relative_to(TESTS):
        return ""
    name = path.relative_to(TESTS).as_posix()
    return NEEDS_LINUX.get(name) or NEEDS_LINUX.get(name.partition("/")[0], "")


def skip_elsewhere(items: list[pytest.Item]) -> None:
    if sys.platform != "linux":
        for item in items:
            if why := reason(item.path):
                item.add_marker(pytest.mark.skip(reason=f"needs Linux: {why}"))
