"""The costly questions of the page: one at a time, each within a deadline.

Excludes: the answers themselves (test_answers.py, test_service.py).
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.debug_server import DebugServer, services, shop
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.errors import InvalidRequestError, NotFoundError, OverdueError
from xds.server.debug.page_answers import PageAnswers

QUESTION = pb.ExplainRequest(url="http://example.com/a")


@pytest.fixture
async def server() -> AsyncIterator[DebugServer]:
    async with DebugServer() as server:
        server.do(*services("a"), shop("a"))
        yield server


async def test_the_page_gets_the_answers_of_the_api(server: DebugServer) -> None:
    page = PageAnswers(server.answers)
    assert await page.explain(QUESTION) == await server.answers.explain(QUESTION)
    why = pb.WhyIngressRequest(namespace="default", name="shop")
    assert await page.why_ingress(why) == await server.answers.why_ingress(why)
    listed = await page.list_ingresses(pb.ListIngressesRequest())
    assert [each.ingress.name for each in listed.ingresses] == ["shop"]
    with pytest.raises(InvalidRequestError):
        await page.explain(pb.ExplainRequest(url="ftp://x"))
    with pytest.raises(NotFoundError):
        await page.why_ingress(pb.WhyIngressRequest(name="nobody"))
    page.close()


async def test_a_question_that_hangs_holds_up_the_page_alone_and_only_for_its_deadline(server: DebugServer) -> None:
    page, released = PageAnswers(server.answers, seconds=0.3), threading.Event()
    hanging = asyncio.create_task(page._thread(lambda: released.wait(WAIT_LIMIT_SECONDS)))
    await asyncio.sleep(0)
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(OverdueError, match=r"longer than 0.3 s: the server is busy"):
            await page.explain(QUESTION)
    assert time.monotonic() - begun < WAIT_LIMIT_SECONDS / 2
    assert (await server.answers.explain(QUESTION)).status, "the debug API has its own thread"
    released.set()
    await hanging
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while page._turn.locked():
            await asyncio.sleep(0.01)
    assert (await page.explain(QUESTION)).status
    page.close()
