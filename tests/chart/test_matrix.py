"""The files of values in the chart's folder `ci`: lint, schemas, the API server's dry run, and Pod Security."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.support import api_schemas, chart, gotools
from tests.support.chart_values import CHART
from tests.support.cluster import Cluster, KubectlError

ON_NODE_PORTS = {"daemonset-hostnetwork", "daemonset-hostports", "layer4-node-ports"}
"""Cases with ports of nodes, for which Pod Security must be `privileged`."""

OTHERS = ("shop", "blog", "ingress-nginx")
"""Namespaces that files of values name."""

SECONDS = 120


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def namespaces(cluster: Cluster) -> AsyncIterator[None]:
    """The release's namespace, under the Pod Security Standard `restricted`, and namespaces without one."""
    for name in (chart.NAMESPACE, "nodes", *OTHERS):
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        metadata = {"name": name, "labels": labels if name == chart.NAMESPACE else {}}
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": metadata})
    yield
    for name in (chart.NAMESPACE, "nodes", *OTHERS):
        await cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def schemas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where kubeconform finds schemas."""
    return await api_schemas.write(cluster, tmp_path_factory.mktemp("schemas"))


@pytest.mark.parametrize("path", chart.CASES, ids=chart.case_name)
async def test_values_render_what_the_api_server_accepts(
    cluster: Cluster, namespaces: None, schemas: str, path: Path, figures: list[str]
) -> None:
    name, release = chart.case_name(path), chart.release_name(path)
    namespace = "nodes" if name in ON_NODE_PORTS else chart.NAMESPACE
    row = [f"{name:24}"]
    chart.helm("lint", "--strict", "--quiet", str(CHART), f"--values={path}")
    text = chart.template(f"--values={path}", f"--namespace={namespace}", release=release)
    objects = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
    row.append(f"{len(objects):3} objects, lint")
    row.append(f"schemas {conform(text, schemas)} valid")
    server = ("--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--filename=-")
    applied = await cluster.kubectl("apply", *server, stdin=text)
    assert len(applied.splitlines()) == len(objects)
    row.append("dry run")
    levels = {await admitted(cluster, template) for template in chart.pod_templates(objects)}
    assert levels == ({"restricted", "privileged"} if name in ON_NODE_PORTS else {"restricted"})
    row.append(f"Pod Security {', '.join(sorted(levels))}")
    figures.append("  ".join(row))


def conform(text: str, schemas: str) -> int:
    """The number of objects, if kubeconform finds every object valid."""
    command = [
        str(gotools.program("kubeconform")),
        "-strict",
        "-output=json",
        "-summary",
        f"-schema-location={schemas}",
        "-",
    ]
    done = subprocess.run(command, input=text, check=False, capture_output=True, text=True, timeout=SECONDS)
    report = json.loads(done.stdout or "{}")
    assert not report.get("resources"), done.stdout
    assert done.returncode == 0, done.stderr
    return int(report["summary"]["valid"])


async def admitted(cluster: Cluster, template: chart.Object) -> str:
    """The strictest level of Pod Security whose namespaces admit a Pod of the template."""
    spec = {**template["spec"], "serviceAccountName": "default"}  # those of the release do not exist
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "tried"}, "spec": spec}
    create = ("create", "--dry-run=server", "--warnings-as-errors", "--filename=-")
    try:
        await cluster.kubectl(*create, f"--namespace={chart.NAMESPACE}", stdin=json.dumps(pod))
    except KubectlError as error:
        if 'violates PodSecurity "restricted' not in str(error):
            raise
        await cluster.kubectl(*create, "--namespace=nodes", stdin=json.dumps(pod))
        return "privileged"
    return "restricted"


async def test_kubeconform_finds_an_unknown_field(schemas: str) -> None:
    """The schemas would otherwise prove nothing."""
    text = chart.template("--values=-", values={"extraObjects": [{**SERVICE, "spec": {"porst": []}}]})
    with pytest.raises(AssertionError, match="porst"):
        conform(text, schemas)


SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd"}}
