"""Debian's Chromium, by Playwright: tabs that note whatever a browser's console would show."""

import contextlib
import os
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, async_playwright, expect

from tests.support.debian import needs, program
from tests.support.waiting import WAIT_LIMIT_SECONDS

LIMIT_MILLISECONDS: Final = WAIT_LIMIT_SECONDS * 1000

IN_CHROMIUM: Final = [pytest.mark.browser, needs("chromium"), pytest.mark.asyncio(loop_scope="session")]
"""The marks of a module. One event loop, as the browser of a session belongs to its loop."""

DESKTOP: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 360, "height": 740}

expect.set_options(timeout=LIMIT_MILLISECONDS)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser."""
    # Chromium's sandbox needs a user other than root.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"), args=flags, timeout=LIMIT_MILLISECONDS
        )
        try:
            yield browser
        finally:
            await browser.close()


class Tab:
    """A page of a site.

    Attributes:
        site: The address of the site, as `http://HOST:PORT`.
        faults: Errors and warnings of the console, exceptions, failed requests, and requests to other sites.
    """

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    async def open(self, path: str = "/") -> Response:
        """The answer to a request of the path, after the page has loaded."""
        response = await self.page.goto(f"{self.site}{path}", wait_until="load")
        assert response is not None
        return response

    def forgive(self, text: str) -> None:
        """Forget the faults with this text, which the test has brought about."""
        self.faults = [each for each in self.faults if text not in each]

    async def go_to(self, name: str) -> None:
        """Follow the link of the navigation, whose name a count may follow."""
        navigation = self.page.get_by_role("navigation", name="Pages")
        await navigation.get_by_role("link", name=re.compile(f"^{name}")).click()

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        return await self.page.evaluate(script, argument)

    async def press(self, *keys: str) -> None:
        for each in keys:
            await self.page.keyboard.press(each)

    async def focused(self) -> str:
        """Tag, name and text of the focused element."""
        return str(
            await self.evaluate(
                "() => { const e = document.activeElement;"
                " return [e.tagName, e.name || '', (e.innerText || '').trim()].join(' ').trim() }"
            )
        )

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.site}/", "data:")):
            self.faults.append(f"request to another site: {request.url}")

    def _on_failure(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED":
            return  # the page was left
        self.faults.append(f"failed: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")


@contextlib.asynccontextmanager
async def tab(browser: Browser, site: str, **options: Any) -> AsyncIterator[Tab]:
    """A tab with storage of its own. `options` are those of `Browser.new_context`."""
    context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
    context.set_default_timeout(LIMIT_MILLISECONDS)
    try:
        yield Tab(await context.new_page(), site)
    finally:
        await context.close()
