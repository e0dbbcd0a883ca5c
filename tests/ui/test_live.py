"""The stream of marks behind the live refresh."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.ui.stand_in import Ui
from xds.ui import live


@pytest.fixture
async def ui(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ui]:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.02)
    async with Ui() as ui:
        yield ui


async def next_mark(stream: aiohttp.ClientResponse) -> str:
    async with asyncio.timeout(10):
        while True:
            line = (await stream.content.readline()).decode()
            if not line:
                return ""
            if line.startswith("data: "):
                return line.removeprefix("data: ").strip()


async def test_a_change_sends_the_mark_that_the_page_then_has(ui: Ui) -> None:
    async with ui.session.get(ui.url("/events")) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        first = await next_mark(stream)
        assert f'data-mark="{first}"' in (await ui.get("/"))[1]
        ui.mark += 1
        second = await next_mark(stream)
        assert second != first
        assert f'data-mark="{second}"' in (await ui.get("/"))[1]


async def test_an_unchanged_mark_comes_again_from_time_to_time(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
    async with ui.session.get(ui.url("/events")) as stream:
        assert await next_mark(stream) == await next_mark(stream)


async def test_a_stream_outlives_the_deadline_of_requests(ui: Ui) -> None:
    ui.server.http.connection_seconds = 0.2
    async with ui.session.get(ui.url("/events")) as stream:
        await next_mark(stream)
        await asyncio.sleep(0.4)
        ui.mark += 1
        assert await next_mark(stream)


async def test_streams_are_bounded_and_leave_room_for_pages(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS", 3)
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 1000.0)  # a client that has left is noticed without a write
    streams = [await ui.session.get(ui.url("/events")) for _ in range(3)]
    assert [each.status for each in streams] == [200, 200, 200]
    assert (await ui.get("/events"))[0] == 503
    assert (await ui.get("/"))[0] == 200
    streams.pop().close()
    async with asyncio.timeout(10):
        while (again := await ui.session.get(ui.url("/events"))).status != 200:
            await asyncio.sleep(0.02)
    for each in (*streams, again):
        each.close()


async def test_streams_end_with_the_server() -> None:
    async with Ui() as ui:
        stream = await ui.session.get(ui.url("/events"))
        await next_mark(stream)
        async with asyncio.timeout(5):
            await ui.server.stop()
            while await next_mark(stream):
                pass
