"""From nothing to the first answered request, and on: Pods of the chart run, with real Envoys.

A rollout of both workloads fails no request: the load balancer leaves an Envoy before the end, and the Envoy waits for
the last requests, and for connections of TCP ports, one of which is below 1024.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import aiohttp
import pytest
import yaml

from tests.support import chart
from tests.support.authority import Authority, Issued
from tests.support.chart_values import CHART
from tests.support.cluster import Cluster
from tests.support.cluster.assets import KUBECTL
from tests.support.envoy_binary import BINARY, MISSING_REASON
from tests.support.http import Connection
from tests.support.manifests import K8S
from tests.support.node.load import client_load

pytestmark = [
    pytest.mark.skipif(not BINARY.exists(), reason=MISSING_REASON),
    pytest.mark.timeout(900),
]

HOST = "shop.example.com"
LABELS = {"app": "shop"}
LIMIT_SECONDS = 300

SHORT = {
    "fleet": {"minReadySeconds": 1, "drainSeconds": 3, "concurrency": 1},
    "controlPlane": {"ui": {"enabled": False}},
}
"""The load balancer of these tests notices a change within a second."""


PODS = {"Deployment": 4, "DaemonSet": 3}
"""Of control plane and fleet, by the kind of the fleet's workload, on one node."""


def shop(issued: Issued) -> list[dict[str, Any]]:
    """A Deployment, its Service, and an Ingress with a certificate."""
    container = {"name": "shop", "image": "backend", "ports": [{"name": "http", "containerPort": 8080}]}
    container["readinessProbe"] = {"tcpSocket": {"port": "http"}}  # type: ignore[assignment]
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    backend = {"service": {"name": "shop", "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    tls = [{"hosts": [HOST], "secretName": "shop"}]
    specs: dict[tuple[str, str], dict[str, Any]] = {
        ("apps/v1", "Deployment"): {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template},
        ("v1", "Service"): {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        ("networking.k8s.io/v1", "Ingress"): {
            "ingressClassName": "envoy",
            "rules": [{"host": HOST, "http": {"paths": paths}}],
            "tls": tls,
        },
    }
    objects = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": "shop"}, "spec": spec}
        for (version, kind), spec in specs.items()
    ]
    data = {"tls.crt": issued.certificate.decode(), "tls.key": issued.private_key.decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop"}, "type": "kubernetes.io/tls"}
    return [{**secret, "stringData": data}, *objects]


async def until_answered(address: str, context: ssl.SSLContext | None = None) -> dict[str, Any]:
    """The first answer 200 of the shop, by plain HTTP or HTTPS."""
    url = f"{'https' if context else 'http'}://{address}/"
    last: object = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                try:
                    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context or True))
                    headers = {"Host": HOST}
                    async with session, session.get(url, headers=headers, server_hostname=HOST) as answer:
                        if answer.status == 200:
                            return dict(await answer.json())
                        last = answer.status
                except (aiohttp.ClientError, ssl.SSLError) as error:
                    last = error
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"{url}: {last!r}") from None


async def until_address(cluster: Cluster, namespace: str) -> str:
    """The address that the control plane has written into the status of the Ingress."""
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/shop"
    found = await cluster.until(path, lambda each: bool(each["status"].get("loadBalancer", {}).get("ingress")))
    return str(found["status"]["loadBalancer"]["ingress"][0]["ip"])


@pytest.fixture
async def shop_namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace for the shop."""
    name = f"shop-{secrets.token_hex(4)}"
    await cluster.kubectl("create", "namespace", name)
    yield name
    await cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
async def test_from_nothing_to_the_first_request_and_through_upgrades(
    cluster: Cluster, namespace: str, shop_namespace: str, figures: list[str], kind: str
) -> None:
    entry, count = f"{shop_namespace}/shop:http", PODS[kind]
    values = chart.merged(SHORT, {"fleet": {"kind": kind}, "tcp": {"22": entry}})
    authority = Authority()
    objects = shop(authority.issue(HOST))
    began = time.monotonic()
    place = ("edge", str(CHART), f"--namespace={namespace}")
    await chart.on(cluster, "install", *place, values=values)
    in_shop = f"--namespace={shop_namespace}"
    await cluster.kubectl("apply", in_shop, "--filename=-", stdin=yaml.safe_dump_all(objects))
    address = await until_address(cluster, shop_namespace)
    await until_answered(address)
    figures.append(first(began, "helm install, kubectl apply, curl"))

    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    answer = await until_answered(address, trusting)
    assert answer["headers"]["x-forwarded-proto"] == "https"

    await until_answered(f"{address}:22")
    before = await pods(cluster, namespace)
    values = chart.merged(values, {"tcp": {"9000": entry}})
    await chart.on(cluster, "upgrade", *place, values=values)
    await until_answered(f"{address}:9000")
    assert await until_only(cluster, namespace, count) == before, "one more port replaces no Pod"

    upgrade = {"controlPlane": {"podAnnotations": {"changed": "yes"}}, "fleet": {"podAnnotations": {"changed": "yes"}}}
    rolled = ("--wait", "--timeout=200s")
    async with client_load(f"http://{address}/", HOST) as load:
        # The update of a DaemonSet ends with the last old Pod, and so with the connection.
        kept_open = kept_connection(address, 22) if kind == "Deployment" else contextlib.nullcontext([200])
        async with kept_open as kept:
            await chart.on(cluster, "upgrade", *place, *rolled, values=chart.merged(values, upgrade))
        assert set(kept) == {200}, "the replaced Envoy waits for connections of a TCP port"
        upgraded = await until_only(cluster, namespace, count)
        assert not before & upgraded
        sent, failed = load.sent, len(load.failed)
        figures.append(f"helm upgrade, which rolls all Pods ({kind}): {failed} of {sent} requests failed")
        await chart.on(cluster, "rollback", "edge", "1", f"--namespace={namespace}", *rolled)
        assert not upgraded & await until_only(cluster, namespace, count)
        figures.append(f"helm rollback ({kind}): {len(load.failed) - failed} of {load.sent - sent} requests failed")
    assert not load.failed, load.failed[:5]
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}", "--wait", "--timeout=200s")


async def test_from_nothing_to_the_first_request_with_kustomize(
    cluster: Cluster, shop_namespace: str, tmp_path: Path, figures: list[str]
) -> None:
    authority = Authority()
    objects = shop(authority.issue(HOST))
    began = time.monotonic()
    await cluster.kubectl("apply", "--server-side", f"--kustomize={K8S}")
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": f"{KUBECTL.parent}:{os.environ['PATH']}",
    }
    command = (K8S / "certificates.sh", tmp_path / "certificates")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(LIMIT_SECONDS):
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    in_shop = f"--namespace={shop_namespace}"
    await cluster.kubectl("apply", in_shop, "--filename=-", stdin=yaml.safe_dump_all(objects))
    address = await until_address(cluster, shop_namespace)
    await until_answered(address)
    figures.append(first(began, "kubectl apply -k k8s, k8s/certificates.sh, kubectl apply, curl"))
    await until_answered(address, ssl.create_default_context(cadata=authority.pem.decode()))
    # Without the minutes of a graceful end: the guides' commands need a namespace of the same name.
    await cluster.kubectl("delete", f"--kustomize={K8S}", "--wait=false")
    await cluster.kubectl("delete", "pods", "--all", "--namespace=xds-ingress", "--force", "--grace-period=0")
    await cluster.kubectl("wait", "--for=delete", "namespace/xds-ingress", "--timeout=60s")


@contextlib.asynccontextmanager
async def kept_connection(host: str, port: int) -> AsyncIterator[list[int]]:
    """A connection with a request each second until the end. Yields the statuses; 0: the connection was cut."""
    statuses: list[int] = []
    with socket.create_connection((host, port)) as client:
        client.setblocking(False)
        connection = await Connection.open(by=client)

        ended = asyncio.Event()

        async def ask() -> None:
            while not ended.is_set():
                await asyncio.sleep(1)
                statuses.append((await connection.get(HOST)).status)

        async with asyncio.TaskGroup() as asking:
            asking.create_task(ask())
            yield statuses
            ended.set()
        connection.close()


def first(began: float, commands: str) -> str:
    """The line for the time until now."""
    count = commands.count(",") + 1
    return f"nothing to the first answered request: {time.monotonic() - began:.1f} s, {count} commands: {commands}"


async def pods(cluster: Cluster, namespace: str) -> set[str]:
    """The names of the Pods, also of those that end."""
    found = await cluster.get(f"/api/v1/namespaces/{namespace}/pods")
    return {each["metadata"]["name"] for each in found["items"]}


async def until_only(cluster: Cluster, namespace: str, count: int) -> set[str]:
    """The names of the Pods, once so many are left, and all are ready."""

    def settled(found: Any) -> bool:
        ready = [
            condition["status"] == "True" and not pod["metadata"].get("deletionTimestamp")
            for pod in found["items"]
            for condition in pod["status"].get("conditions", ())
            if condition["type"] == "Ready"
        ]
        return len(ready) == len(found["items"]) == count and all(ready)

    async with asyncio.timeout(LIMIT_SECONDS):
        while not settled(found := await cluster.get(f"/api/v1/namespaces/{namespace}/pods")):
            await asyncio.sleep(0.2)
    return {each["metadata"]["name"] for each in found["items"]}
