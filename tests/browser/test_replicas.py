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
        other_column = shown.page.get_by_role("columnheader", name=f"127.0.0.1:{ports[1]}")
        answers = shown.page.get_by_role("row").filter(has=shown.page.get_by_role("rowheader", name="Answers"))
        async with ui_server(tmp_path, *peers, port=ports[1]) as other:
            await shown.open("/replicas")
            await expect(shown.page.get_by_role("columnheader", name="this one")).to_have_count(1)
            await expect(other_column).to_have_count(1)
            await expect(answers.get_by_text("yes")).to_have_count(2)
            versions = shown.page.get_by_role("row").filter(
                has=shown.page.get_by_role("rowheader", name="cds", exact=True)
            )
            one_version, other_version = await versions.locator("code").all_inner_texts()
            assert one_version == other_version
            await shown.evaluate("() => { window.marked = true }")
            other.process.kill()
            await other.process.wait()
            await expect(answers.get_by_text("yes")).to_have_count(1)
            await expect(answers).to_contain_text("nothing listens there")
            await expect(other_column).to_have_count(1)
        async with ui_server(tmp_path, *peers, port=ports[1]):
            await expect(answers.get_by_text("yes")).to_have_count(2)
        assert await shown.evaluate("() => window.marked") is True
        assert shown.faults == []
