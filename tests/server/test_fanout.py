"""The first writes of a push: whose they are, their order on a stream, and their errors.

Excludes queued streams (test_ads.py) and the writes by themselves (test_writes.py).
"""

import asyncio
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from tests.support.ads_client import EDS
from tests.support.objects import ingress, path, rule, slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.protocol.messages import Variant
from xds.server.stream import Stream
from xds.server.writes import Writes

WEB = cluster("web")
NODES = ("one", "two", "three", "four", "five")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tasks of the writers whose writes began during a push."""
    tasks: list[Any] = []
    begin = Writes.begin

    def note(writes: Writes, task: Any, context: Any, data: bytes) -> bool:
        tasks.append(task)
        return begin(writes, task, context, data)

    monkeypatch.setattr(Writes, "begin", note)
    return tasks


def stream_of(plane: Plane, node: str) -> Stream:
    (stream,) = (stream for stream in plane.ads._streams if stream.node == node)
    return stream


async def idle(plane: Plane) -> None:
    """Wait for the end of all writes: a client may read a response before the server's write ends."""
    await until(lambda: all(stream.idle for stream in plane.ads._streams))


def nodes_of(plane: Plane, tasks: list[Any]) -> list[str]:
    return [stream.node for task in tasks for stream in plane.ads._streams if stream.writer is task]


@pytest.mark.parametrize("variant", Variant)
async def test_the_writes_of_a_stream_stay_in_the_order_of_changes(variant: Variant, begun: list[Any]) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        for number in range(2, 7):
            await client.expect_nothing()
            await idle(plane)
            begun.clear()
            plane.apply(slice_of("web", f"10.0.0.{number}"))
            plane.apply(ingress("web", rule("web.example", path(f"/{number}", "web"))))
            assert len(begun) == 1
            await client.accept(EDS, WEB)
            await client.accept_hosts("http@3/web.example")


async def test_only_the_first_writes_begin_during_a_push(monkeypatch: pytest.MonkeyPatch, begun: list[Any]) -> None:
    monkeypatch.setattr("xds.server.fanout.PROMPT_WRITES", 2)
    async with Plane(*site("web")) as plane:
        clients = [await plane.delta_proxy(node) for node in NODES]
        for client in clients:
            await client.expect_nothing()
        await idle(plane)
        plane.apply(slice_of("web", "10.0.0.2"))
        assert len(begun) == 2
        for client in clients:
            await client.accept(EDS, WEB)


async def test_each_stream_is_the_first_of_some_push(monkeypatch: pytest.MonkeyPatch, begun: list[Any]) -> None:
    monkeypatch.setattr("xds.server.fanout.PROMPT_WRITES", 1)
    async with Plane(*site("web")) as plane:
        clients = [await plane.delta_proxy(node) for node in NODES]
        for turn in range(len(NODES)):
            for client in clients:
                await client.expect_nothing()
            await idle(plane)
            monkeypatch.setattr("xds.server.fanout.randrange", lambda _, turn=turn: turn)
            plane.apply(slice_of("web", f"10.0.1.{turn}"))
            for client in clients:
                await client.accept(EDS, WEB)
        assert nodes_of(plane, begun) == list(NODES)


class Broken:
    """The context of a stream whose writes fail."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, _: bytes) -> None:
        raise RuntimeError("a bug")


async def test_an_error_when_a_write_begins_ends_only_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.server.fanout.randrange", lambda _: 0)
    async with Plane(*site("web")) as plane:
        clients = [await plane.delta_proxy(node) for node in NODES]
        for client in clients:
            await client.expect_nothing()
        await idle(plane)
        stream = stream_of(plane, "two")
        stream.context = Broken(stream.context)  # type: ignore[assignment]
        with capture_logs() as logs:
            plane.apply(slice_of("web", "10.0.0.2"))
            for client in (*clients[:1], *clients[2:]):
                await client.accept(EDS, WEB)
            assert (await clients[1].expect_end())[0] is grpc.StatusCode.UNKNOWN
        assert [line["node"] for line in logs if line["event"] == "stream_failed"] == ["two"]


async def test_no_write_begins_on_a_stream_whose_writer_has_ended(begun: list[Any]) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.delta_proxy("one")
        await client.expect_nothing()
        await idle(plane)
        stream = stream_of(plane, "one")
        stream.writer.cancel()
        await asyncio.sleep(0)  # the writer ends its reader, and waits for its end
        assert stream in plane.ads._streams
        begun.clear()
        plane.apply(slice_of("web", "10.0.0.2"))
        assert not begun
        await until(lambda: stream not in plane.ads._streams)
