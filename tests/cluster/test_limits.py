"""Namespaces with a ResourceQuota or a LimitRange, under the strictest Pod Security: the documented limits have Pods
admitted, and without them the documented command shows the reason.

The admission plugins, and the controllers of Deployments, ReplicaSets and quotas, are real. Excludes: running Pods.
"""

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.cluster import Cluster
from tests.support.cluster import cluster as control_plane
from tests.support.cluster.assets import missing
from tests.support.manifests import CONTROL_PLANE, FLEET, K8S, Object, overlay
from tests.support.waiting import WAIT_LIMIT_SECONDS

CONTROLLERS = (
    *("deployment-controller", "replicaset-controller", "resourcequota-controller"),
    *("serviceaccount-controller", "namespace-controller"),
)

QUOTA = {"spec": {"hard": {"limits.cpu": "8", "limits.memory": "6Gi"}}}
"""The quota of k8s/limits/kustomization.yaml."""

LIMIT_RANGE = {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2", "memory": "1Gi"}}]}}

TROUBLESHOOTING = K8S.parent / "docs" / "operations.md"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A control plane with the controllers that make Pods, and count them for quotas."""
    if reason := missing():
        pytest.skip(reason)
    async with control_plane(tmp_path_factory.mktemp("limited"), controllers=CONTROLLERS) as running:
        yield running


async def install(
    cluster: Cluster, folder: Path, namespace: str, bound: Object, *, components: Sequence[str] = ()
) -> None:
    """The manifests in a namespace that has a quota or a range of limits before."""
    overlay(folder / namespace, components=components, namespace=namespace, namePrefix=f"{namespace}-")
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}})
    await cluster.apply({"apiVersion": "v1", "metadata": {"name": "bound", "namespace": namespace}, **bound})
    if bound["kind"] == "ResourceQuota":
        path = f"/api/v1/namespaces/{namespace}/resourcequotas/bound"
        await cluster.until(path, lambda found: found.get("status", {}).get("hard"))
    await cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={folder / namespace}")


async def created(cluster: Cluster, namespace: str) -> list[str]:
    """The Deployments of the namespace, once for each Pod."""
    found = await cluster.get(f"/api/v1/namespaces/{namespace}/pods")
    return sorted(each["metadata"]["labels"]["app.kubernetes.io/name"] for each in found["items"])


def documented_command() -> list[str]:
    """The command of docs/operations.md for Deployments that have 0 Pods."""
    lines = TROUBLESHOOTING.read_text().splitlines()
    [line] = [each.strip() for each in lines if "reason=FailedCreate" in each]
    program, *words = shlex.split(line, comments=True)
    assert program == "kubectl"
    return words


async def shown(cluster: Cluster, namespace: str, words: str, count: int) -> str:
    """The output of the documented command, when it has the words so often."""
    command = [each.replace("xds-ingress", namespace) for each in documented_command()]
    end = time.monotonic() + WAIT_LIMIT_SECONDS
    while (output := await cluster.kubectl(*command)).count(words) < count:
        assert time.monotonic() < end, output
        await asyncio.sleep(0.2)
    return output


@pytest.mark.parametrize("bound", ["quota", "range"])
async def test_the_documented_limits_have_pods_admitted(limited: Cluster, tmp_path: Path, bound: str) -> None:
    limits = {"kind": "ResourceQuota", **QUOTA} if bound == "quota" else {"kind": "LimitRange", **LIMIT_RANGE}
    await install(limited, tmp_path, f"with-{bound}", limits, components=["limits"])
    path = f"/api/v1/namespaces/with-{bound}/pods"
    await limited.until(path, lambda found: len(found["items"]) == 4)
    assert await created(limited, f"with-{bound}") == ["envoy", "envoy", "xds-ingress", "xds-ingress"]


async def test_a_quota_without_limits_is_shown_by_the_documented_command(limited: Cluster, tmp_path: Path) -> None:
    await install(limited, tmp_path, "quota", {"kind": "ResourceQuota", **QUOTA})
    output = await shown(limited, "quota", "must specify limits.cpu", 2)
    assert all(f"replicaset/quota-{name}" in output.lower() for name in (CONTROL_PLANE, FLEET))
    assert await created(limited, "quota") == []


async def test_a_range_of_limits_that_envoy_exceeds_is_shown_by_the_documented_command(
    limited: Cluster, tmp_path: Path
) -> None:
    await install(limited, tmp_path, "range", {"kind": "LimitRange", **LIMIT_RANGE})
    output = await shown(limited, "range", "maximum memory usage per Container is 1Gi, but limit is 2Gi", 1)
    assert f"replicaset/range-{FLEET}" in output.lower()
    assert "envoy" not in await created(limited, "range")


async def test_a_quota_that_is_too_small_for_a_rollout_is_shown_by_the_documented_command(
    limited: Cluster, tmp_path: Path
) -> None:
    """The numbers of k8s/limits/kustomization.yaml: enough for the Pods, too little for more."""
    await install(limited, tmp_path, "full", {"kind": "ResourceQuota", **QUOTA}, components=["limits"])
    await limited.until("/api/v1/namespaces/full/pods", lambda found: len(found["items"]) == 4)
    await limited.kubectl("rollout", "restart", f"deployment/full-{FLEET}", "--namespace=full")
    assert "exceeded quota: bound" in await shown(limited, "full", "exceeded quota", 1)
