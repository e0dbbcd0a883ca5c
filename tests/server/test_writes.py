"""Whose turn it is to write, and who has had enough time for it.

The contexts are not gRPC's: what a write waits for is up to the test. Excludes the end of a stream over a real
connection (tests/features/test_bad_clients.py).
"""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.waiting import until
from xds.protocol.errors import ProtocolError
from xds.server import writes
from xds.server.writes import Writes

LARGE = b"x" * writes.AT_ONCE


class Proxy:
    """Makes room for what is written to it when the test says so."""

    def __init__(self) -> None:
        self.writing: list[bytes] = []
        self.room = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.writing.append(data)
        await self.room.wait()


Write = Callable[[Proxy, bytes], "asyncio.Task[None]"]


@pytest.fixture
async def write() -> Write:
    loop = asyncio.get_running_loop()
    shared = Writes(loop.time)

    async def write(proxy: Proxy, data: bytes) -> None:
        task = asyncio.current_task()
        assert task
        await shared.write(task, proxy, data)  # type: ignore[arg-type]

    return lambda proxy, data: loop.create_task(write(proxy, data))


@pytest.fixture(autouse=True)
def sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "SWEEP", 3600.0)


async def test_large_responses_take_turns_and_small_ones_overtake_them(write: Write) -> None:
    first, second, third = Proxy(), Proxy(), Proxy()
    tasks = [write(first, LARGE), write(second, LARGE), write(third, b"small")]
    await until(lambda: bool(third.writing))
    assert (first.writing, second.writing) == ([LARGE], [])
    first.room.set()
    await until(lambda: bool(second.writing))
    second.room.set()
    third.room.set()
    await asyncio.gather(*tasks)


async def test_a_stream_that_ends_leaves_its_turn_to_the_next(write: Write) -> None:
    first, second, third = Proxy(), Proxy(), Proxy()
    tasks = [write(proxy, LARGE) for proxy in (first, second, third)]
    await until(lambda: bool(first.writing))
    tasks[1].cancel()
    tasks[0].cancel()
    await until(lambda: bool(third.writing))
    assert not second.writing
    third.room.set()
    await tasks[2]


async def test_one_that_reads_slowly_holds_nobody_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "SWEEP", 0.01)
    slow, other = Proxy(), Proxy()
    tasks = [write(slow, LARGE), write(other, LARGE)]
    await until(lambda: bool(other.writing))
    assert not tasks[0].done()
    slow.room.set()
    other.room.set()
    await asyncio.gather(*tasks)


async def test_one_that_never_makes_room_is_stuck(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "SWEEP", 0.01)
    monkeypatch.setattr(writes, "WRITE_TIMEOUT", 0.05)
    with pytest.raises(ProtocolError, match="nothing was read"):
        await write(Proxy(), b"small")


async def test_a_task_that_is_cancelled_while_it_writes_is_cancelled(write: Write) -> None:
    proxy = Proxy()
    task = write(proxy, b"small")
    await until(lambda: bool(proxy.writing))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
