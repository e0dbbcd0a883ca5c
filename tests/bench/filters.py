"""The processor time of an Envoy for a request: without a policy, and with each family of policies."""

import asyncio
import contextlib
import json
import os
import statistics
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure
from tests.bench.objects import Object, temporary_folder
from tests.bench.requests import answering, send
from tests.bench.server import Running, serving, write
from tests.support.envoy import free_port, running_envoy

REQUESTS: Final = 2000
ROUNDS: Final = 15

CHECKOUT: Final = "BENCH_BEFORE"
"""Names the checkout of another version, to measure requests without a policy beside."""

_NGINX: Final = "nginx.ingress.kubernetes.io/"
_OWN: Final = "xds-ingress.dev/"

FAMILIES: Final[Mapping[str, Mapping[str, str]]] = {
    "no policy": {},
    "timeouts and retries": {_NGINX + "proxy-read-timeout": "60", _NGINX + "proxy-next-upstream": "error http_503"},
    "body size": {_NGINX + "proxy-body-size": "1m"},
    "rate limit": {_NGINX + "limit-rps": "1000000"},
    "affinity by cookie": {_NGINX + "affinity": "cookie"},
    "no access log": {_NGINX + "enable-access-log": "false"},
    "names in answers": {_NGINX + "proxy-cookie-path": "/a /b"},
    "error pages": {_NGINX + "custom-http-errors": "503", _NGINX + "default-backend": "web"},
    "rewrite": {_NGINX + "rewrite-target": "/x"},
    "headers": {_OWN + "response-headers": "X-Frame-Options: DENY", _OWN + "request-headers": "X-A: 1"},
}


@dataclass(frozen=True, slots=True)
class Side:
    """An Envoy with the control plane of one version."""

    envoy: Running
    port: int


async def measure() -> AsyncIterator[Figure]:
    """Families, and versions, take turns, so that a busy machine delays each alike."""
    before = os.environ.get(CHECKOUT)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        backend = await stack.enter_async_context(backend_server())
        here = await stack.enter_async_context(side(folder / "here", backend, FAMILIES))
        sides = {name: (here, name) for name in FAMILIES}
        if before:
            plain = {"no policy": FAMILIES["no policy"]}
            there = await stack.enter_async_context(side(folder / "before", backend, plain, Path(before)))
            sides["before"] = (there, "no policy")
        costs: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, (measured, family) in sides.items():
                costs[name].append(await cost(measured, family))
    medians = {name: statistics.median(found) for name, found in costs.items()}
    yield _figure("no policy", medians, "before")
    for name in FAMILIES:
        if name != "no policy":
            yield _figure(name, medians, "no policy")


def _figure(name: str, medians: Mapping[str, float], beside: str) -> Figure:
    others = {beside: medians[beside]} if beside in medians else {}
    return Figure(f"CPU of Envoy for a request: {name}", medians[name], "µs", others)


async def cost(side: Side, family: str) -> float:
    """Microseconds of processor time of an Envoy for a request."""
    before = side.envoy.cpu_exact
    await send(side.port, _request(family), REQUESTS)
    return (side.envoy.cpu_exact - before) / REQUESTS * 1e6


def _host(family: str) -> str:
    return f"{family.replace(' ', '-')}.example.com"


def _request(family: str) -> bytes:
    return f"GET /page?x=1 HTTP/1.1\r\nhost: {_host(family)}\r\nuser-agent: bench\r\n\r\n".encode()


@contextlib.asynccontextmanager
async def side(
    folder: Path,
    backend: int,
    families: Mapping[str, Mapping[str, str]],
    checkout: Path | None = None,
    *flags: str,
) -> AsyncIterator[Side]:
    """An Envoy and its control plane, which has further flags."""
    manifests = folder / "manifests"
    folder.mkdir()  # noqa: ASYNC240 - in memory
    items = list(_objects(backend, families))
    write(manifests / "all.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    port = free_port()
    ports = ("--listener-address", "127.0.0.1", "--http-port", str(port), "--https-port", str(free_port()))
    async with (
        serving("--from", str(manifests), *ports, *flags, checkout=checkout) as server,
        running_envoy(server.listen, folder, node="bench") as envoy,
    ):
        for family in families:
            await answering(port, _request(family))
        yield Side(Running(envoy.process, ""), port)


def local_slice(service: str, port: int, namespace: str = "default") -> Object:
    """The EndpointSlice of a Service with one endpoint, on this machine."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def _objects(backend: int, families: Mapping[str, Mapping[str, str]]) -> Iterator[Object]:
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": "None", "ports": [{"port": 80}]},
    }
    yield local_slice("web", backend)
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
    for family, annotations in families.items():
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": family.replace(" ", "-"), "namespace": "default", "annotations": dict(annotations)},
            "spec": {"ingressClassName": "envoy", "rules": [{"host": _host(family), "http": {"paths": [path]}}]},
        }


@contextlib.asynccontextmanager
async def backend_server() -> AsyncIterator[int]:
    """A server with one answer for each request; yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
