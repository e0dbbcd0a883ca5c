"""File descriptors: the limit of the process, and a reserve that proxies can't take."""

import asyncio
import contextlib
import os
import resource
from typing import Final

import structlog

MAX_DESCRIPTORS: Final = 1_048_576
"""The limit to ask for where the hard one is higher or infinite. Linux' own maximum by default (fs.nr_open)."""

MACOS_DESCRIPTORS: Final = 10_240
"""OPEN_MAX, the limit that setrlimit takes on macOS whatever kern.maxfilesperproc is (man 2 setrlimit)."""

RESERVED_DESCRIPTORS: Final = 128
"""Kept from gRPC connections for probes, files and the API server; half of a limit that is less than twice as high."""

CHECK_SECONDS: Final = 5.0

REMEDY: Final = (
    "raise the hard limit of open files (LimitNOFILE= of systemd, --ulimit nofile= of Docker), or add a replica"
)

_log = structlog.get_logger()


def raise_limit() -> int:
    """Raise the soft limit to the hard one, and return it. Shells and systemd set 1,024, for programs with select().

    On macOS the shell sets 256, and the kernel takes less than a hard limit that is infinite.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (min(_finite(hard), MAX_DESCRIPTORS), min(_finite(hard), MACOS_DESCRIPTORS)):
        if _finite(soft) < wanted:
            with contextlib.suppress(OSError, ValueError):  # a sandbox forbids it
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
    return min(_finite(resource.getrlimit(resource.RLIMIT_NOFILE)[0]), MAX_DESCRIPTORS)


def _finite(limit: int) -> int:
    return MAX_DESCRIPTORS if limit == resource.RLIM_INFINITY else limit


def max_connections(limit: int) -> int:
    """Number of gRPC connections that leave the reserve free."""
    return limit - min(RESERVED_DESCRIPTORS, limit // 2)


async def watch(limit: int) -> None:
    """Log once when connections have used up the limit but for the reserve, and once when there is room again."""
    threshold = max_connections(limit)
    is_scarce = False
    while True:
        in_use = len(await asyncio.to_thread(os.listdir, "/dev/fd"))
        if in_use >= threshold and not is_scarce:
            is_scarce = True
            error = f"{in_use} of {limit} file descriptors are in use; proxies beyond are turned away"
            _log.warning("descriptors_scarce", error=error, remedy=REMEDY)
        elif in_use < 0.9 * threshold and is_scarce:
            is_scarce = False
            _log.info("descriptors_available", in_use=in_use, limit=limit)
        await asyncio.sleep(CHECK_SECONDS)
