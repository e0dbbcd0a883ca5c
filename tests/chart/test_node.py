"""The node of these tests, whose Pods are processes: see `tests/support/node/kubelet.py`."""

import asyncio
from typing import Any

import aiohttp
import yaml

from tests.support.cluster import Cluster
from tests.support.node import images

CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LOOK = """
id -u; id -G; cat /etc/settings/color /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
touch /outside 2>/dev/null || echo read-only; touch /data/inside && echo written; echo $MEMORY
grep -c CapEff:.0000000000000000 /proc/self/status
test -r /var/run/secrets/kubernetes.io/serviceaccount/token && echo token
python -c 'import socket; print(socket.gethostbyname("kubernetes.default.svc"))'
exec sleep infinity
"""

FOLLOW = """
cat /etc/key/key
until grep -q new /etc/key/key; do sleep 0.1; done
cat /etc/key/key
exec sleep infinity
"""


def deployment(name: str, containers: list[Any], **pod: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"securityContext": POD_SECURITY, "containers": containers, **pod},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def apply(cluster: Cluster, namespace: str, *objects: Any) -> None:
    await cluster.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=yaml.safe_dump_all(objects))


async def test_a_container_has_its_user_its_files_and_the_cluster_and_nothing_else(
    cluster: Cluster, namespace: str
) -> None:
    container = {
        "name": "look",
        "image": "xds-ingress:any",
        "command": ["sh", "-c", LOOK],
        "env": [{"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}],
        "resources": {"limits": {"memory": "64Mi"}},
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}, {"name": "data", "mountPath": "/data"}],
    }
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}, {"name": "data", "emptyDir": {}}]
    await apply(
        cluster,
        namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue "}},
        deployment("look", [container], volumes=volumes),
    )
    await cluster.kubectl("rollout", "status", "deployment/look", f"--namespace={namespace}", "--timeout=60s")
    user = ["65532", "0 65532"] if images.may_change_users() else ["0", "0"]
    expected = [*user, f"blue {namespace}", "read-only", "written", "67108864", "1", "token", "10.96.0.1"]
    assert await said(cluster, namespace, "look", len(expected)) == expected


async def said(cluster: Cluster, namespace: str, name: str, lines: int) -> list[str]:
    """The log of a Deployment's Pod, once it has so many lines."""
    logs = ("logs", f"deployment/{name}", f"--namespace={namespace}")
    async with asyncio.timeout(60):
        while (text := await cluster.kubectl(*logs)).count("\n") < lines:
            await asyncio.sleep(0.2)
    return text.splitlines()


async def test_a_changed_secret_reaches_running_containers_and_a_hook_runs_before_the_end(
    cluster: Cluster, namespace: str
) -> None:
    container = {
        "name": "follow",
        "image": "xds-ingress:any",
        "command": ["sh", "-c", FOLLOW],
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo bye > /shared/note"]}}},
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "key", "mountPath": "/etc/key"}, {"name": "shared", "mountPath": "/shared"}],
    }
    last = {
        "name": "last",
        "image": "xds-ingress:any",
        "restartPolicy": "Always",
        "command": ["sh", "-c", "trap 'cat /shared/note; exit' TERM; echo first; while true; do sleep 0.1; done"],
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
    }
    volumes = [{"name": "key", "secret": {"secretName": "key"}}, {"name": "shared", "emptyDir": {}}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"key": "old\n"}}
    workload = deployment("follow", [container], volumes=volumes, initContainers=[last])
    workload["spec"]["replicas"] = 1
    await apply(cluster, namespace, secret, workload)
    await cluster.kubectl("rollout", "status", "deployment/follow", f"--namespace={namespace}", "--timeout=60s")
    assert await said(cluster, namespace, "follow", 1) == ["old"]
    await apply(cluster, namespace, {**secret, "stringData": {"key": "new\n"}})
    assert await said(cluster, namespace, "follow", 2) == ["old", "new"]
    await cluster.kubectl("delete", "deployment", "follow", f"--namespace={namespace}", "--cascade=foreground")
    [log] = (cluster.folder / "node" / "logs").glob(f"{namespace}_follow-*_last.log")
    assert log.read_text().splitlines() == ["first", "bye"], "the sidecar ended after the container's hook"


async def test_a_service_sends_connections_to_ready_pods(cluster: Cluster, namespace: str) -> None:
    container = {
        "name": "backend",
        "image": "example.com/backend:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
        "securityContext": CONFINED,
    }
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    service = {"selector": {"app": "backend"}, "type": "LoadBalancer", "ports": ports}
    metadata = {"name": "backend"}
    await apply(
        cluster,
        namespace,
        deployment("backend", [container]),
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    )
    await cluster.kubectl("rollout", "status", "deployment/backend", f"--namespace={namespace}", "--timeout=60s")
    found = await cluster.get(f"/api/v1/namespaces/{namespace}/services/backend")
    names = set()
    async with aiohttp.ClientSession() as session:
        for address in (found["spec"]["clusterIP"], found["status"]["loadBalancer"]["ingress"][0]["ip"]):
            for _ in range(4):
                async with session.get(f"http://{address}/", headers={"Connection": "close"}) as answer:
                    names.add((await answer.json())["backend"])
    pods = await cluster.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dbackend")
    assert names == {pod["metadata"]["name"] for pod in pods["items"]}
