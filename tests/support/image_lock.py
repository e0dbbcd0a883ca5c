"""`python -m tests.support.image_lock`: renew pylock.toml, the exact dependencies of the image with their hashes
(https://peps.python.org/pep-0751/).

`uv` resolves the ranges of pyproject.toml for every platform; the file keeps the wheels that the image may need: of
Linux with glibc on amd64 and arm64, for each Python that the project supports. Needs the package index.
"""

import functools
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "pylock.toml"

PYTHONS: Final = ((3, 11), (3, 12), (3, 13), (3, 14))
MACHINES: Final = ("x86_64", "aarch64")

GLIBC_MINOR: Final = 36
"""Of Debian 12, on which the image stands."""

HEADER: Final = """\
# The dependencies of the image, exactly. `make lock` renews them; Dependabot's pull requests do not.
"""

_URL: Final = re.compile(r'url = "[^"]*/([^/"]+\.whl)"')


def platforms(machine: str) -> list[str]:
    """The platforms of wheels that a Linux with glibc of `machine` runs."""
    numbered = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 4, -1)]
    return [*numbered, *(f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1"))]


@functools.cache
def tags(python: tuple[int, int], machine: str) -> frozenset[Tag]:
    names = platforms(machine)
    interpreter = f"cp{python[0]}{python[1]}"
    return frozenset([*cpython_tags(python, platforms=names), *compatible_tags(python, interpreter, names)])


def fits(wheel: str, wanted: frozenset[Tag]) -> bool:
    return not wanted.isdisjoint(parse_wheel_filename(wheel)[3])


def renew() -> None:
    """Write the lock.

    Raises:
        subprocess.CalledProcessError: uv can't resolve the ranges; its message is on standard error.
    """
    LOCK.write_text(HEADER + _pruned(_resolved()))


def _resolved() -> str:
    build_tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    oldest = ".".join(str(part) for part in PYTHONS[0])
    options = ("--universal", "--upgrade", "--only-binary", ":all:", "--format", "pylock.toml", "--no-header")
    ran = subprocess.run(
        [uv, "pip", "compile", "pyproject.toml", "-", *options, "--python-version", oldest, "--no-config", "--quiet"],
        cwd=ROOT,
        input="\n".join(build_tools),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ran.stdout


def _pruned(text: str) -> str:
    """`text` without the wheels that no image needs; each has a line."""
    wanted = frozenset[Tag]().union(*(tags(python, machine) for python in PYTHONS for machine in MACHINES))
    kept = []
    for line in text.splitlines(keepends=True):
        named = _URL.search(line)
        if named is None or fits(named[1], wanted):
            kept.append(line)
    return "".join(kept)


def locked() -> dict[str, dict[str, Any]]:
    """The locked packages by name."""
    packages = tomllib.loads(LOCK.read_text())["packages"]
    return {each["name"]: each for each in packages}


def wheels(package: dict[str, Any]) -> Iterator[str]:
    """The file names of the wheels of `package`."""
    for wheel in package["wheels"]:
        yield wheel["url"].rpartition("/")[2]


if __name__ == "__main__":
    try:
        renew()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
