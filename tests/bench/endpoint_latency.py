"""From writing an EndpointSlice file to the endpoint in two Envoys, 100 times."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.server import served, write
from tests.support.envoy import Envoy, free_port, running_envoy

ROUNDS = 100

MANIFESTS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  defaultBackend: {service: {name: web, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""

SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: [{address}]}}]
"""


async def measure() -> AsyncIterator[Figure]:
    """Times are read from each Envoy's admin port, which is polled without a pause and answers in about 1 ms."""
    with tempfile.TemporaryDirectory() as temporary:
        state = Path(temporary)
        folder = state / "manifests"
        write(folder / "web.yaml", MANIFESTS)
        async with (
            served(folder, *_listeners()) as server,
            running_envoy(server.listen, state, node="one") as one,
            running_envoy(server.listen, state, node="two") as two,
        ):
            await asyncio.gather(one.until_ready(), two.until_ready())
            rounds = [await _round(folder, address, (one, two)) for address in _addresses()]
    for figure in _summary(rounds):
        yield figure


def _listeners() -> tuple[str, ...]:
    return ("--http-port", str(free_port()), "--https-port", str(free_port()), "--listener-address", "127.0.0.1")


async def _round(folder: Path, address: str, envoys: tuple[Envoy, ...]) -> list[float]:
    start = time.monotonic()
    write(folder / "slice.yaml", SLICE.format(address=address))
    return [(at - start) * 1000 for at in await asyncio.gather(*(_has(envoy, address) for envoy in envoys))]


async def _has(envoy: Envoy, address: str) -> float:
    while f"{address}:8080" not in await envoy.get("/clusters"):
        pass
    return time.monotonic()


def _addresses() -> Iterator[str]:
    return (f"10.0.0.{number}" for number in range(1, ROUNDS + 1))


def _summary(rounds: list[list[float]]) -> Iterator[Figure]:
    for name, times in zip(("first Envoy", "second Envoy"), zip(*rounds, strict=True), strict=True):
        yield Figure(f"{name}, median", statistics.median(times), "ms")
        yield Figure(f"{name}, worst", max(times), "ms")
