"""The Go programs of benchmarks: a fleet of fake Envoys, and go-control-plane."""

import asyncio
import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import platformdirs

SOURCES: Final = Path(__file__).parent / "go"
NAMES: Final = ("fleet", "peer")


def folder() -> Path:
    """The folder of the built programs: in a cache, by the hash of the sources."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("xds-ingress") / f"bench-{digest.hexdigest()[:12]}"


def missing() -> str:
    """Build missing programs. Returns why this machine can't; empty if it can."""
    if all((folder() / name).exists() for name in NAMES):
        return ""
    if not shutil.which("go"):
        return "no Go here (https://go.dev/dl), of which the fleet of fake Envoys and go-control-plane are built"
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "bench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(f"building the fleet and go-control-plane in {target}: 2 minutes, once", file=sys.stderr)
        done = subprocess.run([SOURCES / "build", target], check=False)
    return f"{SOURCES / 'build'} failed" if done.returncode else ""


@contextlib.asynccontextmanager
async def piped(name: str, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running program, with pipes to its standard input and output; killed at the end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(folder() / name, *flags, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
