"""A certificate by HTTP-01 on a real API server, with the objects and in the order of cert-manager.

Covers: the real `xds serve --redirect-https`, a real Envoy, the token by plain HTTP from a solver's Pod, the site's
answers before and after, no problem and no Event at any time. Excludes: cert-manager and the authority, which the
test plays; the sites of other kinds (tests/translate/test_cert_manager.py, tests/e2e/test_cert_manager.py).
"""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cert_manager import CHALLENGE, SITES, SOLVER, TOKEN, site_ingress, solver_ingress
from tests.support.cluster import Cluster, Pod
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica
from tests.support.cluster.traffic import HOST, NAME, PORT, ingress, pods_of
from tests.support.echo import echo
from tests.support.envoy import needs_envoy, running_envoy
from tests.support.http import CLOSED, Connection, Reply
from tests.support.objects import certificate, manifest
from tests.support.waiting import WAIT_LIMIT_SECONDS

pytestmark = needs_envoy

HTTPS_PORT: Final = 8443
SOLVER_PORT: Final = 8089
SOLVER_ADDRESS: Final = "192.0.2.200"
CERT_MANAGER: Final = {"acme.cert-manager.io/http01-solver": "true"}


class World:
    """The site, its solver, and requests to the proxy."""

    def __init__(self, cluster: Cluster, namespace: str, replica: Replica, proxy: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.replica = replica
        self.proxy = proxy
        self._pod = Pod(cluster, namespace, SOLVER, SOLVER_ADDRESS, CERT_MANAGER, {"http": SOLVER_PORT})

    async def get(self, path: str, *, tls: bool = False) -> Reply:
        try:
            where = socket.create_connection((self.proxy, HTTPS_PORT if tls else PORT))
            connection = await Connection.open(by=where, tls=tls, sni=HOST)
        except (ssl.SSLError, ConnectionError):
            return CLOSED
        with contextlib.closing(connection):
            return await connection.get(HOST, path, Connection="close")

    async def until_answered(self, path: str, status: int, *, tls: bool = False) -> None:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while (await self.get(path, tls=tls)).status != status:
                await asyncio.sleep(0.05)

    async def until_event(self) -> None:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not await self.events():
                await asyncio.sleep(0.1)

    async def apply(self, found: dict[str, Any]) -> None:
        found["metadata"]["namespace"] = self.namespace
        await self.cluster.apply(found)

    async def solve(self) -> None:
        """Make the objects of a solver: Pod, Service, Ingress."""
        await self._pod.start()
        ports = [{"name": "http", "port": SOLVER_PORT, "targetPort": SOLVER_PORT}]
        spec = {"type": "NodePort", "selector": CERT_MANAGER, "ports": ports}
        await self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SOLVER}, "spec": spec})
        await self.apply(manifest(solver_ingress(HOST, "Exact", "name")))

    async def clean_up(self) -> None:
        """Remove them in the same order."""
        await self._pod.end()
        await self.cluster.request("DELETE", f"/api/v1/namespaces/{self.namespace}/services/{SOLVER}")
        await asyncio.sleep(0.5)  # how slow cert-manager may be
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/ingresses/{SOLVER}"
        await self.cluster.request("DELETE", path)

    async def problems(self) -> list[str]:
        return [f"{each.object.name}: {each.reason}" for each in await self.replica.problems()]

    async def events(self) -> set[str]:
        found = await self.cluster.get(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        ours = (each for each in found["items"] if each["reportingController"].startswith("xds-ingress"))
        return {f"{each['regarding']['name']}: {each['reason']}" for each in ours}


@pytest.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace  # of the Lease
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    source = ("--kubeconfig", tmp_path / "kubeconfig", "--namespace", namespace, "--redirect-https")
    proxy = own_address()
    replica = Replica(source, tmp_path / "serve.log", proxy)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(pods_of(cluster, namespace, 1))
        await stack.enter_async_context(echo("solver", SOLVER_ADDRESS, SOLVER_PORT))
        stack.push_async_callback(replica.kill)
        await replica.start()
        envoy = await stack.enter_async_context(running_envoy(replica.listen, tmp_path))
        await envoy.until_ready()
        yield World(cluster, namespace, replica, proxy)


async def test_an_issue_by_http01_makes_no_problem_and_no_event(world: World) -> None:
    await world.apply(manifest(site_ingress(HOST, SITES["plain"], name=NAME, to=NAME)))
    await world.until_answered("/", 308)
    assert await world.problems() == []

    await world.solve()
    await world.until_answered(f"{CHALLENGE}{TOKEN}", 200)
    assert (await world.get(f"{CHALLENGE}{TOKEN}")).backend == "solver"
    assert (await world.get("/")).status == 308
    assert await world.problems() == []

    pair = certificate(HOST)
    data = {name: base64.b64encode(text).decode() for name, text in (("tls.crt", pair.chain), ("tls.key", pair.key))}
    made = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": f"{NAME}-tls"}}
    await world.apply({**made, "data": data})
    await world.until_answered("/", 200, tls=True)
    await world.clean_up()
    await world.until_answered(f"{CHALLENGE}{TOKEN}", 308)
    assert await world.problems() == []

    # Events are written in order, so one for a real mistake says that none is to come.
    mistake = ingress(world.namespace, "mistake", "mistake.test")
    mistake["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "gone"
    await world.cluster.apply(mistake)
    await world.until_event()
    assert await world.events() == {"mistake: BackendNotFound"}
