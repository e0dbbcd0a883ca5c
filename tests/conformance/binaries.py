"""The suite as a program, its backends, and the CustomResourceDefinitions of the same version.

`gateway-suite/go.mod` pins the version. `python -m tests.conformance.binaries` builds once for all checkouts, into the
user's cache. A test never builds: without the programs the test is skipped, with a reason that has the command.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from tests.support import go_cache

SOURCE: Final = Path(__file__).parent / "gateway-suite"

_MODULE: Final = "sigs.k8s.io/gateway-api"


def program(name: str) -> Path:
    """Where `suite.test`, or `echo-basic` or `coredns` of its Pods, is, or would be."""
    return go_cache.folder(SOURCE) / name


def custom_resource_definitions() -> Path:
    """A folder: of the experimental channel, which has retries and session persistence."""
    return go_cache.folder(SOURCE) / "crds"


def missing() -> str:
    """Why there are no programs, with the remedy; empty if there are."""
    return (
        ""
        if program("suite.test").exists()
        else "no conformance suite: `make conformance` builds with Go (https://go.dev/dl)"
    )


def main() -> None:
    """Build once. Without Go, the suite is skipped."""
    go_cache.make(SOURCE, "the Gateway API's conformance suite: 2 to 8 minutes", _build)


def _build(folder: Path) -> bool:
    flags = ("-buildvcs=false", "-trimpath", "-ldflags", "-s -w")
    backends = (f"{_MODULE}/conformance/echo-basic", "./coredns")
    if go_cache.go(SOURCE, "build", *flags, "-o", f"{folder}/", *backends) is None:
        return False
    if go_cache.go(SOURCE, "test", "-c", *flags, "-o", str(folder / "suite.test"), ".") is None:
        return False
    module = go_cache.go(SOURCE, "list", "-m", "-json", _MODULE)
    if module is None:
        return False
    shutil.copytree(Path(json.loads(module)["Dir"]) / "config/crd/experimental", folder / "crds")
    (folder / "crds/kustomization.yaml").unlink()
    return True


if __name__ == "__main__":
    main()
