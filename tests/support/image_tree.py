"""The tree of the image, made as the Dockerfile makes it, for this machine's Python."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

BUILD_SECONDS: Final = 900
"""For the download of 60 MB of wheels; a limit, not the time that it takes."""


@dataclass(frozen=True, slots=True)
class ImageTree:
    """A tree as in the image, at another place.

    Attributes:
        folder: The virtual environment.
        context: The files that the build may copy.
    """

    folder: Path
    context: Path

    @property
    def installed(self) -> Path:
        """A copy of the tree with the dependencies alone."""
        return self.folder.with_name("installed")

    @property
    def xds(self) -> Path:
        return self.folder / "bin" / "xds"

    @property
    def environment(self) -> dict[str, str]:
        """Of a container: the cache of the image, and nothing of the checkout."""
        ours = {"XDG_CACHE_HOME": str(self.folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**_without_python(), **ours}

    def run(self, *words: str | Path, code: int = 0, input_text: str = "", seconds: float = 120) -> str:
        """Run `xds` to its end.

        Returns:
            Its output.
        """
        done = subprocess.run(
            [self.xds, *words],
            capture_output=True,
            text=True,
            check=False,
            input=input_text,
            timeout=seconds,
            env=self.environment,
            cwd=self.context,
        )
        assert done.returncode == code, f"xds {words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


def let_through() -> list[str]:
    """The paths that .dockerignore lets the build have."""
    return [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def context(folder: Path) -> Path:
    """The build's context in `folder`."""
    for name in let_through():
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return folder


def built(folder: Path) -> ImageTree:
    """A new tree in `folder`."""
    made = ImageTree(folder / "opt" / "xds", context(folder / "src"))
    run_step(made, "install")
    shutil.copytree(made.folder, made.installed, symlinks=True)
    run_step(made, "finish")
    return made


def run_step(tree: ImageTree, step: str) -> None:
    """Run a step of the Dockerfile."""
    script = tree.context / "k8s" / "image" / "tree.py"
    done = subprocess.run(
        [sys.executable, script, step, tree.folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
        env={**_without_python(), "SOURCE_DATE_EPOCH": "1700000000"},
    )
    assert done.returncode == 0, f"{step}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def _without_python() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
