"""Helm on the chart: renderings, and releases on a cluster."""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support import gotools
from tests.support.chart_values import CHART
from tests.support.cluster import Cluster

CASES: Final = sorted(CHART.glob("ci/*-values.yaml"))
"""The chart's files of values, each of which must work."""

NAMESPACE: Final = "ingress"
RELEASE: Final = "edge"

RENDER_SECONDS: Final = 120
INSTALL_SECONDS: Final = 240

Object = dict[str, Any]


class HelmError(Exception):
    """Helm's standard error."""


def case_name(path: Path) -> str:
    """`default` of default-values.yaml."""
    return path.name.removesuffix("-values.yaml")


def release_name(path: Path) -> str:
    """The release of a file of values: that of long names has the longest name that Helm allows."""
    return f"{'long-' * 10}end" if case_name(path) == "long-names" else RELEASE


def render(*arguments: str, values: Object | None = None, release: str = RELEASE, chart: Path = CHART) -> list[Object]:
    """The objects of `helm template`.

    Raises:
        HelmError: Helm failed.
    """
    text = template(*arguments, values=values, release=release, chart=chart)
    return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def template(*arguments: str, values: Object | None = None, release: str = RELEASE, chart: Path = CHART) -> str:
    """The output of `helm template`; for errors see `render`."""
    return helm("template", release, str(chart), f"--namespace={NAMESPACE}", *_values(values), *arguments, stdin=values)


def helm(*arguments: str, stdin: Object | None = None) -> str:
    """Helm's standard output; for errors see `render`."""
    done = subprocess.run(
        [gotools.program("helm"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        input=yaml.safe_dump(stdin or {}),
        timeout=RENDER_SECONDS,
    )
    if done.returncode:
        raise HelmError(done.stderr.strip())
    return done.stdout


async def on(cluster: Cluster, *arguments: str, values: Object | None = None) -> str:
    """Helm's standard output with a cluster; for errors see `render`."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(cluster.folder)}
    process = await asyncio.create_subprocess_exec(
        *(str(gotools.program("helm")), *arguments, *_values(values)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    async with asyncio.timeout(INSTALL_SECONDS):
        output, errors = await process.communicate(yaml.safe_dump(values or {}).encode())
    if process.returncode:
        raise HelmError(errors.decode())
    return output.decode()


def identity(of: Object) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    return of["kind"], of["metadata"].get("namespace", ""), of["metadata"]["name"]


def pod_templates(objects: Sequence[Object]) -> list[Object]:
    """The Pod templates of workloads."""
    return [each["spec"]["template"] for each in objects if each["kind"] in ("Deployment", "DaemonSet", "Job")]


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Helm merges them: mappings by key, anything else replaced."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _values(values: Object | None) -> tuple[str, ...]:
    return () if values is None else ("--values=-",)
