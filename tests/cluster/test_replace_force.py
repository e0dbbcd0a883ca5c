"""`kubectl replace --force` under load: the object is deleted, then created again, and no request fails.

Covers: each kind that an Ingress needs, a Service together with its Ingress, the real controllers of EndpointSlices and
of garbage (which deletes the slices of a deleted Service), a real Envoy, requests on new connections, the problems and
the status meanwhile. Excludes: order and time of single changes (tests/controlplane/test_delayed_deletions.py).
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.support.cluster import Cluster
from tests.support.cluster import control_plane as real
from tests.support.cluster.assets import missing
from tests.support.cluster.control_plane import CONTROLLERS, Object, own_address
from tests.support.cluster.replica import Replica, following
from tests.support.cluster.traffic import HOST, NAME, PORT, ingress, pods_of, service
from tests.support.envoy import needs_envoy, running_envoy
from tests.support.objects import certificate
from tests.support.waiting import until
from xds.kube.delayed_deletions import DELETION_GRACE_SECONDS
from xds.kube.ingress_class import CONTROLLER

pytestmark = needs_envoy

NAMESPACE = "shop"
CLASS = "edge"
ADDRESS = "198.51.100.7"
HTTPS_PORT = 8443
TRIALS = 4
CLIENTS = 2
PAUSE_SECONDS = 0.005


def shop() -> Object:
    made = ingress(NAMESPACE, NAME, HOST)
    made["spec"]["ingressClassName"] = CLASS  # not the name that is ours without an IngressClass
    made["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/custom-headers": f"{NAMESPACE}/headers"}
    made["spec"]["tls"] = [{"hosts": [HOST], "secretName": "cert"}]
    return made


def config_map() -> Object:
    metadata = {"name": "headers", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"X-Frame-Options": "DENY"}}


def secret() -> Object:
    pair = certificate(HOST)
    data = {"tls.crt": base64.b64encode(pair.chain).decode(), "tls.key": base64.b64encode(pair.key).decode()}
    metadata = {"name": "cert", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}


def ingress_class() -> Object:
    metadata, spec = {"name": CLASS}, {"controller": CONTROLLER}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": spec}


@dataclass(slots=True)
class Requests:
    """Requests over HTTP and HTTPS, each on a new connection."""

    proxy: str
    sent: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self, url: str) -> None:
        """Send requests until cancelled."""
        connector = aiohttp.TCPConnector(force_close=True, ssl=False)
        async with aiohttp.ClientSession(connector=connector, headers={"Host": HOST}) as session:
            while True:
                self.sent += 1
                try:
                    async with session.post(url, server_hostname=HOST if url.startswith("https") else None) as answer:
                        if answer.status != 200 or answer.headers.get("X-Frame-Options") != "DENY":
                            self.failed.append(f"{answer.status} {await answer.text()}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failed.append(repr(error))
                await asyncio.sleep(PAUSE_SECONDS)


@dataclass(slots=True)
class Running:
    cluster: Cluster
    replica: Replica
    requests: Requests

    async def replace(self, *objects: Object) -> float:
        """Replace the objects by force. Returns kubectl's seconds after the time in which a deletion would count."""
        began = time.monotonic()
        await self.cluster.kubectl("replace", "--force", "-f", "-", stdin=yaml.safe_dump_all(objects))
        seconds = time.monotonic() - began
        await asyncio.sleep(2 * DELETION_GRACE_SECONDS)
        return seconds

    async def more_requests(self, count: int) -> None:
        wanted = self.requests.sent + count
        await until(lambda: self.requests.sent >= wanted)

    @property
    def problems(self) -> list[str]:
        """The problems that were logged so far."""
        lines = [json.loads(line) for line in self.replica.log.read_text().splitlines() if line.startswith("{")]
        return [str(line) for line in lines if line["event"] == "problem"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    if reason := missing():
        pytest.skip(reason)
    folder, proxy = tmp_path_factory.mktemp("replace"), own_address()
    async with contextlib.AsyncExitStack() as stack:
        own = real.cluster(folder / "cluster", controllers=[*CONTROLLERS, "garbage-collector-controller"])
        cluster = await stack.enter_async_context(own)
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await cluster.apply(config_map(), secret(), ingress_class())
        await stack.enter_async_context(pods_of(cluster, NAMESPACE, 2))
        await cluster.apply(shop())
        flags = (*following(cluster, NAMESPACE), "--publish-address", ADDRESS)
        replica = Replica(flags, folder / "xds.log", proxy)
        stack.push_async_callback(replica.kill)
        await replica.start()
        envoy = await stack.enter_async_context(running_envoy(replica.listen, folder))
        await envoy.until_ready()
        requests = Requests(proxy)
        urls = [f"http://{proxy}:{PORT}/", f"https://{proxy}:{HTTPS_PORT}/"] * CLIENTS
        tasks = [asyncio.create_task(requests.run(url)) for url in urls]
        stack.callback(lambda: [task.cancel() for task in tasks])
        yield Running(cluster, replica, requests)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "objects",
    [[shop()], [service(NAMESPACE)], [secret()], [config_map()], [ingress_class()], [service(NAMESPACE), shop()]],
    ids=["Ingress", "Service", "Secret", "ConfigMap", "IngressClass", "Service and Ingress"],
)
async def test_no_request_fails_when_an_object_is_replaced_by_force(running: Running, objects: list[Object]) -> None:
    """On a busy machine kubectl may need more time for its requests than deletions wait: such a trial says nothing."""
    requests, seconds, limit = running.requests, list[float](), DELETION_GRACE_SECONDS * len(objects)
    for _ in range(TRIALS):
        await running.more_requests(20)
        requests.failed.clear()
        known = len(running.problems)
        seconds.append(await running.replace(*objects))
        await running.more_requests(20)
        if seconds[-1] < limit:
            assert not requests.failed[:5]
            assert not running.problems[known:]
    print(f"\nkubectl took {', '.join(f'{each:.2f}' for each in seconds)} s")
    if min(seconds) >= limit:
        pytest.skip(f"kubectl took {min(seconds):.2f} s on this busy machine; run the test alone")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_ingress_created_again_gets_its_status_again(running: Running) -> None:
    await running.replace(shop())
    path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses/{NAME}"

    def published(found: Any) -> bool:
        return [each["ip"] for each in found["status"]["loadBalancer"].get("ingress", ())] == [ADDRESS]

    await running.cluster.until(path, published)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_deleted_ingress_goes(running: Running) -> None:
    await running.cluster.kubectl("delete", "ingress", NAME, "-n", NAMESPACE)
    await until(lambda: bool(running.requests.failed))
