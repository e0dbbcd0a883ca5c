"""The control plane of this folder's tests: it works, and can be broken and mended.

Excluded: anything of this project.
"""

import asyncio

import aiohttp
import pytest

from tests.support.cluster import Cluster, KubectlError, Pod, until_endpoints
from tests.support.echo import echo

A, B = "192.0.2.2", "192.0.2.3"


def service(namespace: str, name: str) -> dict[str, object]:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pod(cluster: Cluster, namespace: str, name: str, address: str) -> Pod:
    return Pod(cluster, namespace, name, address, {"app": "shop"}, {"http": 8080})


async def names(cluster: Cluster, namespace: str) -> list[str]:
    found = await cluster.get(f"/api/v1/namespaces/{namespace}/services")
    return [each["metadata"]["name"] for each in found["items"]]


async def test_the_controller_follows_the_life_of_pods(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(service(namespace, "shop"))
    a, b = pod(cluster, namespace, "a", A), pod(cluster, namespace, "b", B)
    await a.start()
    await b.start(ready=False)
    await until_endpoints(cluster, namespace, "shop", {A: "ready", B: "not ready"})
    await b.set_ready(True)
    await a.terminate()
    await until_endpoints(cluster, namespace, "shop", {A: "serving", B: "ready"})
    await a.set_ready(False)
    await until_endpoints(cluster, namespace, "shop", {A: "terminating", B: "ready"})
    await a.end()
    await until_endpoints(cluster, namespace, "shop", {B: "ready"})


async def test_backends_can_have_the_addresses_of_pods(cluster: Cluster) -> None:
    async with echo("a", A, 8080), echo("b", B, 8080), aiohttp.ClientSession() as session:
        for name, address in (("a", A), ("b", B)):
            async with session.get(f"http://{address}:8080") as answer:
                assert (await answer.json())["backend"] == name


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
async def test_objects_survive_a_kill(cluster: Cluster, namespace: str, name: str) -> None:
    part = next(part for part in cluster.parts if part.name == name)
    await cluster.apply(service(namespace, "before"))
    await part.kill()
    assert part.pid is None
    await part.start()
    await cluster.until("/readyz", lambda found: found == "ok")
    await cluster.apply(service(namespace, "after"))
    assert await names(cluster, namespace) == ["after", "before"]


async def test_controllers_work_at_once_after_an_outage(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(service(namespace, "shop"))
    await cluster.apiserver.kill()
    await cluster.start()
    await pod(cluster, namespace, "a", A).start()
    await until_endpoints(cluster, namespace, "shop", {A: "ready"})


async def test_a_dead_api_server_closes_its_port_and_a_paused_api_server_is_silent(cluster: Cluster) -> None:
    cluster.apiserver.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await cluster.get("/version")
    cluster.apiserver.resume()
    assert (await cluster.get("/version"))["major"] == "1"
    await cluster.apiserver.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await cluster.get("/version")


async def test_a_service_account_has_the_rights_of_its_role(cluster: Cluster, namespace: str) -> None:
    await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    file = await cluster.kubeconfig_for_service_account(namespace, "reader")
    with pytest.raises(KubectlError, match=f'"system:serviceaccount:{namespace}:reader" cannot list'):
        await cluster.kubectl("get", "services", "-n", namespace, kubeconfig=file)
    await cluster.kubectl("create", "role", "r", "-n", namespace, "--verb=list", "--resource=services")
    bind = ("create", "rolebinding", "r", "-n", namespace, "--role=r")
    await cluster.kubectl(*bind, f"--serviceaccount={namespace}:reader")
    token = await cluster.token_for(namespace, "reader")
    await cluster.until(f"/api/v1/namespaces/{namespace}/services", bool, token=token)
    assert await cluster.kubectl("get", "services", "-n", namespace, kubeconfig=file) == ""


async def test_a_watch_from_before_a_compaction_expires(cluster: Cluster, namespace: str) -> None:
    services = f"/api/v1/namespaces/{namespace}/services"
    before = (await cluster.get(services))["metadata"]["resourceVersion"]
    await cluster.apply(service(namespace, "a"))
    await cluster.compact()
    await cluster.apiserver.kill()
    await cluster.apiserver.start()
    event = await cluster.get(f"{services}?watch=1&resourceVersion={before}&timeoutSeconds=5")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
