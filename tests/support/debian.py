"""Programs from Debian's packages for tests and the demo; as a program it fetches them.

Servers such as Prometheus and PostgreSQL are unpacked into the user's cache, as an installation would start them as
services. Chromium needs a hundred libraries, and is installed if the user may. A test never fetches: it is skipped with
the command that does.
"""

import fcntl
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import platformdirs
import pytest

UNPACKED: Final = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-pushgateway": "prometheus-pushgateway",
}
"""The package of each program that runs from anywhere."""

WITH_LIBRARIES: Final = {
    "initdb": "postgresql",
    "pgbench": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql",
    "nsd": "nsd",
    "dnsperf": "dnsperf",
    "drill": "ldnsutils",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "sshd": "openssh-server",
    "sftp": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ssh-keyscan": "openssh-client",
}
"""The package of each program that runs from anywhere with `libraries`. Packages on which it depends come with it."""

INSTALLED: Final = {"chromium": "chromium"}
"""The package of each program that must be installed."""

ALERTMANAGER_FILES: Final = b"/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager reads its templates. Without them it does not start, and no flag names another place."""

IN_ITS_FOLDER: Final = """\
#!/bin/sh
# The program looks for its templates in the working directory: paths of flags must be absolute.
cd "$(dirname "$0")/../share/prometheus/alertmanager" && exec ../../../bin/prometheus-alertmanager.moved "$@"
"""

FETCH_SECONDS: Final = 600
"""Longest time for a command of apt."""


_FOLDERS: Final = ("usr/lib/postgresql/*/bin", "usr/bin", "usr/sbin")


def program(name: str) -> str:
    """The path of a program: an unpacked one, else one of the system; empty without it."""
    unpacked = (each for folder in _FOLDERS for each in sorted(_folder().glob(f"{folder}/{name}")))
    found = next(itertools.chain(unpacked, Path("/").glob(f"{_FOLDERS[0]}/{name}")), None)
    return str(found) if found else shutil.which(name) or shutil.which(name, path="/usr/sbin") or ""


def libraries() -> dict[str, str]:
    """The environment variable for programs of WITH_LIBRARIES."""
    folders = (str(each) for folder in ("usr/lib", "lib") for each in _folder().glob(f"{folder}/*-linux-gnu*"))
    return {"LD_LIBRARY_PATH": ":".join(folders)}


def needs(*names: str) -> pytest.MarkDecorator:
    """A mark that skips tests on a machine that lacks one of these programs."""
    missing = [name for name in names if not program(name)]
    packages = " ".join(sorted({(UNPACKED | WITH_LIBRARIES | INSTALLED)[name] for name in missing}))
    reason = f"no {', '.join(missing)}: `make tools` fetches them from Debian, or install {packages}"
    return pytest.mark.skipif(bool(missing), reason=reason)


def main() -> None:
    """Fetch the programs that are not there. Where that is not possible, their tests are skipped."""
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _move_alertmanager(folder)
        alone, whole, installed = map(_packages, (UNPACKED, WITH_LIBRARIES, INSTALLED))
        if not alone and not whole and not installed:
            return
        if shutil.which("apt-get") is None:
            print(f"no apt-get: tests that need {' '.join(alone + whole + installed)} are skipped")
            return
        if os.geteuid() == 0:
            _runs("apt-get", "update", "-qq")
        for package, needed in (*((each, [each]) for each in alone), *((each, _closure(each)) for each in whole)):
            if not needed or not _unpack(needed, folder):
                print(f"{package} can't be downloaded: its tests are skipped")
        if installed and not (os.geteuid() == 0 and _runs("apt-get", "install", "-yqq", *_QUIET, *installed)):
            print(f"{' '.join(installed)} can't be installed (only root may): their tests are skipped")


def _packages(programs: Mapping[str, str]) -> list[str]:
    """The packages of the programs that are not there."""
    return sorted({package for name, package in programs.items() if not program(name)})


def _closure(package: str) -> list[str]:
    """A package and the packages on which it depends, without those that the machine has; none if it is unknown."""
    command = ("apt-get", "install", "--print-uris", "-qq", *_QUIET, package)
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=FETCH_SECONDS)
    files = [line.split()[1] for line in told.stdout.splitlines() if line.startswith("'")]
    return sorted({file.partition("_")[0] for file in files} - {"libc6", "libc-bin"})


_QUIET: Final = ("--no-install-recommends", "-o", "Dpkg::Use-Pty=0")


def _unpack(packages: Sequence[str], folder: Path) -> bool:
    with tempfile.TemporaryDirectory() as name:
        if not _runs("apt-get", "download", "-qq", *packages, within=name):
            return False
        done = all(_runs("dpkg", "-x", str(each), str(folder)) for each in Path(name).glob("*.deb"))
    _move_alertmanager(folder)
    return done


def _move_alertmanager(folder: Path) -> None:
    """Let an unpacked Alertmanager find its templates: a path of the same length, relative to its own folder."""
    binary = folder / "usr/bin/prometheus-alertmanager"
    moved = binary.with_name(f"{binary.name}.moved")
    if not binary.exists() or moved.exists():
        return
    here = b"./" * (len(ALERTMANAGER_FILES) // 2)
    moved.write_bytes(binary.read_bytes().replace(ALERTMANAGER_FILES, here))
    moved.chmod(0o755)
    script = binary.with_name(f"{binary.name}.new")
    script.write_text(IN_ITS_FOLDER)
    script.chmod(0o755)
    script.replace(binary)


def _runs(*command: str, within: str | None = None) -> bool:
    """Whether a command succeeds in time. Its output goes to standard error: apt's words are of use if it fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, check=False, cwd=within, env=environment, timeout=FETCH_SECONDS, stdout=2)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _folder() -> Path:
    named = os.environ.get("XDS_TEST_DEBIAN")
    return Path(named) if named else platformdirs.user_cache_path("xds-ingress") / "debian"


if __name__ == "__main__":
    main()
