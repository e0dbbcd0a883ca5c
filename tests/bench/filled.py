"""A real API server full of objects."""

import asyncio
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.objects import NAMESPACE, Object, endpoint_slice, ingress, service, service_named
from tests.support.cluster import Cluster, cluster

CONNECTIONS: Final = 48

INGRESSES: Final = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SERVICES: Final = f"/api/v1/namespaces/{NAMESPACE}/services"

SHARED: Final = "shared"


@dataclass(frozen=True, slots=True)
class Filled:
    """The control plane, and connections to its API server."""

    cluster: Cluster
    session: aiohttp.ClientSession

    async def patch(self, path: str, body: Object) -> None:
        """A merge patch."""
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self.session.patch(path, data=json.dumps(body), headers=headers) as answer:
            await answer.read()


@contextlib.asynccontextmanager
async def filled(
    count: int, *, shared: bool = False, namespaces: Sequence[str] = (NAMESPACE,)
) -> AsyncIterator[Filled]:
    """A control plane with `count` Ingresses, Services and EndpointSlices of ENDPOINTS endpoints.

    Args:
        shared: Whether a Service SHARED exists, to which every Ingress has a path.
        namespaces: Each has all objects.
    """
    with tempfile.TemporaryDirectory() as temporary:
        async with cluster(Path(temporary)) as running, _session(running) as session:
            for name in namespaces:
                await running.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            objects = iter([each for name in namespaces for each in _objects(count, SHARED if shared else "", name)])
            async with asyncio.TaskGroup() as group:
                for _ in range(CONNECTIONS):
                    group.create_task(_create(session, objects))
            yield Filled(running, session)


def _session(running: Cluster) -> aiohttp.ClientSession:
    trusting = ssl.create_default_context(cafile=running.ca)
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusting)
    return aiohttp.ClientSession(running.server, headers=headers, connector=connector, raise_for_status=True)


async def _create(session: aiohttp.ClientSession, objects: Iterator[tuple[str, Object]]) -> None:
    for path, body in objects:
        async with session.post(path, data=json.dumps(body)) as answer:
            await answer.read()


def in_namespace(path: str, namespace: str) -> str:
    """The path of another namespace's collection or object."""
    return path.replace(f"/{NAMESPACE}/", f"/{namespace}/")


def _objects(count: int, shared: str, namespace: str) -> Iterator[tuple[str, Object]]:
    """Collections and their objects."""
    for path, body in _of_namespace(count, shared):
        yield in_namespace(path, namespace), {**body, "metadata": {**body["metadata"], "namespace": namespace}}


def _of_namespace(count: int, shared: str) -> Iterable[tuple[str, Object]]:
    if shared:
        yield SERVICES, service_named(shared)
    for number in range(count):
        yield SERVICES, service(number)
        yield SLICES, endpoint_slice(number)
        yield INGRESSES, ingress(number, shared=shared)
