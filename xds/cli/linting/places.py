"""Paths of files as services show them: from the root of the repository."""

import os
from pathlib import Path
from typing import Final

ROOTS: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables with the root of the repository, in GitHub Actions and in GitLab CI."""


def repository_root() -> Path:
    """The root of the repository, if a variable names one around the working directory; else the working directory."""
    here = Path.cwd()
    named = (Path(os.environ[name]).absolute() for name in ROOTS if os.environ.get(name))
    return next((root for root in named if here.is_relative_to(root)), here)


def from_root(file: str, root: Path) -> str:
    """The path from the root; the absolute path of a file outside."""
    path = Path(os.path.normpath(Path.cwd() / file))
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
