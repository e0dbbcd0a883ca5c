"""Changes appear on an open page without a reload, and without a word that the user is typing being lost."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.shop import CHECKOUT, shop, team, web
from tests.support.chromium import IN_CHROMIUM, Tab, tab
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.ui_server import ui_server, write

pytestmark = IN_CHROMIUM


async def mark(shown: Tab) -> None:
    """Leave a mark that a reload would take away."""
    await shown.evaluate("() => { window.marked = true }")


async def assert_not_reloaded(shown: Tab) -> None:
    assert await shown.evaluate("() => window.marked") is True


async def test_an_endpoint_change_is_shown(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path, shop())
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        await shown.open("/ingresses/shop/shop")
        main = shown.page.get_by_role("main")
        await expect(main).to_contain_text("2 healthy")
        await mark(shown)
        server.write(web("10.0.0.1", "10.0.0.2", "10.0.0.9"))
        await expect(main).to_contain_text("3 healthy")
        server.write(web())
        await expect(main).to_contain_text("no endpoints")
        await assert_not_reloaded(shown)
        assert shown.faults == []


async def test_an_edit_of_an_ingress_is_shown_among_the_problems(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path, [*shop(), *team()])
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        await shown.open("/problems")
        rows = shown.page.get_by_role("article")
        await expect(rows.filter(has_text="team-a/checkout")).to_have_count(1)
        await mark(shown)
        server.write(ingress("checkout", rule("checkout.example", path("/", "web")), ns="team-a"))
        await expect(rows.filter(has_text="team-a/checkout")).to_have_count(0)
        server.write(CHECKOUT)
        await expect(rows.filter(has_text="team-a/checkout")).to_have_count(1)
        await assert_not_reloaded(shown)
        assert shown.faults == []


async def test_a_change_leaves_a_half_typed_form_and_the_focus(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path, shop())
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        await shown.open("/ingresses")
        search = shown.page.get_by_role("main").get_by_role("searchbox")
        await search.press_sequentially("che")
        await mark(shown)
        server.write(CHECKOUT)
        await expect(shown.page.get_by_role("row").filter(has_text="checkout.example")).to_have_count(1)
        await expect(search).to_have_value("che")
        await expect(search).to_be_focused()
        await shown.page.keyboard.type("ckout")
        await expect(search).to_have_value("checkout")
        assert await search.evaluate("(input) => input.selectionStart") == len("checkout")
        await assert_not_reloaded(shown)
        assert shown.faults == []


async def test_a_change_leaves_the_place(browser: Browser, tmp_path: Path) -> None:
    names = [f"shop-{number:03}" for number in range(90)]
    write(tmp_path, [ingress(name, rule(f"{name}.example", path("/", "web"))) for name in names])
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:

        async def top() -> float:
            """The place of a row in sight."""
            return float(await row.evaluate("(row) => row.getBoundingClientRect().top"))

        await shown.open("/ingresses")
        row = shown.page.get_by_role("row").filter(has_text="default/shop-014")
        await expect(shown.page.get_by_role("cell", name="not served").first).to_be_visible()
        await shown.evaluate("() => window.scrollTo(0, 400)")
        before = await top()
        await mark(shown)
        server.write(service("web"), slice_of("web", "10.0.0.1"))
        await expect(shown.page.get_by_role("cell", name="not served")).to_have_count(0)
        # Rows above may become lower; what the user looks at stays.
        assert abs(await top() - before) < 3
        await assert_not_reloaded(shown)


async def test_a_page_says_when_the_server_has_gone_and_comes_back_by_itself(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path, shop())
    async with tab(browser, "") as shown:
        async with ui_server(tmp_path) as server:
            shown.site = server.site
            await shown.open("/ingresses")
            await mark(shown)
            await server.stop()
            await expect(shown.page.get_by_role("status")).to_contain_text("Disconnected")
        write(tmp_path, [CHECKOUT])
        async with ui_server(tmp_path, ui=server.site.removeprefix("http://")):
            await expect(shown.page.get_by_role("row").filter(has_text="checkout.example")).to_have_count(1)
            await assert_not_reloaded(shown)


async def test_many_changes_are_shown_in_few_renderings(browser: Browser, tmp_path: Path) -> None:
    """A rolling deployment changes endpoints many times a second."""
    write(tmp_path, shop())
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        await shown.open("/ingresses/shop/shop")
        requests: list[str] = []
        shown.page.on("request", lambda request: requests.append(request.url))
        for last in range(3, 103):
            server.write(web(*(f"10.0.0.{number}" for number in range(1, last))))
            if last % 10 == 0:
                await shown.page.wait_for_timeout(50)
        await expect(shown.page.get_by_role("main")).to_contain_text("101 healthy")
        assert len(requests) < 30
        assert shown.faults == []
