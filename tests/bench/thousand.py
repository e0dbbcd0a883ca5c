"""1,000 Ingresses, Services and EndpointSlices in a folder."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.server import Served, served, write
from tests.support.ads_client import DeltaClient
from xds.snapshot.resource import ResourceType

COUNT = 1000

OBJECTS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web-{number}}}
spec:
  rules:
  - host: host-{number}.example.com
    http:
      paths:
      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: web-{number}, port: {{number: 80}}}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web-{number}}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-{number}-1, labels: {{kubernetes.io/service-name: web-{number}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: [{address}]}}, {{addresses: [10.2.0.2]}}]
"""


async def measure() -> AsyncIterator[Figure]:
    """Times are from the start of the process, imports included; resources are those of a delta client."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(COUNT):
            _write(folder, number)
        async with served(folder) as server:
            for figure in await _started(server):
                yield figure
            client = DeltaClient(server.listen, "bench").open()
            yield Figure("resources at connect", await _ask_for_all(client))
            _write(folder, 7, address="10.3.0.1")
            yield Figure("resources for one endpoint change", await _told(client), limit=1)
            _write(folder, 7, address="10.3.0.1", path="/other")
            yield Figure("resources for one Ingress change", await _told(client), limit=1)
        known = {type_: client.versions(type_) for type_ in ResourceType}
        await client.close()
        async with served(folder, listen=server.listen) as restarted:
            await restarted.ready()
            yield Figure("resources on reconnecting after a restart", await _reconnect(restarted, known), limit=0)


def _write(folder: Path, number: int, *, path: str = "/", address: str = "10.1.0.1") -> None:
    write(folder / f"web-{number}.yaml", OBJECTS.format(number=number, path=path, address=address))


async def _started(server: Served) -> list[Figure]:
    return [
        Figure("start to first snapshot, wall", await server.ready(), "s"),
        Figure("start to first snapshot, CPU", server.cpu, "s"),
        Figure("memory", server.memory, "MB"),
    ]


async def _ask_for_all(client: DeltaClient) -> int:
    """Subscribe as Envoy does, also to the names in responses, and acknowledge. Returns the number of resources."""
    return sum([await _ask(client, type_) for type_ in _ORDER])


_ORDER = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
    ResourceType.VIRTUAL_HOST,
)
_WILDCARDS = (ResourceType.CLUSTER, ResourceType.LISTENER, ResourceType.VIRTUAL_HOST)


async def _ask(client: DeltaClient, type_: ResourceType) -> int:
    names: dict[ResourceType, tuple[str, ...]] = {
        ResourceType.ENDPOINTS: tuple(client.versions(ResourceType.CLUSTER)),
        ResourceType.ROUTES: ("http@3",),
    }
    await client.subscribe(type_, *names.get(type_, ()))
    received = await client.receive()
    await client.ack(received)
    return len(received.items)


async def _told(client: DeltaClient) -> int:
    """The resources of the next response, after which there must be nothing more to say."""
    received = await client.receive()
    await client.ack(received)
    await client.expect_nothing()
    return len(received.items)


async def _reconnect(server: Served, known: dict[ResourceType, dict[str, str]]) -> int:
    """The number of resources sent to a client that resumes, until a last question is answered."""
    client = DeltaClient(server.listen, "bench").open()
    for type_ in _ORDER:
        await client.subscribe(type_, *(() if type_ in _WILDCARDS else known[type_]), known=known[type_])
    await client.subscribe(ResourceType.SECRET, "last")
    count = 0
    while "last" not in (received := await client.receive()).removed:
        count += len(received.items)
        await client.ack(received)
    await client.close()
    return count
