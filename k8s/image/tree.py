"""`python tree.py install|finish TREE`: the folder /opt/xds of the image, a virtual environment.

`install` takes the dependencies that pylock.toml names, by hash. `finish` adds the package of this checkout, makes the
schema of Envoy's API, and removes the parts that no command loads. The result is the same for the same input, byte by
byte: no file has a time of the build. tests/release/test_image_tree.py builds a tree, and runs every command in it.
"""

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

ROOT = Path(__file__).parents[2]

NEVER_LOADED = (
    # 72 of 185 MB. `kubernetes.client` and `kubernetes.aio.client` load an API or a model when its name is used first;
    # xds/kubeapi takes the configuration and its login alone, and speaks HTTP itself.
    "kubernetes/client/api/*_api.py",
    "kubernetes/client/models/*_*.py",
    "kubernetes/aio/client/api/*_api.py",
    "kubernetes/aio/client/models/*_*.py",
    # Tests of the dependencies.
    "certifi/tests",
    "google/protobuf/testdata",
    "websocket/tests",
)
"""Of site-packages, as patterns. A file that is imported must not match: the test traces the imports."""

SOURCES = {".c", ".h", ".pxd", ".pxi", ".pyi", ".pyx"}
"""Suffixes of files that only compilers and type checkers read."""

BUILD_TOOLS = ("setuptools",)
"""Locked too, since they build the wheel of xds-ingress; not needed to run it."""

COMMANDS = ("xds",)


def install(tree: Path) -> None:
    """Make the virtual environment, with the locked dependencies, as wheels only: nothing is compiled."""
    venv.create(tree, symlinks=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.writelines(_requirements(tomllib.loads((ROOT / "pylock.toml").read_text())["packages"]))
        requirements.flush()
        _pip(tree, "install", "--only-binary", ":all:", "--require-hashes", "--requirement", requirements.name)


def _requirements(packages: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of requirements.txt, which every version of pip reads; only new ones read pylock.toml."""
    for package in packages:
        marker = f" ; {package['marker']}" if "marker" in package else ""
        hashes = " ".join(f"--hash=sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"])
        yield f"{package['name']}=={package['version']}{marker} {hashes}\n"


def finish(tree: Path) -> None:
    """Add xds-ingress to `tree`, and remove, compile and date its files."""
    _pip(tree, "install", "--no-build-isolation", str(ROOT))
    _pip(tree, "uninstall", "--yes", *BUILD_TOOLS)
    # The schema of Envoy's API, which each start would make anew where the root is read-only (xds/envoyapi/schema.py).
    _run(tree, "-c", "from xds.envoyapi import schema; schema.load()", XDG_CACHE_HOME=str(tree / "cache"))
    trim(tree)
    _compile(tree)
    _date(tree)


def trim(tree: Path) -> None:
    packages = site_packages(tree)
    for pattern in NEVER_LOADED:
        found = list(packages.glob(pattern))
        if not found:
            sys.exit(f"{pattern} matches no file of {packages}: correct NEVER_LOADED of {__file__}")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in packages.rglob("*"):
        if path.suffix in SOURCES and path.is_file():
            path.unlink()
    for path in (tree / "bin").iterdir():
        if path.name not in COMMANDS and not path.name.startswith("python"):
            path.unlink()
    if strip := shutil.which("strip"):  # of binutils: a third of the libraries is for debuggers
        libraries = sorted(path for path in packages.rglob("*.so*") if path.is_file())
        subprocess.run([strip, "--strip-unneeded", *libraries], check=True)  # noqa: S603


def _compile(tree: Path) -> None:
    """Write bytecode that Python takes without a look at the source: the source's time would be part of it."""
    for cache in list(tree.rglob("__pycache__")):
        shutil.rmtree(cache)
    packages = site_packages(tree)
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(packages, quiet=2, invalidation_mode=mode, stripdir=packages, prependdir=packages)


def _date(tree: Path) -> None:
    """Give every file one time: SOURCE_DATE_EPOCH, or 1970.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def site_packages(tree: Path) -> Path:
    [found] = tree.glob("lib/python*/site-packages")
    return found


def _pip(tree: Path, verb: str, *arguments: str) -> None:
    options = ["--no-cache-dir", "--no-deps", "--no-compile"] if verb == "install" else []
    pip = [sys.executable, "-m", "pip", "--python", str(tree), verb, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, *arguments], check=True)  # noqa: S603


def _run(tree: Path, *arguments: str, **environment: str) -> None:
    python = tree / "bin" / "python"
    environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([python, *arguments], check=True, env=environment)  # noqa: S603


if __name__ == "__main__":
    {"install": install, "finish": finish}[sys.argv[1]](Path(sys.argv[2]).absolute())
