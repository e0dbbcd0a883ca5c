"""CustomResourceDefinitions of cert-manager, the Prometheus operator and Gateway API.

The files are part of the projects' Go modules; go.mod and go.sum pin version and hash. `python -m tests.support.crds`
copies the files into the user's cache. A test never fetches: without the files the test is skipped, with
the command in the reason.
"""

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.support import go_cache

SOURCE: Final = Path(__file__).parent

FOLDERS: Final = {
    "cert-manager": ("github.com/cert-manager/cert-manager", "deploy/crds"),
    "prometheus-operator": ("github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd"),
    "gateway-api": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
}
"""The module and the folder in the module, by the name of the project."""


def files(*projects: str) -> list[Path]:
    """The files of some projects, or of all: none on a machine without them."""
    folder = go_cache.folder(SOURCE)
    return sorted(path for name in projects or FOLDERS for path in (folder / name).glob("*.yaml"))


def missing() -> str:
    """Why there are no files, with the remedy; empty if there are."""
    return "" if files() else "no CustomResourceDefinitions: `make helm` fetches them with Go (https://go.dev/dl)"


needs_crds = pytest.mark.skipif(bool(missing()), reason=missing())


def main() -> None:
    """Fetch the files once. Without Go, their tests are skipped."""
    go_cache.make(SOURCE, "CustomResourceDefinitions of others", _fetch)


def _fetch(folder: Path) -> bool:
    modules = {module: (folder / name, within) for name, (module, within) in FOLDERS.items()}
    text = go_cache.go(SOURCE, "mod", "download", "-json", *modules)
    if text is None:
        return False
    decoder = json.JSONDecoder()
    while text := text.strip():
        module, end = decoder.raw_decode(text)
        target, within = modules[module["Path"]]
        target.mkdir()
        for path in (Path(module["Dir"]) / within).glob("*.yaml"):
            if path.name != "kustomization.yaml":
                shutil.copyfile(path, target / path.name)
        text = text[end:]
    return True
