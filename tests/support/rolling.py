"""Replicas of several versions behind one address, a fleet of real Envoys, and requests all the time."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.support.envoy import Envoy, free_port, started_envoy
from tests.support.http import unverified
from tests.support.intruders import KINDS, Tally, ask, until
from tests.support.objects import ingress, manifest, path, rule, tls
from tests.support.release import Release
from tests.support.steady import Steady
from xds.kube.objects import KubeObject
from xds.resources.options import ProxyOptions

START_LIMIT_SECONDS: Final = 120
"""Until a process is ready on a busy machine, beside the load."""

IN_A_ROW: Final = 16
"""New connections with the right answer that show that every Envoy has a change: the kernel spreads connections."""


class Address:
    """The address of a Service: each new connection goes to the next replica that accepts connections.

    Attributes:
        servers: HOST:PORT of replicas.
        address: HOST:PORT.
    """

    def __init__(self) -> None:
        self.servers: list[str] = []
        self.address = ""
        self._turn = itertools.count()
        self._connections = set[asyncio.Task[None]]()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Address"]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            listener.close()
            self.cut()

    def cut(self) -> None:
        """End all connections."""
        for each in self._connections:
            each.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            there, back = await self._next()
            pumps = [asyncio.create_task(_pump(*each)) for each in ((reader, back), (there, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                back.close()
                for pump in pumps:
                    pump.cancel()
        except (asyncio.CancelledError, ConnectionError):
            pass  # a task of asyncio's server that is cancelled is logged as an error
        finally:
            writer.close()
            self._connections.discard(task)

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        begin = next(self._turn)
        for number in range(len(self.servers)):
            host, _, port = self.servers[(begin + number) % len(self.servers)].rpartition(":")
            with contextlib.suppress(ConnectionError):
                return await asyncio.open_connection(host, int(port))
        raise ConnectionError


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@dataclass(slots=True)
class Replica:
    """A running `xds serve`."""

    release: Release
    listen: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def rejections(self) -> list[dict[str, Any]]:
        """Log lines of rejections by proxies."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"].startswith("proxy_reject")]


@dataclass(slots=True)
class Rolling:
    """One fleet, and its replicas.

    Attributes:
        folder: For files; its folder `manifests` holds the objects.
        proxy: The ports of the Envoys.
        variables: Environment variables of replicas. A version without the flag ignores them.
    """

    folder: Path
    proxy: ProxyOptions
    address: Address
    variables: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)
    steady: Steady = field(default_factory=Steady)
    replicas: list[Replica] = field(default_factory=list)
    envoys: list[Envoy] = field(default_factory=list)
    _ended: list[Replica] = field(default_factory=list)

    def put(self, name: str, *objects: KubeObject) -> None:
        """Write a file of manifests, as a whole."""
        file = self.folder / "manifests" / f"{name}.yaml"
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(yaml.safe_dump_all([json.loads(json.dumps(manifest(each))) for each in objects]))
        unfinished.rename(file)

    # Processes.

    async def join(self, release: Release) -> Replica:
        """Start a replica, which gets connections as soon as it is ready."""
        listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        log = self.folder / f"{release.name}-{listen.rpartition(':')[2]}.log"
        ports = ("--http-port", str(self.proxy.http_port), "--https-port", str(self.proxy.https_port))
        process = await release.start(
            *("serve", "--from", str(self.folder / "manifests"), "--listen", listen, "--admin", admin),
            *("--listener-address", "127.0.0.1", "--trusted-hops", "1", *ports),
            log=log,
            **self.variables,
        )
        replica = Replica(release, listen, process, log)
        self.replicas.append(replica)
        try:
            await until("ready", lambda: is_ready(admin), START_LIMIT_SECONDS)
        except TimeoutError:
            used = f"{_processor_seconds(process.pid):.1f} s of processor"
            raise TimeoutError(f"{release.name} is not ready after {used}: {log.read_text()!r}") from None
        self.address.servers.append(listen)
        return replica

    async def leave(self, replica: Replica, by: signal.Signals = signal.SIGTERM) -> None:
        """End a replica. By SIGTERM: no new connection goes there first."""
        if by == signal.SIGTERM:
            self.address.servers.remove(replica.listen)
        replica.process.send_signal(by)
        code = await replica.process.wait()
        assert code == (0 if by == signal.SIGTERM else -by), replica.log.read_text()
        if by != signal.SIGTERM:
            self.address.servers.remove(replica.listen)
        self.replicas.remove(replica)
        self._ended.append(replica)

    @contextlib.asynccontextmanager
    async def envoy(self, release: Release, node: str) -> AsyncIterator[Envoy]:
        """An Envoy with the bootstrap configuration of a release; `sotw` speaks the state-of-the-world variant."""
        admin = free_port()
        flags = ("--xds", self.address.address, "--node-id", node, "--admin-port", str(admin))
        code, bootstrap, err = await release.xds("bootstrap", *flags, *(["--sotw"] if node == "sotw" else []))
        assert (code, err) == (0, "")
        async with started_envoy(bootstrap, self.folder, node=node, admin=admin) as started:
            self.envoys.append(started)
            await started.until_ready()
            yield started

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Rolling"]:
        """Ends the replicas."""
        try:
            yield self
        finally:
            for each in self.replicas:
                with contextlib.suppress(ProcessLookupError):
                    each.process.kill()
                await each.process.wait()

    # Steps.

    async def reach(self, step: str) -> None:
        """Until every Envoy has a new host from the replicas of this step, and every protection was tried in it."""
        self.steady.step = step
        for protection in list(self.tally.way):
            self.tally.way[protection] = step
        self.write_host(step)
        await self.serves(f"{_slug(step)}.test")

        async def is_tried() -> bool:
            return all(all(self.tally.answers(each, step)[kind] for kind in KINDS) for each in self.tally.way)

        await until(f"intruders in {step}", is_tried)

    def write_host(self, step: str) -> None:
        name = _slug(step)
        host = f"{name}.test"
        self.put(name, ingress(name, rule(host, path("/", "web")), tls=[tls(host, secret="cert")], created=20))

    async def serves(self, host: str) -> None:
        """Until each Envoy serves the host, by HTTP and HTTPS."""

        async def is_served() -> bool:
            for number in range(IN_A_ROW):
                reply = await ask(self.proxy, host, {}, unverified() if number % 2 else None)
                if reply is None or "x-backend" not in reply.headers:
                    return False
            return True

        await until(f"{host} is served by all", is_served)

    # Requests.

    async def lets_in(self, host: str, headers: Mapping[str, str], context: ssl.SSLContext | None = None) -> None:
        """Until several new connections reach the backend."""

        async def passes() -> bool:
            replies = [await ask(self.proxy, host, headers, context) for _ in range(IN_A_ROW)]
            return all(reply is not None and "x-backend" in reply.headers for reply in replies)

        await until(f"{host} lets in", passes)

    @contextlib.asynccontextmanager
    async def load(
        self, host: str, headers: Mapping[str, str], context: ssl.SSLContext | None = None
    ) -> AsyncIterator[None]:
        """Requests that must pass, from now on: by HTTP and HTTPS, or by HTTPS alone with a context."""
        async with contextlib.AsyncExitStack() as stack:
            if context is None:
                await stack.enter_async_context(self.steady.asking(self.proxy.http_port, host, headers))
            over_tls = self.steady.asking(self.proxy.https_port, host, headers, context or unverified())
            await stack.enter_async_context(over_tls)
            yield

    @property
    def rejections(self) -> list[dict[str, Any]]:
        return [line for each in (*self.replicas, *self._ended) for line in each.rejections]


def _slug(step: str) -> str:
    return step.replace(",", "").replace(" ", "-")


async def is_ready(admin: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://{admin}/readyz") as answer:
            return answer.status == 200
    return False


def _processor_seconds(pid: int) -> float:
    """Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
