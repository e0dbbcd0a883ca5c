"""Versions of xds-ingress beside each other: wheels of older commits, today's tree, and a next one.

A wheel is built from git's history without the network, once for each commit, and its dependencies are those of this
environment. A clone without the commit, such as a shallow one, has no wheel.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

ROOT: Final = Path(__file__).parents[2]

CHAIN_2: Final = "0623fd397b53a5b4451382c504428ceff9baf607"
"""The last commit with version 2 of the chain of filters: without access, so paths with a protection are closed."""

CHAIN_3: Final = "11fea9ee6ea466ba9b446c04001832884e2ccc24"
"""A commit with version 3, which has access and `xds authz`, and neither page nor overview."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the program.

    Attributes:
        name: For file names and messages.
        folder: Holds the package `xds`.
    """

    name: str
    folder: Path

    async def start(self, *arguments: str, log: Path, **variables: str) -> asyncio.subprocess.Process:
        """The command with these environment variables; its output goes to the end of the log."""
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "xds", *arguments),
                cwd=self.folder,
                env=self._environment | variables,
                stdout=output,
                stderr=output,
            )

    async def xds(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a command."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xds", *arguments),
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}


TODAY: Final = Release("today", ROOT)


def missing(commit: str) -> str:
    """Why there is no wheel of a commit, with the remedy; empty: it can be built."""
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode == 0:
        return ""
    return f"this clone lacks the commit {commit[:8]}, whose wheel is the older version: `git fetch --unshallow`"


def of_commit(commit: str) -> Release:
    """The wheel of a commit, installed beside the environment. Of several processes one builds, and the rest wait."""
    folder = platformdirs.user_cache_path("xds-ingress") / f"release-{commit[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(commit, folder)
    return Release(commit[:8], folder)


def _build(commit: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        source, installed = Path(name) / "source", Path(name) / "installed"
        source.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", installed)
        subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True)
        installed.rename(folder)


def with_next_chain(folder: Path) -> Release:
    """Today's program in a folder, with the next version of the chain of filters: all names of routes differ."""
    shutil.copytree(ROOT / "xds", folder / "xds", ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / "xds" / "resources" / "names.py"
    text, name = module.read_text(), "CHAIN_VERSION: Final = "
    before, _, after = text.partition(name)
    number, _, rest = after.partition("\n")
    module.write_text(f"{before}{name}{int(number) + 1}\n{rest}")
    return Release("next", folder)
