"""The guides on a real API server: their objects are accepted, the chart takes their values, and their commands run.

Covers: server-side dry runs with strict fields; `kubectl kustomize` of overlays; `helm template` with the flags and the
values of each guide; commands of kubectl, which may find nothing, and may not be wrong. Excludes: `xds` and `kubectl
xds` (tests/cli/test_guides.py), outputs (tests/cli/test_troubleshooting.py), what the objects do
(tests/cluster/test_cert_manager.py, tests/chart), kinds of Argo CD, whose definitions are not here.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cluster import Cluster
from tests.support.cluster.control_plane import KubectlError
from tests.support.gotools import needs, program
from tests.support.guides import GUIDES, ROOT, commands, name_of, objects, values

CHART: Final = ROOT / "k8s" / "chart" / "xds-ingress"
UNDEFINED: Final = ("argoproj.io/",)

NOT_FOR_TEMPLATE: Final = ("--install", "--create-namespace", "--reuse-values")
WRITES: Final = ("apply", "create", "delete", "expose", "label", "annotate", "patch", "scale")
STREAMS: Final = ("exec", "port-forward", "logs", "rollout")
"""Verbs that need a running Pod: only their flags are tried."""

PLACEHOLDERS: Final = {"NAMESPACE": "default", "NS": "default", "SERVICE": "web", "PORT": "80", "ADDRESS": "192.0.2.1"}
WRONG: Final = re.compile(
    r"unknown (shorthand )?flag|unknown command|doesn't have a resource type|invalid|must specify|required"
)

guides = pytest.mark.parametrize("guide", GUIDES, ids=name_of)
pytestmark = needs("helm")


@guides
async def test_objects_are_accepted(cluster: Cluster, guide: Path, tmp_path: Path) -> None:
    for each in objects(guide):
        if each["kind"] == "Kustomization":
            assert await cluster.kubectl("kustomize", str(overlay(each, tmp_path)))
        elif not each["apiVersion"].startswith(UNDEFINED):
            flags = ("--server-side", "--dry-run=server", "--warnings-as-errors", "--validate=strict")
            await prepare(cluster, each["metadata"].get("namespace", ""))
            await cluster.kubectl("apply", *flags, "--filename=-", stdin=yaml.safe_dump(each))


async def prepare(cluster: Cluster, namespace: str) -> None:
    """Make the namespace of an object, if there is none."""
    if namespace:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await cluster.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(made))


def overlay(found: dict[str, Any], folder: Path) -> Path:
    """The folder of an overlay that refers to this repository as `xds-ingress`."""
    near = os.path.relpath(ROOT, folder.resolve())
    text = yaml.safe_dump(found).replace("- xds-ingress/k8s", f"- {near}/k8s")
    (folder / "kustomization.yaml").write_text(text)
    return folder


def helm(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [program("helm"), "template", "xds-ingress", CHART, *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@guides
def test_the_chart_takes_the_values(guide: Path) -> None:
    for each in values(guide):
        assert helm("--values=-", text=yaml.safe_dump(each))


def test_the_chart_takes_the_values_of_an_application_of_argo_cd() -> None:
    guide = ROOT / "docs" / "guides" / "argo-cd.md"
    (application,) = [each for each in objects(guide) if each["kind"] == "Application"]
    found = helm("--values=-", text=yaml.safe_dump(application["spec"]["source"]["helm"]["valuesObject"]))
    rendered = [each for each in yaml.safe_load_all(found) if each]
    (ignored,) = application["spec"]["ignoreDifferences"]
    named = {(each["apiVersion"].partition("/")[0], each["kind"], each["metadata"]["name"]) for each in rendered}
    assert (ignored["group"], ignored["kind"], ignored["name"]) in named
    assert not [each for each in rendered if each["kind"] == "Secret"]


@guides
def test_commands_of_helm_render_the_chart(guide: Path, tmp_path: Path) -> None:
    for verb, *arguments in commands(guide, "helm"):
        if verb == "uninstall":
            continue
        assert verb == "upgrade"
        rest = [each for each in arguments if each not in NOT_FOR_TEMPLATE]
        assert rest[:2] == ["xds-ingress", "k8s/chart/xds-ingress"], arguments
        if "-f" in rest:
            (tmp_path / "values.yaml").write_text(yaml.safe_dump(values(guide)[0]))
            rest[rest.index("-f") + 1] = str(tmp_path / "values.yaml")
        assert helm(*rest[2:])


@guides
async def test_commands_of_kubectl_run(cluster: Cluster, guide: Path) -> None:
    faults = {" ".join(words): await fault(cluster, words) for words in commands(guide, "kubectl") if words[0] != "xds"}
    assert {command: text for command, text in faults.items() if WRONG.search(text)} == {}


async def fault(cluster: Cluster, arguments: list[str]) -> str:
    """The error of a command; empty if it succeeds."""
    words = [re.sub(r"\b[A-Z]{2,}\b", lambda found: PLACEHOLDERS.get(found[0], found[0]), each) for each in arguments]
    end = words.index("--") if "--" in words else len(words)
    if words[0] in STREAMS:
        words = [*words[:end], "--help"]
    elif words[0] in WRITES:
        words = [*words[:end], "--dry-run=server", *words[end:]]
    try:
        await cluster.kubectl(*words)
    except KubectlError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("command", ["get pods --no-such-flag", "get no-such-kind", "create ingress"])
async def test_a_wrong_command_is_found(cluster: Cluster, command: str) -> None:
    assert WRONG.search(await fault(cluster, command.split()))
