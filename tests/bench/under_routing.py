"""From writing an EndpointSlice file to the endpoint on a stream, idle and while 5,000 Ingresses are read and
translated.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure
from tests.bench.server import served, write
from tests.support.ads_client import DeltaClient
from xds.snapshot.resource import ResourceType

COUNT: Final = 5000
CHANGES: Final = 15
TIMES: Final = 6
"""Rounds in which the default backend, used by every host, changes to another Service, and every file is rewritten with
another path; with CHANGES in each round.
"""

OBJECTS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web-{number}}}
spec:
  rules:
  - host: host-{number}.example.com
    http:
      paths:
      - {{path: /{path}, pathType: Prefix, backend: {{service: {{name: web-{number}, port: {{number: 80}}}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web-{number}}}
spec: {{ports: [{{port: 80}}]}}
"""

DEFAULT = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: default}}
spec: {{defaultBackend: {{service: {{name: web-{number}, port: {{number: 80}}}}}}}}
"""

SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-0-1, labels: {{kubernetes.io/service-name: web-0}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: [{address}]}}]
"""


async def measure() -> AsyncIterator[Figure]:
    """The folder waits for 3 ms without writes, which every time includes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write_all(folder, 0)
        addresses = (f"10.0.{number >> 8}.{number & 255}" for number in itertools.count(1))
        async with served(folder) as server:
            await server.ready()
            client = DeltaClient(server.listen, "bench").open()
            await client.subscribe(ResourceType.ENDPOINTS, "default/web-0/80")
            await client.ack(await client.receive())
            idle = [await _change(client, folder, next(addresses)) for _ in range(CHANGES * TIMES)]
            built = [await _while_built(client, folder, number, addresses) for number in range(1, TIMES + 1)]
            read = [await _while_read(client, folder, number, addresses) for number in range(1, TIMES + 1)]
            await client.close()
    busy = {"while all hosts are built": built, "while all files are read": read}
    for name, times in {"idle": idle, **{name: list(itertools.chain(*each)) for name, each in busy.items()}}.items():
        yield Figure(f"{name}, median", statistics.median(times), "ms")
        yield Figure(f"{name}, worst", max(times), "ms")


async def _while_built(client: DeltaClient, folder: Path, number: int, addresses: Iterator[str]) -> list[float]:
    write(folder / "default.yaml", DEFAULT.format(number=number))
    await asyncio.sleep(0.05)  # until the folder is read
    return [await _change(client, folder, next(addresses)) for _ in range(CHANGES)]


async def _while_read(client: DeltaClient, folder: Path, number: int, addresses: Iterator[str]) -> list[float]:
    _write_all(folder, number)
    times = [await _change(client, folder, next(addresses)) for _ in range(CHANGES * 3)]
    await asyncio.sleep(2)  # until the Ingresses are translated
    return times


def _write_all(folder: Path, path: int) -> None:
    for number in range(COUNT):
        write(folder / f"web-{number}.yaml", OBJECTS.format(number=number, path=path or ""))


async def _change(client: DeltaClient, folder: Path, address: str) -> float:
    start = time.monotonic()
    write(folder / "slice.yaml", SLICE.format(address=address))
    received = await client.receive()
    took = time.monotonic() - start
    await client.ack(received)
    return took * 1000
