"""PostgreSQL and its own clients through a TCP port of a real Envoy: sessions over endpoints that come and go."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.support.debian import needs
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import NS, Exposed, Pods, exposed, running
from tests.support.real_servers import USER, Result, Server, needs_a_user, postgresql, run, start
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.layer4 import Transport

pytestmark = [
    needs_envoy,
    needs("initdb", "postgres", "psql", "pgbench"),
    needs_a_user,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("postgresql"),
    pytest.mark.timeout(300),  # a busy machine takes long to start processes
]

SERVERS: Final = {"a": "127.0.4.1", "b": "127.0.4.2", "c": "127.0.4.3"}
"""The address of each server."""

LOAD_SECONDS: Final = 4
"""Of pgbench, while endpoints roll."""

ROWS: Final = 50_000
"""Of a copy, 1,001 bytes each."""


@dataclass(slots=True)
class Database:
    """Three servers behind one port of Envoy."""

    world: Exposed
    pods: Pods
    servers: dict[str, Server]
    port: int

    @property
    def connection(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER)

    async def ask(self, sql: str) -> Result:
        """The answer in a session of its own."""
        return await run("psql", "-AtX", *self.connection, "-d", "postgres", "-c", sql)

    async def session(self) -> "Session":
        process = await start("psql", "-AtX", *self.connection, "-d", "postgres")
        session = Session(process)
        session.server = await session.ask("show cluster_name")
        return session

    async def open_and_close(self, other: int) -> None:
        """Another port for the same Service, for a moment."""
        entry = f"{NS}/{self.pods.name}:{self.pods.port}"
        for ports in ((self.port, other), (self.port,)):
            self.world.expose(Transport.TCP, dict.fromkeys(ports, entry))
            await self.world.is_listening(*(f"tcp/{each}" for each in ports))

    async def load(self, folder: Path, *flags: str) -> Result:
        """Transactions of six clients for LOAD_SECONDS."""
        script = folder / "script.sql"
        script.write_text("show cluster_name;\n")
        common = ("-n", "-c", "6", "-T", str(LOAD_SECONDS), "-f", str(script))
        return await run("pgbench", *common, *flags, *self.connection, "postgres")


@dataclass(slots=True)
class Session:
    """A session of psql that stays open."""

    process: asyncio.subprocess.Process
    server: str = ""

    async def ask(self, sql: str) -> str:
        """One line of an answer; empty if the session is broken."""
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(f"{sql};\n".encode())
            await self.process.stdin.drain()
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    folder = tmp_path_factory.mktemp("postgresql")
    port, public = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(postgresql(folder, name, address, port))
            for name, address in SERVERS.items()
        }
        world = await stack.enter_async_context(exposed(folder))
        pods = Pods(world, "database", port)
        pods.write(*SERVERS.values())
        world.expose(Transport.TCP, {public: f"default/database:{port}"})
        await stack.enter_async_context(running(world))
        await world.is_listening(f"tcp/{public}")
        yield Database(world, pods, servers, public)


async def test_no_session_breaks_while_endpoints_roll_and_other_ports_come_and_go(
    database: Database, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    held, fresh = (asyncio.create_task(database.load(tmp_path, *flags)) for flags in (("-R", "1000"), ("-C",)))
    rounds = 0
    while not (held.done() and fresh.done()):
        await database.pods.roll(list(SERVERS.values())[rounds % len(SERVERS)])
        await database.open_and_close(free_port())
        rounds += 1
    for name, load in (("sessions held", held), ("a session for each transaction", fresh)):
        result = await load
        assert result.code == 0, result
        assert "number of failed transactions: 0 " in result.out
        assert "aborted" not in result.err
        done = int(re.findall(r"actually processed: (\d+)", result.out)[0])
        assert done > 0
        record_property(f"{name}: transactions over {3 * rounds} changes of endpoints, {2 * rounds} of ports", done)


async def test_a_copy_ends_whole_though_the_control_plane_is_killed(database: Database) -> None:
    query = f"copy (select repeat('x', 1000) from generate_series(1, {ROWS})) to stdout"
    process = await start("psql", "-AtX", *database.connection, "-d", "postgres", "-c", query)
    assert process.stdout
    first = await process.stdout.readexactly(1001 * ROWS // 4)
    await database.world.kill()
    without = await database.ask("show cluster_name")
    second = await process.stdout.readexactly(1001 * ROWS // 4)
    await database.world.start()
    await database.pods.roll(SERVERS["a"])
    rest, errors = await process.communicate()
    assert without.out.strip() in SERVERS, without
    assert (process.returncode, errors) == (0, b"")
    assert (first + second + rest) == (b"x" * 1000 + b"\n") * ROWS


async def test_sessions_of_an_ended_endpoint_break_and_no_others(database: Database) -> None:
    sessions: list[Session] = []
    try:
        while {each.server for each in sessions} != set(SERVERS) or len(sessions) < 9:
            sessions.append(await database.session())
        await database.pods.drain(SERVERS["b"])
        new = [(await database.ask("show cluster_name")).out.strip() for _ in range(6)]
        draining = [await each.ask("show cluster_name") for each in sessions]
        await database.pods.leave(SERVERS["b"])
        removed = [await each.ask("show cluster_name") for each in sessions]
        await database.servers["b"].end()
        ended = [await each.ask("show cluster_name") for each in sessions]
        assert set(new) <= {"a", "c"}
        assert draining == removed == [each.server for each in sessions]
        assert ended == [each.server if each.server != "b" else "" for each in sessions]
        assert [(await database.ask("select 1")).out for _ in range(6)] == 6 * ["1\n"]
    finally:
        for each in sessions:
            await each.end()
