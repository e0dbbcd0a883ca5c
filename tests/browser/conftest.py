"""A Chromium, and a server that no test changes, for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.shop import shop, team
from tests.support.chromium import Tab, chromium, tab
from tests.support.ui_server import UiServer, ui_server, write


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[UiServer]:
    """The shop and the team."""
    folder = tmp_path_factory.mktemp("manifests")
    write(folder, [*shop(), *team()])
    async with ui_server(folder) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def shown(browser: Browser, server: UiServer) -> AsyncIterator[Tab]:
    """A tab for the server that no test changes. A fault that the test has not taken out fails the test."""
    async with tab(browser, server.site) as opened:
        yield opened
        assert opened.faults == []
