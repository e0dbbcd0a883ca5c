"""pylock.toml, the dependencies of the image: within the ranges of pyproject.toml, with a hashed wheel for every
machine and Python that the image may have, from the public index alone.

Excludes: whether the packages agree with each other, which uv sees to, and pip at each build of the image.
"""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import image_lock
from tests.support.image_lock import LOCK, MACHINES, PYTHONS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = image_lock.locked()

ranges = pytest.mark.parametrize(
    "requirement",
    [Requirement(text) for text in (*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"])],
    ids=lambda each: each.name,
)
packages = pytest.mark.parametrize("package", LOCKED.values(), ids=LOCKED)


@ranges
def test_a_locked_version_is_in_the_range_of_the_project(requirement: Requirement) -> None:
    version = LOCKED[canonicalize_name(requirement.name)]["version"]
    assert requirement.specifier.contains(version), f"{requirement.name} {version}: run `make lock`"


@packages
def test_a_locked_package_has_a_wheel_for_every_machine(package: dict[str, Any]) -> None:
    files = list(image_lock.wheels(package))
    for python in PYTHONS:
        for machine in MACHINES:
            wanted = image_lock.tags(python, machine)
            assert any(image_lock.fits(each, wanted) for each in files), f"none for {machine}, Python {python}"


@packages
def test_a_locked_wheel_has_a_hash_and_comes_from_the_public_index(package: dict[str, Any]) -> None:
    for wheel in package["wheels"]:
        assert re.fullmatch(r"[0-9a-f]{64}", wheel["hashes"]["sha256"])
        assert wheel["url"].startswith("https://files.pythonhosted.org/packages/")


def test_the_lock_names_no_other_host() -> None:
    hosts = set(re.findall(r"https?://([^/\s\"]+)", LOCK.read_text()))
    assert hosts == {"files.pythonhosted.org"}


def test_a_wheel_of_another_platform_does_not_fit() -> None:
    wanted = image_lock.tags((3, 13), "x86_64")
    assert image_lock.fits("a-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", wanted)
    assert image_lock.fits("a-1.0-cp39-abi3-manylinux2014_x86_64.whl", wanted)
    assert image_lock.fits("a-1.0-py3-none-any.whl", wanted)
    for other in ("cp313-cp313-musllinux_1_2_x86_64", "cp313-cp313-manylinux_2_28_aarch64", "cp314-cp314-win_amd64"):
        assert not image_lock.fits(f"a-1.0-{other}.whl", wanted)
