"""Two replicas that know each other: shown side by side, and one that has gone is shown as gone."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.shop import shop
from tests.support.chromium import IN_CHROMIUM, tab
from tests.support.envoy import free_port
from tests.support.ui_server import ui_server, write

pytestmark = IN_CHROMIUM


async def test_two_replicas_are_shown_and_one_that_is_killed_is_shown_as_gone(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path, shop())
    ports = free_port(), free_port()
    peers = [flag for port in ports for flag in ("--peers", f"127.0.0.1:{port}")]
    async with ui_server(tmp_path, *peers, port=ports[0]) as one, tab(browser, one.site) as shown:
        async with ui_server(tmp_path, *peers, port=ports[1]) as other:
            await shown.open("/replicas")
            rows = shown.page.get_by_role("main").get_by_role("row")
            for port in ports:
                await expect(rows.filter(has_text=f"127.0.0.1:{port}")).to_have_count(1)
            await shown.evaluate("() => { window.marked = true }")
            other.process.kill()
            await other.process.wait()
        await shown.page.reload()
        gone = shown.page.get_by_role("main").get_by_role("row").filter(has_text=f"127.0.0.1:{ports[1]}")
        await expect(gone).to_contain_text("unreachable")
        assert shown.faults == []
