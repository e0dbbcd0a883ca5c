"""1,000 TCP ports: start and memory beside 1,000 Ingresses, one entry more, and an endpoint change beside HTTP's.

As many Services are exposed by a ConfigMap of ports, by Ingresses and by nothing, each in a folder, in turn.
"""

import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import Figure
from tests.bench.server import Running, Served, served, write
from tests.support.ads_client import CDS, EDS, LDS, DeltaClient, Received
from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.objects import feed, pipeline, service, slice_of
from xds.kube.change import Applied
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.problem import Key
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

COUNT: Final = 1000

ROUNDS: Final = 50

FIRST: Final = 20_000
"""The first port; the ports of entries that come later follow the last."""

CONFIG_MAP: Final = Key("default", "tcp-services")

MOVED: Final = 7
"""The number of the Service whose endpoint changes."""

LIMIT_MS: Final = 5
LIMIT_KB: Final = 100
"""Of one entry more, in the control plane and in Envoy together."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Started:
    """A control plane and an Envoy: seconds from the start of each until all is served, and megabytes."""

    seconds: float
    cpu: float
    memory: float
    envoy_seconds: float
    envoy_memory: float


async def measure() -> AsyncIterator[Figure]:
    """A file is written for each change, so that reading is included, except where a figure says so."""
    with tempfile.TemporaryDirectory() as temporary:
        state = Path(temporary)
        ports, routes, none = (state / name for name in ("ports", "routes", "none"))
        _write(ports, "ports", [_services("web"), [_config_map(COUNT)]])
        _write(routes, "routes", [_services("http"), map(_ingress, range(COUNT)), [_config_map(0)]])
        _write(none, "none", [_services("web"), [_config_map(0)]])
        here, http, bare = [await _started(each, state) for each in (ports, routes, none)]
        for figure in _of_start(here, http, bare):
            yield figure
        yield Figure("one entry more, translated and built, CPU", _one_more_in_process(), "ms", limit=LIMIT_MS)
        async for figure in _one_more(ports, state):
            yield figure
        _write(ports, "routes", [_services("http"), map(_ingress, range(COUNT))])
        async for figure in _endpoint_change(ports):
            yield figure


async def _started(folder: Path, state: Path) -> Started:
    async with served(folder, *_flags()) as server:
        ready, cpu = await server.ready(), server.cpu
        began = time.monotonic()
        async with running_envoy(server.listen, state, node=folder.name) as envoy:
            await envoy.until_ready()
            took = time.monotonic() - began
            expected = COUNT if folder.name == "ports" else 0
            assert await _port_count(envoy) == expected
            await server.settled()
            return Started(ready, cpu, server.memory, took, Running(envoy.process, "").memory)


def _of_start(here: Started, http: Started, bare: Started) -> Iterator[Figure]:
    yield Figure("start to first snapshot, wall", here.seconds, "s", {"Ingresses": http.seconds})
    yield Figure("start to first snapshot, CPU", here.cpu, "s", {"Ingresses": http.cpu})
    yield Figure("memory of xds serve", here.memory, "MB", {"Ingresses": http.memory, "nothing exposed": bare.memory})
    yield Figure("Envoy's start until all is served", here.envoy_seconds, "s", {"Ingresses": http.envoy_seconds})
    beside = {"Ingresses": http.envoy_memory, "nothing exposed": bare.envoy_memory}
    yield Figure("memory of Envoy", here.envoy_memory, "MB", beside)
    more = (here.memory - bare.memory) + (here.envoy_memory - bare.envoy_memory)
    yield Figure("memory of both for one entry", more * 1000 / COUNT, "KB", limit=LIMIT_KB)


def _one_more_in_process() -> float:
    """Milliseconds of processor from the ConfigMap to the revision, the median of ROUNDS."""
    options = TranslateOptions(layer4=Layer4Options(config_maps={Transport.TCP: CONFIG_MAP}))
    objects = [each for number in range(COUNT) for each in (service(f"web-{number}"), slice_of(f"web-{number}"))]
    built = pipeline(*objects, _as_object(COUNT), translate=options)
    times = []
    for number in range(1, ROUNDS + 1):
        changed = _as_object(COUNT + number)
        began = time.process_time()
        feed(built, Applied(changed))
        times.append((time.process_time() - began) * 1000)
        assert f"tcp/{FIRST + COUNT + number - 1}" in built.store.resources(LDS)
    return statistics.median(times)


async def _one_more(folder: Path, state: Path) -> AsyncIterator[Figure]:
    """One more entry after the other, for Services that have an entry already."""
    async with served(folder, *_flags()) as server, _client(server) as client:
        before, sizes, counts, times = server.cpu_exact, list[int](), list[int](), list[float]()
        for number in range(1, ROUNDS + 1):
            began = time.monotonic()
            write(folder / "config-map.json", json.dumps(_config_map(COUNT + number)))
            received = await _next(client)
            times.append((time.monotonic() - began) * 1000)
            assert received.type is LDS
            counts.append(len(received.items) + len(received.removed))
            sizes += [len(each.body) for each in received.items.values()]
        await client.expect_nothing()
        processor = (server.cpu_exact - before) / ROUNDS * 1000
        yield Figure("one entry more: resources", max(counts), limit=1)
        yield Figure("one entry more: bytes of the resource", max(sizes))
        yield Figure("one entry more, from the file to the wire, median", statistics.median(times), "ms")
        yield Figure("one entry more, CPU of xds serve, reading included", processor, "ms")
        async with running_envoy(server.listen, state, node="more") as envoy:
            await envoy.until_ready()
            yield Figure("one entry more, from the file to Envoy's port", await _opened(folder, envoy), "ms")


async def _opened(folder: Path, envoy: Envoy) -> float:
    """Milliseconds until the port accepts connections, the median of ROUNDS."""
    assert await _port_count(envoy) == COUNT + ROUNDS
    times = []
    for number in range(ROUNDS + 1, 2 * ROUNDS + 1):
        began = time.monotonic()
        write(folder / "config-map.json", json.dumps(_config_map(COUNT + number)))
        while not await _accepts(FIRST + COUNT + number - 1):
            await asyncio.sleep(0.001)
        times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


async def _endpoint_change(folder: Path) -> AsyncIterator[Figure]:
    """Changes of a Service behind a port and of one behind an Ingress in turn."""
    write(folder / "config-map.json", json.dumps(_config_map(COUNT)))
    async with served(folder, *_flags()) as server, _client(server) as client:
        times: dict[str, list[float]] = {"web": [], "http": []}
        counts: list[int] = []
        for number in range(2 * ROUNDS):
            for kind, found in times.items():
                began = time.monotonic()
                changed = _slice(kind, MOVED, f"10.200.0.{number + 1}")
                write(folder / f"{kind}-moved.json", json.dumps(changed))
                received = await _next(client)
                found.append((time.monotonic() - began) * 1000)
                assert received.type is EDS
                counts.append(len(received.items) + len(received.removed))
        await client.expect_nothing()
    yield Figure("endpoint change: resources", max(counts), limit=1)
    tcp, http = (statistics.median(found) for found in times.values())
    yield Figure("endpoint change, from the file to the wire, median", tcp, "ms", {"HTTP": http}, limit=1.1)


# Clients


@contextlib.asynccontextmanager
async def _client(server: Served) -> AsyncIterator[DeltaClient]:
    """A client that has all clusters, their endpoints and all listeners."""
    await server.ready()
    client = DeltaClient(server.listen, "bench").open()
    try:
        await client.subscribe(CDS)
        await _next(client)
        await client.subscribe(EDS, *client.versions(CDS))
        await _next(client)
        await client.subscribe(LDS)
        await _next(client)
        yield client
    finally:
        await client.close()


async def _next(client: DeltaClient) -> Received:
    received = await client.receive()
    await client.ack(received)
    return received


async def _port_count(envoy: Envoy) -> int:
    names = json.loads(await envoy.get("/listeners?format=json"))["listener_statuses"]
    return sum(each["name"].startswith("tcp/") for each in names)


async def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


# Objects


def _flags() -> tuple[str, ...]:
    ports = ("--http-port", str(free_port()), "--https-port", str(free_port()))
    return ("--tcp-services-configmap", str(CONFIG_MAP), "--listener-address", "127.0.0.1", *ports)


def _write(folder: Path, name: str, objects: Iterable[Iterable[Object]]) -> None:
    """Write a file of the objects. The ConfigMap, and each EndpointSlice that changes, has a file of its own."""
    items = [each for some in objects for each in some]
    for kind, names in (("ConfigMap", "config-map"), ("EndpointSlice", "")):
        for each in [each for each in items if each["kind"] == kind]:
            moved = each["metadata"]["name"].removesuffix(f"-{MOVED}-1")
            if file := names or (f"{moved}-moved" if moved != each["metadata"]["name"] else ""):
                items.remove(each)
                write(folder / f"{file}.json", json.dumps(each))
    write(folder / f"{name}.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def _services(kind: str) -> Iterator[Object]:
    for number in range(COUNT):
        metadata = {"name": f"{kind}-{number}", "namespace": "default"}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
        yield _slice(kind, number, f"10.{number >> 8}.{number & 255}.1")


def _slice(kind: str, number: int, address: str) -> Object:
    labels = {"kubernetes.io/service-name": f"{kind}-{number}"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{kind}-{number}-1", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [address]}, {"addresses": ["10.100.0.1"]}],
    }


def _ingress(number: int) -> Object:
    backend = {"service": {"name": f"http-{number}", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": f"http-{number}", "namespace": "default"},
        "spec": {"rules": [{"host": f"host-{number}.example.com", "http": {"paths": [path]}}]},
    }


def _entries(count: int) -> dict[str, str]:
    return {str(FIRST + number): f"default/web-{number % COUNT}:80" for number in range(count)}


def _config_map(count: int) -> Object:
    metadata = {"name": CONFIG_MAP.name, "namespace": CONFIG_MAP.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": _entries(count)}


def _as_object(count: int) -> ConfigMap:
    return ConfigMap(Metadata(CONFIG_MAP.name, CONFIG_MAP.namespace), _entries(count))
