"""The budget of large writes, and the timeout of writes.

Fake contexts let a write wait for the test. Excludes the end of a stream over a real connection
(tests/features/test_bad_clients.py).
"""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.waiting import until
from xds.protocol.messages import ProtocolError
from xds.server import writes
from xds.server.writes import Writes

LARGE = b"x" * writes.LARGE_WRITES_BUDGET_BYTES


class Proxy:
    """A context whose writes end when the test sets `room`."""

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
    monkeypatch.setattr(writes, "WRITE_CHECK_SECONDS", 3600.0)


async def test_small_responses_overtake_large_ones_that_take_turns(write: Write) -> None:
    first, second, third = Proxy(), Proxy(), Proxy()
    tasks = [write(first, LARGE), write(second, LARGE), write(third, b"small")]
    await until(lambda: bool(third.writing))
    assert (first.writing, second.writing) == ([LARGE], [])
    first.room.set()
    await until(lambda: bool(second.writing))
    second.room.set()
    third.room.set()
    await asyncio.gather(*tasks)


async def test_an_ended_stream_leaves_its_turn_to_the_next(write: Write) -> None:
    first, second, third = Proxy(), Proxy(), Proxy()
    tasks = [write(proxy, LARGE) for proxy in (first, second, third)]
    await until(lambda: bool(first.writing))
    tasks[1].cancel()
    tasks[0].cancel()
    await until(lambda: bool(third.writing))
    assert not second.writing
    third.room.set()
    await tasks[2]


async def test_a_slow_reader_delays_no_other_stream(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WRITE_CHECK_SECONDS", 0.01)
    slow, other = Proxy(), Proxy()
    tasks = [write(slow, LARGE), write(other, LARGE)]
    await until(lambda: bool(other.writing))
    assert not tasks[0].done()
    slow.room.set()
    other.room.set()
    await asyncio.gather(*tasks)


async def test_a_write_without_room_times_out(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WRITE_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(writes, "WRITE_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(ProtocolError, match="read nothing"):
        await write(Proxy(), b"small")


async def test_cancelling_a_task_during_a_write_cancels_the_task(write: Write) -> None:
    proxy = Proxy()
    task = write(proxy, b"small")
    await until(lambda: bool(proxy.writing))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Pipe:
    """A context that keeps the order of writes. Each ends when the test sets `room`, or raises `error` at once."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.writes: list[bytes] = []
        self.room = asyncio.Event()
        self.error = error

    async def write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.writes.append(data)
        await self.room.wait()


Begin = Callable[[Pipe, bytes], "tuple[asyncio.Task[None], asyncio.Event]"]


@pytest.fixture
async def begin() -> Begin:
    """Begins a write for a writer that waits for the event before its own `write`."""
    loop = asyncio.get_running_loop()
    shared = Writes(loop.time)

    async def writer(pipe: Pipe, data: bytes, turn: asyncio.Event) -> None:
        task = asyncio.current_task()
        assert task
        try:
            await turn.wait()
            await shared.write(task, pipe, data)  # type: ignore[arg-type]
        finally:
            shared.forget(task)

    def begin(pipe: Pipe, data: bytes) -> "tuple[asyncio.Task[None], asyncio.Event]":
        turn = asyncio.Event()
        task = loop.create_task(writer(pipe, data, turn))
        assert shared.begin(task, pipe, data) is (len(data) < writes.LARGE_WRITE_BYTES)  # type: ignore[arg-type]
        return task, turn

    return begin


async def test_a_write_that_has_begun_is_written_once_and_ends_in_the_writer(begin: Begin) -> None:
    pipe = Pipe()
    task, turn = begin(pipe, b"small")
    assert pipe.writes == [b"small"]
    turn.set()
    await asyncio.sleep(0)
    assert not task.done()
    pipe.room.set()
    await task
    assert pipe.writes == [b"small"]


async def test_a_write_that_ended_before_the_writers_turn_is_not_repeated(begin: Begin) -> None:
    pipe = Pipe()
    pipe.room.set()
    task, turn = begin(pipe, b"small")
    turn.set()
    await task
    assert pipe.writes == [b"small"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
async def test_an_error_when_a_write_begins_is_raised_in_the_writer(begin: Begin, error: BaseException) -> None:
    task, turn = begin(Pipe(error), b"small")
    turn.set()
    with pytest.raises(type(error)):
        await task


async def test_a_large_write_does_not_begin_before_its_turn(begin: Begin) -> None:
    pipe = Pipe()
    pipe.room.set()
    task, turn = begin(pipe, LARGE)
    assert not pipe.writes
    turn.set()
    await task
    assert pipe.writes == [LARGE]


async def test_cancelling_a_writer_ends_the_write_that_has_begun(begin: Begin) -> None:
    pipe = Pipe()
    for is_writing in (False, True):
        task, turn = begin(pipe, b"small")
        if is_writing:
            turn.set()
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_begun_write_without_room_times_out(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WRITE_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(writes, "WRITE_TIMEOUT_SECONDS", 0.05)
    task, turn = begin(Pipe(), b"small")
    turn.set()
    with pytest.raises(ProtocolError, match="read nothing"):
        await task
