"""As a program, runs `xds` as on macOS, as far as Linux can: without the names that Python lacks there.

Usage: python -m tests.support.macos ARGUMENT...; the exit code is that of `xds`. A stand-in: the kernel, Envoy and the
packages are still those of Linux.
"""

import os
import select
import signal
import socket
import sys
import time
import zoneinfo  # noqa: F401
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import aiohttp.web  # noqa: F401 - first, as packages choose their ways by the platform
import grpc.aio  # noqa: F401
import prometheus_client  # noqa: F401
import uvloop  # noqa: F401
import watchfiles  # noqa: F401

MISSING: Final[dict[ModuleType, tuple[str, ...]]] = {
    os: (
        "sched_getaffinity",
        "sched_setaffinity",
        "pipe2",
        "memfd_create",
        "eventfd",
        "O_PATH",
        "O_TMPFILE",
        "O_DIRECT",
    ),
    select: ("epoll",),
    signal: ("SIGPWR", "SIGRTMIN", "sigtimedwait", "pidfd_send_signal"),
    socket: ("TCP_KEEPIDLE", "TCP_USER_TIMEOUT", "SO_PEERCRED", "SO_BINDTODEVICE", "TCP_QUICKACK", "TCP_DEFER_ACCEPT"),
    time: ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC_COARSE"),
}
"""Source: the "Availability" notes of https://docs.python.org/3/library"""

_open = Path.open


def pretend() -> None:
    """Make this process as one on macOS."""
    for module, names in MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = "darwin"
    Path.open = _without_proc  # type: ignore[method-assign]


def _without_proc(self: Path, *arguments: Any, **named: Any) -> Any:
    if str(self).startswith("/proc"):
        raise FileNotFoundError(self)
    return _open(self, *arguments, **named)


def main() -> NoReturn:
    pretend()
    from xds.__main__ import main as xds  # noqa: PLC0415 - after the names have gone

    sys.argv[0] = "xds"
    sys.exit(xds())


if __name__ == "__main__":
    main()
