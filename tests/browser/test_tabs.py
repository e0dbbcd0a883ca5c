"""More tabs than the six connections that a browser opens to one host by HTTP/1.1."""

import contextlib

from playwright.async_api import Browser, expect

from tests.support.chromium import DESKTOP, IN_CHROMIUM, LIMIT_MILLISECONDS
from tests.support.ui_server import UiServer

pytestmark = IN_CHROMIUM

TABS = 9

_HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  Object.defineProperty(document, 'visibilityState', {value: hidden ? 'hidden' : 'visible', configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
"""Headless Chromium shows every tab at once."""


async def test_hidden_tabs_leave_the_connections_to_the_shown_one(browser: Browser, server: UiServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        context = await browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        stack.push_async_callback(context.close)
        context.set_default_timeout(LIMIT_MILLISECONDS)
        for _ in range(TABS):
            page = await context.new_page()
            await page.goto(f"{server.site}/ingresses")
            await expect(page.get_by_role("heading", level=1)).to_contain_text("Ingresses")
            await page.evaluate(_HIDE, arg=True)
        first = context.pages[0]
        await first.evaluate(_HIDE, arg=False)
        await first.get_by_role("navigation").get_by_role("link", name="Problems").click()
        await expect(first.get_by_role("heading", level=1)).to_contain_text("Problems")
