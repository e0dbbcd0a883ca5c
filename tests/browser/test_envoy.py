"""The page beside a real Envoy: the proxy comes, has each change, and goes; an explanation counts it."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.shop import shop, web
from tests.support.chromium import IN_CHROMIUM, tab
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.ui_server import ui_server, write

pytestmark = [*IN_CHROMIUM, needs_envoy]


async def test_a_real_envoy_is_shown_in_sync_and_gone_when_it_ends(browser: Browser, tmp_path: Path) -> None:
    manifests, envoys = tmp_path / "manifests", tmp_path / "envoy"
    manifests.mkdir()
    envoys.mkdir()
    write(manifests, shop())
    ports = ["--http-port", str(free_port()), "--https-port", str(free_port())]
    async with ui_server(manifests, *ports) as server, tab(browser, server.site) as shown:
        await shown.open("/proxies")
        main = shown.page.get_by_role("main")
        row = main.get_by_role("row").filter(has_text="envoy 1.")
        await expect(row).to_have_count(0)
        async with running_envoy(server.address, envoys) as envoy:
            await envoy.until_ready()
            await expect(row).to_have_count(1)
            await expect(row.get_by_text("in sync")).to_have_count(7)
            server.write(web("10.0.0.7"))
            explain = await shown.page.context.new_page()
            await explain.goto(f"{server.site}/explain?url=https%3A%2F%2Fshop.example%2F")
            await expect(explain.get_by_role("main")).to_contain_text("1 healthy")
            await expect(explain.get_by_role("main")).to_contain_text("1 of 1 proxy has")
        await expect(row).to_have_count(0)
        assert shown.faults == []
