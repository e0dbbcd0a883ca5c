"""The source distribution and the wheel: the first is the repository, and its tests run; the second is the package xds
with all of its data, and metadata that the package index accepts.

Excludes: the upload. Without a checkout of git, as from a source distribution, the modules are skipped.
"""

import email.message
import email.parser
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.release_version import ROOT, VERSION

pytestmark = [
    pytest.mark.release,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("packages"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout of git: clone the repository"),
]

BUILD_SECONDS: Final = 600

ADDED: Final = {"PKG-INFO", "setup.cfg"}
"""Files that setuptools adds to a source distribution."""


@dataclass(frozen=True, slots=True)
class Packages:
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def listed() -> set[str]:
    """The files of the checkout that git has, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def packages(listed: set[str], tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Built as for a release: the source distribution from clean files, the wheel from the source distribution."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    for name in listed:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source, cwd=folder)
    [sdist] = (folder / "dist").glob("*.tar.gz")
    [wheel] = (folder / "dist").glob("*.whl")
    return Packages(sdist, wheel)


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS, env=environment
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_source_distribution_is_the_repository(packages: Packages, listed: set[str]) -> None:
    with tarfile.open(packages.sdist) as archive:
        names = {each.name.partition("/")[2] for each in archive if each.isfile()}
    ours = {name for name in names if ".egg-info/" not in name} - ADDED
    assert sorted(listed - ours) == []
    assert sorted(ours - listed) == []


def test_the_wheel_has_every_file_of_the_package(packages: Packages, listed: set[str]) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert sorted(names) == sorted(name for name in listed if name.startswith("xds/"))


def test_the_metadata(packages: Packages) -> None:
    metadata = _metadata(packages.wheel)
    assert metadata["Name"] == "xds-ingress"
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "](docs/" not in str(metadata.get_payload())
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def _metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"xds_ingress-{VERSION}.dist-info/METADATA").decode()
    return email.parser.Parser().parsestr(text)


def test_the_package_index_accepts_both(packages: Packages) -> None:
    _run(sys.executable, "-m", "twine", "check", "--strict", packages.sdist, packages.wheel, cwd=packages.sdist.parent)


def test_the_tests_of_the_source_distribution_run(packages: Packages, tmp_path: Path) -> None:
    """Some of each sort: of pure code, of documents, of the lock and the version, and of the bootstrap."""
    with tarfile.open(packages.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    rooms = ("tests/kube", "tests/bootstrap", "tests/test_docs.py", "tests/release")
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not release and not envoy")
    output = _run(sys.executable, "-m", "pytest", *options, *rooms, cwd=source)
    assert " passed" in output
    place = "import xds, pathlib; print(pathlib.Path(xds.__file__).parents[1])"
    assert _run(sys.executable, "-c", place, cwd=source).strip() == str(source)
