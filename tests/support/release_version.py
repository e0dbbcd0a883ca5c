"""The version of pyproject.toml in the files that repeat it: the chart, the manifests and the documents on installing.

`make generate` writes them. A version is X.Y.Z, which pip, Helm and image tags read alike.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

VERSION: Final[str] = _PROJECT["version"]

HOME: Final[str] = _PROJECT.get("urls", {}).get("Repository", "")
"""The address of the repository without a slash at the end; empty as long as there is none."""

CHART: Final = ROOT / "k8s" / "chart" / "xds-ingress" / "Chart.yaml"

_NUMBER: Final = r"\d+\.\d+\.\d+\b"

_OURS: Final = re.compile(
    rf"(?<=xds-ingress:){_NUMBER}|(?<=xds_ingress-){_NUMBER}|(?<=xds-ingress --version ){_NUMBER}"
)
"""An image of ours, a wheel, and a chart in a command of Helm."""

_CHART: Final = re.compile(rf'(?m)(?<=^version: ){_NUMBER}|(?<=^appVersion: "){_NUMBER}|(?<=^appVersion: ){_NUMBER}')
_MANIFEST: Final = re.compile(rf'(?<=newTag: ){_NUMBER}|(?<=newTag: "){_NUMBER}|(?<=kubernetes.io/version: "){_NUMBER}')

_HISTORY: Final = ("upgrade.md", "compatibility.md")
"""Documents that name earlier versions."""


def texts() -> dict[Path, str]:
    """The files that name the version, with the version of pyproject.toml."""
    if not re.fullmatch(_NUMBER, VERSION):
        msg = f"the version of pyproject.toml is {VERSION!r}; write X.Y.Z, which Helm reads too"
        raise ValueError(msg)
    found = {}
    for path in _candidates():
        text = path.read_text()
        patterns = [_OURS, _MANIFEST, _CHART] if path == CHART else [_OURS, _MANIFEST]
        fresh = text
        for pattern in patterns:
            fresh = pattern.sub(VERSION, fresh)
        if any(pattern.search(text) for pattern in patterns):
            found[path] = fresh
    return found


def _candidates() -> Iterator[Path]:
    yield ROOT / "README.md"
    for folder, pattern in (("docs", "*.md"), ("k8s", "*.yaml"), ("k8s", "*.md")):
        yield from sorted(path for path in (ROOT / folder).rglob(pattern) if path.name not in _HISTORY)
