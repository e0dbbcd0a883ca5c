"""Traffic metrics by Ingress: the processor time of an Envoy for a request, with and without, and the scrapes."""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.figures import Figure
from tests.bench.filters import backend_server, cost, local_slice, side
from tests.bench.objects import NAMESPACE, Object, ingress, service, temporary_folder
from tests.bench.requests import answering, send
from tests.bench.server import Running, serving, write
from tests.support.envoy import free_port, running_envoy

ROUNDS: Final = 25
FAMILY: Final = "no policy"

LIMIT: Final = 1.03
"""The highest ratio of processor time for a request at which traffic metrics are on by default."""

INGRESSES: Final = 1000
SCRAPES: Final = 5

SIDES: Final = {
    "with": ("--traffic-metrics",),
    "without": (),
    "without, no access log": ("--access-log", "off"),
}
"""Flags of the control plane."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """A scrape, and the memory of the Envoy behind it in MB."""

    lines: int
    kilobytes: float
    seconds: float
    memory: float


async def measure() -> AsyncIterator[Figure]:
    """Sides take turns, so that a busy machine delays each alike."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        backend = await stack.enter_async_context(backend_server())
        sides = {
            name: await stack.enter_async_context(side(folder / name, backend, {FAMILY: {}}, None, *flags))
            for name, flags in SIDES.items()
        }
        costs: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, each in sides.items():
                costs[name].append(await cost(each, FAMILY))
        medians = {name: statistics.median(found) for name, found in costs.items()}
    beside = {name: value for name, value in medians.items() if name != "with"}
    yield Figure("CPU of Envoy for a request", medians["with"], "µs", {"without": beside["without"]}, LIMIT)
    yield Figure("CPU of Envoy for a request without metrics and access log", beside["without, no access log"], "µs")
    for name, flags, all_stats in (
        ("without traffic metrics", (), False),
        ("with traffic metrics", ("--traffic-metrics",), False),
        ("with traffic metrics and --all-stats", ("--traffic-metrics",), True),
    ):
        found = await _scrape(flags, all_stats=all_stats)
        title = f"{INGRESSES:,} Ingresses with traffic, {name}"
        yield Figure(f"{title}: lines of a scrape", found.lines)
        yield Figure(f"{title}: size of a scrape", found.kilobytes, "kB")
        yield Figure(f"{title}: time of a scrape", found.seconds * 1000, "ms")
        yield Figure(f"{title}: memory of Envoy", found.memory, "MB")


async def _scrape(flags: tuple[str, ...], *, all_stats: bool) -> Scrape:
    """After a request to each Ingress."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        backend = await stack.enter_async_context(backend_server())
        content = {"apiVersion": "v1", "kind": "List", "items": list(_objects(backend))}
        write(folder / "manifests" / "all.json", json.dumps(content))
        port, stats_port = free_port(), free_port()
        ports = ("--listener-address", "127.0.0.1", "--http-port", str(port), "--https-port", str(free_port()))
        server = await stack.enter_async_context(serving("--from", str(folder / "manifests"), *ports, *flags))
        envoy = await stack.enter_async_context(
            running_envoy(server.listen, folder, node="bench", stats_port=stats_port, all_stats=all_stats)
        )
        await answering(port, _request(INGRESSES - 1), patience=120)
        for number in range(INGRESSES):
            await send(port, _request(number), 8)
        await asyncio.sleep(6)  # a flush of the statistics
        times: list[float] = []
        text = ""
        async with aiohttp.ClientSession() as session:
            for _ in range(SCRAPES):
                began = time.perf_counter()
                async with session.get(f"http://127.0.0.1:{stats_port}/stats/prometheus") as answer:
                    text = await answer.text()
                times.append(time.perf_counter() - began)
        memory = Running(envoy.process, "").memory
    lines = sum(not line.startswith("#") for line in text.splitlines())
    return Scrape(lines, len(text) / 1000, statistics.median(times), memory)


def _objects(backend: int) -> Iterator[Object]:
    for number in range(INGRESSES):
        yield service(number)
        yield local_slice(f"web-{number}", backend, NAMESPACE)
        yield ingress(number)


def _request(number: int) -> bytes:
    return f"GET / HTTP/1.1\r\nhost: host-{number}.example.com\r\nuser-agent: bench\r\n\r\n".encode()
