"""A Service whose pods answer, an Ingress for the Service, and clients with endless requests."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.support.cluster.control_plane import Cluster
from tests.support.cluster.pods import Pod, addresses
from tests.support.echo import echo

NAME: Final = "shop"
HOST: Final = "shop.test"
PORT: Final = 8080
"""Of pods, and of Envoy's listener."""

CLIENTS: Final = 4
PAUSE: Final = 0.005
"""Seconds between two requests of a client: a steady load that leaves the machine to the measured processes."""

LIMIT: Final = 200_000
"""Requests, after which a load ends in any case."""

LASTS: Final = 300.0
"""Seconds, likewise."""


def service(namespace: str) -> dict[str, Any]:
    spec = {"selector": {"app": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": namespace}, "spec": spec}


def ingress(namespace: str, name: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": NAME, "port": {"name": "http"}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ingressClassName": "envoy", "rules": [rule]},
    }


@dataclass(slots=True)
class Pods:
    """The pods of the Service. A pod has a backend of its own, which lives until the pod ends."""

    cluster: Cluster
    namespace: str
    _backends: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)
    _addresses: Iterator[str] = field(default_factory=addresses)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def start(self) -> Pod:
        """A new ready pod, whose backend answers with its name."""
        pod = await self.started()
        await pod.set_ready(True)
        return pod

    async def started(self) -> Pod:
        """A new pod, whose backend answers, though the pod isn't ready."""
        name, address = f"{NAME}-{next(self._numbers)}", next(self._addresses)
        pod = Pod(self.cluster, self.namespace, name, address, {"app": NAME}, {"http": PORT})
        self._backends[name] = contextlib.AsyncExitStack()
        await self._backends[name].enter_async_context(echo(name, address, PORT))
        await pod.start(ready=False)
        return pod

    async def end(self, pod: Pod) -> None:
        """End the backend, then remove the pod."""
        await self._backends.pop(pod.name).aclose()
        await pod.end()

    async def close(self) -> None:
        """End the remaining backends."""
        for backend in self._backends.values():
            await backend.aclose()


@contextlib.asynccontextmanager
async def pods_of(cluster: Cluster, namespace: str, count: int) -> AsyncIterator[tuple[Pods, list[Pod]]]:
    """The Service, its Ingress, and `count` pods."""
    await cluster.apply(service(namespace), ingress(namespace, NAME, HOST))
    pods = Pods(cluster, namespace)
    try:
        yield pods, [await pods.start() for _ in range(count)]
    finally:
        await pods.close()


@dataclass(slots=True)
class Load:
    """Results of the requests.

    Attributes:
        failed: Statuses or errors of failed requests.
        first: Time of the first answer of a backend (`time.monotonic`), like `last`.
    """

    url: str
    sent: int = 0
    failed: list[str] = field(default_factory=list)
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    async def until_answered_by(self, pod: Pod) -> float:
        """The time of the pod's first answer.

        Raises:
            TimeoutError: No answer within a minute.
        """
        async with asyncio.timeout(60):
            while pod.name not in self.first:
                await asyncio.sleep(PAUSE)
        return self.first[pod.name]

    async def run(self) -> None:
        """Send requests until cancelled, or LIMIT. Requests are POST: the client doesn't repeat a failed POST."""
        session = aiohttp.ClientSession(headers={"Host": HOST}, timeout=aiohttp.ClientTimeout(total=15))
        async with session, asyncio.timeout(LASTS), asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while self.sent < LIMIT:
            self.sent += 1
            try:
                async with session.post(self.url, data=b"order") as answer:
                    body = await answer.text() if answer.status != 200 else await answer.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failed.append(repr(error))
            else:
                self._note(answer.status, body)
            await asyncio.sleep(PAUSE)

    def _note(self, status: int, body: Any) -> None:
        if status != 200:
            self.failed.append(f"{status} {body}")
            return
        name, now = body["backend"], time.monotonic()
        self.first.setdefault(name, now)
        self.last[name] = now


@contextlib.asynccontextmanager
async def load(proxy: str) -> AsyncIterator[Load]:
    """Steady requests to an Envoy at the address, until the end, which must come before LIMIT."""
    counted = Load(f"http://{proxy}:{PORT}/")
    running = asyncio.create_task(counted.run())
    try:
        yield counted
        assert not running.done(), f"the load has ended: {running}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
