"""A program that checks objects against the Go types of the Prometheus operator; as a module it builds the program.

Its CustomResourceDefinitions come in no package. The types, from which they are made, come as a Go module: unknown
fields and wrong types are found, patterns of values are not.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

import platformdirs
import pytest

SOURCE: Final = Path(__file__).parent

BUILD_SECONDS: Final = 600
"""45 s of processor on a machine that has built none of it before."""


def _program() -> Path:
    content = b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    digest = hashlib.sha256(content).hexdigest()[:12]
    return platformdirs.user_cache_path("xds-ingress") / f"prometheus-operator-{digest}"


PROGRAM: Final = _program()

needs_operator_types = pytest.mark.skipif(
    not PROGRAM.exists(), reason="no types of the Prometheus operator: `make tools` builds them with Go"
)


def main() -> None:
    if PROGRAM.exists():
        return
    if shutil.which("go") is None:
        print("no Go: the test that needs the types of the Prometheus operator is skipped")
        return
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-o", str(PROGRAM), "."]
    try:
        done = subprocess.run(command, check=False, cwd=SOURCE, timeout=BUILD_SECONDS, stdout=2)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        print("the types of the Prometheus operator can't be built: their test is skipped")
