"""Folders in the user's cache that Go makes of a pinned module, once for all checkouts, by the hash of its sources."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs

GO_SECONDS: Final = 1800
"""Longest time for a command of Go."""


def folder(source: Path) -> Path:
    """Where the results of a module are, or would be. The module is the folder of go.mod and go.sum."""
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in ("go.mod", "go.sum")))
    return platformdirs.user_cache_path("xds-ingress") / f"{source.name}-{digest.hexdigest()[:12]}"


def make(source: Path, subject: str, fill: Callable[[Path], bool]) -> None:
    """Make the folder of a module, if it does not exist. Of several processes at once one does, and the rest wait.

    Args:
        subject: The results, for messages.
        fill: Writes them into a folder; whether it succeeded.
    """
    target = folder(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        if shutil.which("go") is None:
            print(f"no Go here (https://go.dev/dl): the tests with {subject} are skipped")
            return
        print(f"making {subject} in {target}, once", flush=True)
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        if fill(unfinished):
            unfinished.rename(target)
        else:
            print(f"{subject} can't be made: their tests are skipped")


def go(source: Path, *arguments: str) -> str | None:
    """The standard output of a command of Go in a module's folder; None if it fails."""
    try:
        done = subprocess.run(
            ["go", *arguments],
            check=False,
            cwd=source,
            timeout=GO_SECONDS,
            stdout=subprocess.PIPE,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else done.stdout
