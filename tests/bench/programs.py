"""The Go programs of benchmarks: a fleet of fake Envoys, go-control-plane, and Contour."""

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


CONTOUR: Final = ("contour", "contour-crds.yaml")


def folder(*sources: str) -> Path:
    """The folder of the built programs: in a cache, by the hash of the sources; of all sources by default."""
    digest = hashlib.sha256()
    paths = [SOURCES / name for name in sources] or sorted(path for path in SOURCES.rglob("*") if path.is_file())
    for path in paths:
        digest.update(path.read_bytes())
    return platformdirs.user_cache_path("xds-ingress") / f"bench-{digest.hexdigest()[:12]}"


def missing() -> str:
    """Build missing programs. Returns why this machine can't; empty if it can."""
    return _missing(folder(), NAMES, "build", "the fleet and go-control-plane: 2 minutes")


def contour() -> Path:
    """The folder of Contour and of the definitions of its kinds."""
    return folder("contour")


def missing_contour() -> str:
    """The same for Contour."""
    return _missing(contour(), CONTOUR, "contour", "Contour: 10 minutes")


def _missing(target: Path, names: tuple[str, ...], script: str, programs: str) -> str:
    if all((target / name).exists() for name in names):
        return ""
    if not shutil.which("go"):
        return f"no Go here (https://go.dev/dl) to build {programs}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "bench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(f"building in {target} {programs} on two cores, once", file=sys.stderr)
        done = subprocess.run([SOURCES / script, target], check=False)
    return f"{SOURCES / script} failed" if done.returncode else ""


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
