"""A hundred good Ingresses, one control plane, and two Envoys under load: delta and state of the world.

The Envoys share the ports of their listeners, and the kernel chooses the Envoy of a connection: see `socket_owner`.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica
from tests.support.echo import echo
from tests.support.envoy import Envoy, running_envoy
from tests.support.http import CLOSED, Connection, Reply
from tests.support.matrix.case import BACKENDS, Ask, Manifest, Target, Told, of, tls_pair
from tests.support.matrix.case import CLOSED as IS_CLOSED
from tests.support.matrix.socket_owner import inode, owns
from tests.support.matrix.sources import Source
from tests.support.objects import certificate, ingress, path, rule, service, slice_of, tls
from tests.support.waiting import WAIT_LIMIT_SECONDS

GOOD: Final = 100
SECURE: Final = 10
"""Good Ingresses with TLS and a Secret."""

PAUSE: Final = 0.02
"""Seconds between two requests of a client without hurry; five times as long where a request is a TLS handshake."""


POLL: Final = 0.02
"""Seconds between two looks."""


def good_host(number: int) -> str:
    return f"good-{number}.test"


def good_ask(number: int) -> Ask:
    secure = number >= GOOD - SECURE
    backend = BACKENDS[number % len(BACKENDS)]
    return Ask(good_host(number), backend, tls=secure, pair=certificate(good_host(number)) if secure else None)


SECURE_ASKS: Final = tuple(map(good_ask, range(GOOD - SECURE, GOOD)))
PLAIN_ASKS: Final = tuple(map(good_ask, range(GOOD - SECURE)))


def _good(number: int) -> list[Manifest]:
    ask, name = good_ask(number), f"good-{number}"
    entries = [tls(ask.host, secret=name)] if ask.tls else None
    built = of(ingress(name, rule(ask.host, path("/", ask.expected)), tls=entries))
    return [built, tls_pair(name, ask.pair)] if ask.pair else [built]


@contextlib.asynccontextmanager
async def _backends(address: str) -> AsyncIterator[dict[str, int]]:
    """The ports of all BACKENDS."""
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(echo(name, address)) for name in BACKENDS}


@dataclass(frozen=True, slots=True)
class Door:
    """The way to one of the Envoys that share an address."""

    envoy: Envoy
    address: str

    async def connect(self, *, tls: bool = False, sni: str = "") -> Connection:
        """Raises:
        ConnectionError, ssl.SSLError: The server closed the connection.
        """
        while True:
            connected = await self._connected(8443 if tls else 8080)
            if owns(self.envoy.process.pid, await _accepted(connected)):
                return await Connection.open(tls=tls, sni=sni, by=connected)
            connected.close()

    async def ask(self, ask: Ask) -> Reply:
        with contextlib.suppress(OSError):
            connection = await self.connect(tls=ask.tls, sni=ask.host)
            with contextlib.closing(connection):
                return await connection.get(ask.host, ask.path, Connection="close")
        return CLOSED

    async def rejected(self) -> dict[str, int]:
        """The counters of Envoy's rejections by name; always with those of CDS and LDS."""
        found = json.loads(await self.envoy.get("/stats?format=json&filter=update_rejected"))["stats"]
        return {stat["name"]: stat["value"] for stat in found}

    async def _connected(self, port: int) -> socket.socket:
        connected = socket.socket()
        connected.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connected, (self.address, port))
        except OSError:
            connected.close()
            raise
        return connected


async def _accepted(connected: socket.socket) -> int:
    """The inode of the other end, as soon as a process has accepted the connection."""
    while not (found := inode(connected.getpeername(), connected.getsockname())):
        await asyncio.sleep(0.001)
    return found


@dataclass(slots=True)
class Load:
    """Counted requests to good Ingresses: steady by `run`, and once to all by `sweep`."""

    doors: tuple[Door, ...]
    sent: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as clients:
            for door, secure in itertools.product(self.doors, (False, True)):
                clients.create_task(self._client(door, PAUSE * 5 if secure else PAUSE, secure=secure))

    async def sweep(self) -> None:
        """A request to every good Ingress through every Door."""
        await asyncio.gather(
            *(self._turn(door, secure=secure, pause=0) for door in self.doors for secure in (False, True))
        )

    async def _client(self, door: Door, pause: float, *, secure: bool) -> None:
        while True:
            await self._turn(door, secure=secure, pause=pause)
            await asyncio.sleep(pause)

    async def _turn(self, door: Door, *, secure: bool, pause: float) -> None:
        if secure:
            for ask in SECURE_ASKS:
                self._note(ask, await door.ask(ask))
                await asyncio.sleep(pause)
        else:
            await self._on_one_connection(door, pause)

    async def _on_one_connection(self, door: Door, pause: float) -> None:
        asks = iter(PLAIN_ASKS)
        while ask := next(asks, None):
            try:
                connection = await door.connect()
            except OSError as error:
                self.failed.append(repr(error))
                return
            with contextlib.closing(connection):
                while ask:
                    self._note(ask, reply := await connection.get(ask.host, ask.path))
                    await asyncio.sleep(pause)
                    if reply.headers.get("connection") == "close":
                        break
                    ask = next(asks, None)

    def _note(self, ask: Ask, reply: Reply) -> None:
        self.sent += 1
        if not is_right(ask, reply):
            self.failed.append(f"{ask.host}: {said(reply)}")


def said(reply: Reply) -> str:
    """The answer in the form of an Ask."""
    return IS_CLOSED if reply == CLOSED else reply.backend or str(reply.status)


def is_right(ask: Ask, reply: Reply) -> bool:
    return said(reply) == ask.expected and ask.peer in {b"", reply.peer}


@dataclass(slots=True)
class Site:
    source: Source
    replica: Replica
    doors: tuple[Door, ...]
    load: Load
    target: Target
    running: asyncio.Task[None] | None = None

    async def rest(self) -> None:
        """No more load."""
        if self.running:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def until_answered(self, asks: Collection[Ask]) -> float:
        """Wait until both Envoys give the expected answers; returns the time (`time.monotonic`).

        Raises:
            AssertionError: An answer differs; the text has the answer.
        """
        for door, ask in itertools.product(self.doors, asks):
            last: Reply | None = None
            try:
                async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                    while not (last and is_right(ask, last)):
                        await asyncio.sleep(POLL if last else 0)
                        last = await door.ask(ask)
            except TimeoutError:
                told = said(last) if last else "nothing"
                raise AssertionError(f"{ask.host}{ask.path[:80]} is {told} and not {ask.expected}") from None
        return time.monotonic()

    async def until_told(self, expected: Collection[Told]) -> float:
        """Wait until exactly these Problems exist; returns the time.

        Raises:
            AssertionError: Other Problems exist; the text lists them.
        """
        found: set[Told] | None = None
        try:
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                while found != set(expected):
                    await asyncio.sleep(POLL)
                    found = {
                        Told(each.object.kind, each.object.name, each.reason) for each in await self.replica.problems()
                    }
        except TimeoutError:
            raise AssertionError(f"the Problems are {found}") from None
        return time.monotonic()

    async def until_in_sync(self) -> None:
        """Wait until both Envoys have accepted every resource.

        Raises:
            TimeoutError: A resource is still pending.
            AssertionError: A resource was rejected.
        """
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not await self._in_sync():
                await asyncio.sleep(POLL)

    async def _in_sync(self) -> bool:
        proxies = await self.replica.proxies()
        types = [each for proxy in proxies for each in proxy.types]
        refused = [each.rejection.message for each in types if each.HasField("rejection")]
        assert not refused, refused
        return len(proxies) >= len(self.doors) and all(each.in_sync for each in types)

    async def assert_nothing_was_refused(self) -> None:
        for door in self.doors:
            rejected = await door.rejected()
            assert {"cluster_manager.cds.update_rejected", "listener_manager.lds.update_rejected"} <= rejected.keys()
            assert not any(rejected.values()), rejected


@contextlib.asynccontextmanager
async def site(source: Source, folder: Path, backends_at: str) -> AsyncIterator[Site]:
    proxy = own_address()
    async with contextlib.AsyncExitStack() as stack:
        ports = await stack.enter_async_context(_backends(backends_at))
        services = [of(service(name, "http:80")) for name in BACKENDS]
        slices = [of(slice_of(name, backends_at, ports=[f"http:{port}"])) for name, port in ports.items()]
        good = itertools.chain.from_iterable(map(_good, range(GOOD)))
        await source.apply([*services, *slices, *good])
        replica = Replica(source.flags, folder / "xds.log", proxy)
        stack.push_async_callback(replica.kill)
        await replica.start()
        doors = await stack.enter_async_context(fleet(replica, folder, proxy))
        load = Load(doors)
        made = Site(source, replica, doors, load, Target(backends_at, ports[BACKENDS[0]]))
        await made.until_in_sync()
        await load.sweep()
        assert load.failed == []
        made.running = asyncio.create_task(load.run())
        stack.push_async_callback(made.rest)
        yield made


@contextlib.asynccontextmanager
async def fleet(replica: Replica, folder: Path, proxy: str, prefix: str = "") -> AsyncIterator[tuple[Door, ...]]:
    """A delta and a state-of-the-world Envoy, ready."""
    async with contextlib.AsyncExitStack() as stack:
        envoys = [
            await stack.enter_async_context(
                running_envoy(
                    replica.listen, folder, node=f"{prefix}{'sotw' if sotw else 'delta'}", sotw=sotw, all_stats=True
                )
            )
            for sotw in (False, True)
        ]
        for envoy in envoys:
            await envoy.until_ready()
        yield tuple(Door(envoy, proxy) for envoy in envoys)
