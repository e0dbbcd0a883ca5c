"""Ten thousand Ingresses: the list is paged, searched on the server, and quick; proxies don't wait for the page."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.chromium import IN_CHROMIUM, tab
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.ui_server import UiServer, ui_server, write_many
from tests.support.waiting import WAIT_LIMIT_SECONDS

pytestmark = [*IN_CHROMIUM, pytest.mark.xdist_group("ten thousand")]

COUNT = 10_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[UiServer]:
    folder = tmp_path_factory.mktemp("many")
    ingresses = (
        ingress(f"shop-{number:05}", rule(f"shop-{number:05}.example", path("/", "web" if number % 10 else "gone")))
        for number in range(COUNT)
    )
    write_many(folder, [service("web"), slice_of("web", "10.0.0.1"), *ingresses])
    async with ui_server(folder) as running:
        yield running


async def test_each_page_is_small_and_quick(
    browser: Browser, many: UiServer, record_property: Callable[[str, object], None]
) -> None:
    async with tab(browser, many.site) as shown:
        for page in (
            "/",
            "/ingresses",
            "/problems",
            "/proxies",
            "/revisions",
            "/certificates",
            "/replicas",
            "/explain",
            "/ports",
            "/gateways",
        ):
            began = time.monotonic()
            response = await shown.open(page)
            seconds = time.monotonic() - began
            record_property(f"{page} with {COUNT} Ingresses", f"{seconds:.2f} s, {len(await response.body())} bytes")
            assert response.status == 200
            assert len(await response.body()) < 400_000
            assert await shown.page.get_by_role("row").count() <= 400
        assert shown.faults == []


async def test_pages_follow_each_other_to_the_last(browser: Browser, many: UiServer) -> None:
    async with tab(browser, many.site) as shown:
        await shown.open("/ingresses")
        await expect(shown.page.get_by_role("main")).to_contain_text("10,000")
        await expect(shown.page.get_by_role("main")).to_contain_text("shop-00000")
        await shown.page.get_by_role("link", name="Next").first.click()
        await expect(shown.page.get_by_role("main")).not_to_contain_text("shop-00000")
        await shown.page.go_back()
        await expect(shown.page.get_by_role("main")).to_contain_text("shop-00000")
        assert shown.faults == []


async def test_a_search_finds_one_of_all(
    browser: Browser, many: UiServer, record_property: Callable[[str, object], None]
) -> None:
    async with tab(browser, many.site) as shown:
        await shown.open("/ingresses")
        await shown.page.get_by_role("main").get_by_role("searchbox").fill("shop-09876.example")
        began = time.monotonic()
        await shown.press("Enter")
        row = shown.page.get_by_role("main").get_by_role("row").filter(has_text="shop-09876")
        await expect(row).to_have_count(1)
        record_property("search", f"{time.monotonic() - began:.2f} s")
        await expect(shown.page.get_by_role("main")).not_to_contain_text("shop-00000")
        await row.get_by_role("link").first.click()
        await expect(shown.page.get_by_role("heading", level=1)).to_contain_text("shop-09876")
        assert shown.faults == []


async def test_a_request_is_explained(
    browser: Browser, many: UiServer, record_property: Callable[[str, object], None]
) -> None:
    async with tab(browser, many.site) as shown:
        began = time.monotonic()
        await shown.open("/explain?url=http%3A%2F%2Fshop-05001.example%2F")
        record_property("explain", f"{time.monotonic() - began:.2f} s")
        await expect(shown.page.get_by_role("main")).to_contain_text("default/web/80 answers")
        assert shown.faults == []


async def test_costly_questions_wait_for_each_other_and_are_never_many(many: UiServer) -> None:
    """A browser that asks too much gets a page that says so; the control plane goes on."""

    async def status(path: str) -> int:
        async with session.get(f"{many.site}{path}") as answer:
            await answer.read()
            return answer.status

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAIT_LIMIT_SECONDS)) as session:
        asked = [f"/explain?url=http://shop-{number:05}.example/" for number in range(20)]
        asked += [f"/ingresses?q=nothing-{number}" for number in range(20)]
        statuses = set(await asyncio.gather(*map(status, asked)))
        assert 200 in statuses
        assert statuses <= {200, 429, 503}
        assert await status("/explain?url=http://shop-00001.example/") == 200
    assert (await many.get("/readyz"))[0] == 200


async def test_problems_are_counted_and_paged(browser: Browser, many: UiServer) -> None:
    async with tab(browser, many.site) as shown:
        await shown.open("/problems")
        await expect(shown.page.get_by_role("main")).to_contain_text("1,000")
        await expect(shown.page.get_by_role("main")).to_contain_text("BackendNotFound")
        assert shown.faults == []
