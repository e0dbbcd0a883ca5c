"""ConfigMaps that annotations name, read from a real API server with rights to single ones.

Excludes: failures of the API server, and Secrets of other namespaces (tests/sources/apiserver/test_source.py).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tests.support.cluster import Cluster
from xds.kube.change import Applied, Batch, Deleted, Reported
from xds.kube.objects import ConfigMap, Ingress, KubeObject
from xds.kubeapi.kubeconfig import Access
from xds.sources.apiserver.source import ApiServer
from xds.translate.nginx.annotated_objects import annotated_objects

PATIENCE_SECONDS = 60
KINDS = "ingresses.networking.k8s.io,services,secrets,endpointslices.discovery.k8s.io"


def config_map(namespace: str, name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def ingress(namespace: str, name: str, headers: str) -> dict[str, object]:
    annotations = {"nginx.ingress.kubernetes.io/custom-headers": f"{namespace}/{headers}"}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    spec = {"defaultBackend": backend}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


async def test_a_role_for_one_config_map_suffices_for_it(cluster: Cluster, namespace: str) -> None:
    for role in (
        ("watcher", f"--resource={KINDS}"),
        ("granted", "--resource=configmaps", "--resource-name=granted"),
    ):
        await cluster.kubectl("create", "role", *role, "-n", namespace, "--verb=list,watch")
        bind = (role[0], "-n", namespace, f"--role={role[0]}", f"--serviceaccount={namespace}:reader")
        await cluster.kubectl("create", "rolebinding", *bind)
    await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    await cluster.apply(*(config_map(namespace, name, key="1") for name in ("granted", "refused", "unnamed")))
    await cluster.apply(ingress(namespace, "a", "granted"), ingress(namespace, "b", "refused"))
    kubeconfig = await cluster.kubeconfig_for_service_account(namespace, "reader")
    annotated = annotated_objects(allow_cross_namespace=False)
    found: dict[tuple[type[KubeObject], str], KubeObject] = {}

    def take(batch: Batch) -> None:
        for change in batch.changes:
            if isinstance(change, Applied):
                found[type(change.object), change.object.key.name] = change.object
            elif isinstance(change, Deleted):
                del found[change.kind, change.key.name]
            elif isinstance(change, Reported):
                assert not [each for each in change.problems if "configmaps" in str(each)]

    async def until_has(batches: AsyncGenerator[Batch, None], name: str, data: dict[str, str] | None) -> ConfigMap:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                each = found.get((ConfigMap, name))
                if isinstance(each, ConfigMap) and each.data == data:
                    return each
                take(await anext(batches))

    source = ApiServer(Access(kubeconfig), (namespace,), annotated=annotated)
    async with aclosing(source.batches()) as batches:
        assert not (await until_has(batches, "granted", {"key": "1"})).fault
        assert "403" in (await until_has(batches, "refused", None)).fault
        assert (Ingress, "b") in found
        await cluster.apply(config_map(namespace, "granted", key="2"))
        await until_has(batches, "granted", {"key": "2"})
        refused = ("role", "granted", "-n", namespace, "--type=json")
        names = '[{"op": "replace", "path": "/rules/0/resourceNames", "value": ["granted", "refused"]}]'
        await cluster.kubectl("patch", *refused, f"--patch={names}")
        assert not (await until_has(batches, "refused", {"key": "1"})).fault
        assert (ConfigMap, "unnamed") not in found
