"""helm, kubeconform and actionlint, built by Go from pinned modules: `python -m tests.support.gotools` builds.

The programs are in the user's cache. A test never builds: without a program the test is skipped, with a reason that has
the command.

Helm is version 4, which applies on the server's side, as the manifests are tested, and shares libraries of Kubernetes
with the API server of the tests, so that `make kube` has compiled half of the packages. Version 3 gets no fixes after
2026.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.support import go_cache

SOURCE: Final = Path(__file__).parent
NAMES: Final = ("helm", "kubeconform", "actionlint")

_HELM: Final = "helm.sh/helm/v4"


def program(name: str) -> Path:
    """Where a program is, or would be: in the folder XDS_TEST_GOTOOLS, or else in the cache."""
    return Path(os.environ.get("XDS_TEST_GOTOOLS") or go_cache.folder(SOURCE)) / name


def missing(*names: str) -> str:
    """The programs that are not there, with the remedy; empty if all are."""
    absent = [name for name in names if not program(name).exists()]
    return f"no {', '.join(absent)}: `make helm` builds with Go (https://go.dev/dl)" if absent else ""


def needs(*names: str) -> pytest.MarkDecorator:
    """A mark that skips tests on a machine that lacks one of these programs."""
    reason = missing(*names)
    return pytest.mark.skipif(bool(reason), reason=reason)


def main() -> None:
    """Build the programs once. Without Go, their tests are skipped."""
    go_cache.make(SOURCE, ", ".join(NAMES), _build)


def _build(folder: Path) -> bool:
    lines = (line.split() for line in (SOURCE / "go.mod").read_text(encoding="utf-8").splitlines())
    version = next(words[1] for words in lines if words[:1] == [_HELM])
    # Flags as those of `make kube`, for the same compiled packages.
    flags = ("-buildvcs=false", "-trimpath", "-ldflags", f"-s -w -X {_HELM}/internal/version.version={version}")
    return go_cache.go(SOURCE, "build", *flags, "-o", f"{folder}/", "tool") is not None
