"""Every page that links lead to, on a screen and on a phone, light and dark: opens, reads well, fits, logs no error.

Covers: rules of accessibility (tests/support/accessibility.py), headers, the phone's width. Excludes: content.
"""

from collections.abc import AsyncIterator
from urllib.parse import urldefrag

import pytest
from playwright.async_api import Browser, Response, expect

from tests.support.accessibility import overflow, violations
from tests.support.chromium import DESKTOP, IN_CHROMIUM, PHONE, Tab, tab
from tests.support.ui_server import UiServer

pytestmark = IN_CHROMIUM

MAX_PAGES = 40
"""Most pages opened: a site has one for each object."""

SECTIONS = ["Overview", "Ingresses", "Explain", "Problems", "Proxies", "Revisions", "Certificates", "Replicas"]


async def every_page(shown: Tab) -> AsyncIterator[tuple[str, Response]]:
    """Open the pages that links lead to, from the overview on."""
    found: list[str] = []
    waiting = ["/"]
    while waiting and len(found) < MAX_PAGES:
        path = waiting.pop(0)
        found.append(path)
        yield path, await shown.open(path)
        for link in await shown.evaluate("() => [...document.querySelectorAll('a[href]')].map((a) => a.href)"):
            target = urldefrag(link).url.removeprefix(shown.site)
            if target not in found and target not in waiting:
                waiting.append(target)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["screen", "phone"])
async def test_every_page_keeps_the_rules(
    browser: Browser, server: UiServer, size: dict[str, int], scheme: str
) -> None:
    async with tab(browser, server.site, viewport=size, color_scheme=scheme) as shown:
        found = {}
        async for path, response in every_page(shown):
            assert response.status == 200
            assert response.headers["content-type"] == "text/html; charset=utf-8"
            found[path] = await violations(shown.page) + await overflow(shown.page)
        assert {path: faults for path, faults in found.items() if faults} == {}
        assert shown.faults == []
    assert len(found) > len(SECTIONS)


async def test_the_navigation_leads_to_every_section(shown: Tab) -> None:
    await shown.open()
    titles = set()
    for name in SECTIONS:
        await shown.go_to(name)
        await expect(shown.page.get_by_role("navigation").locator("[aria-current=page]")).to_contain_text(name)
        heading = await shown.page.get_by_role("heading", level=1).inner_text()
        title = await shown.page.title()
        assert name.lower() in f"{heading} {title}".lower()
        titles.add(title)
    assert len(titles) == len(SECTIONS)


async def test_headers_forbid_scripts_frames_and_copies(shown: Tab) -> None:
    async for _, response in every_page(shown):
        headers = response.headers
        policy = {
            words[0]: words[1:] for each in headers["content-security-policy"].split(";") if (words := each.split())
        }
        assert policy["default-src"] == ["'none'"]
        assert policy["frame-ancestors"] == ["'none'"]
        assert policy["base-uri"] == ["'none'"]
        assert policy["form-action"] == ["'self'"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "*" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "set-cookie" not in headers


async def test_an_injected_script_does_not_run(shown: Tab) -> None:
    await shown.open()
    blocked = await shown.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.injected = 1';
          document.body.append(script);
          const div = document.createElement('div');
          div.innerHTML = '<img src="data:,x" onerror="window.injected = 2">';
          document.body.append(div);
          const remote = document.createElement('script');
          remote.src = 'data:text/javascript,window.injected=3';
          document.body.append(remote);
          for (let i = 0; i < 100 && blocked.length < 3; i++) await new Promise((done) => setTimeout(done, 50));
          return blocked;
        }"""
    )
    assert {each.removesuffix("-elem").removesuffix("-attr") for each in blocked} <= {"script-src", "img-src"}
    assert len(blocked) >= 3
    assert await shown.evaluate("() => window.injected") is None
    shown.forgive("Content Security Policy")
    shown.forgive("data:")


async def test_pages_work_without_scripts(browser: Browser, server: UiServer) -> None:
    async with tab(browser, server.site, java_script_enabled=False) as shown:
        await shown.open()
        for name in SECTIONS:
            await shown.go_to(name)
            await expect(shown.page.get_by_role("navigation").locator("[aria-current=page]")).to_contain_text(name)
        assert shown.faults == []


@pytest.mark.parametrize("path", ["/nowhere", "/ingresses/nowhere/nothing", "/../etc/passwd", "/static/../overview.py"])
async def test_an_unknown_page_says_so(shown: Tab, path: str) -> None:
    response = await shown.open(path)
    assert response.status == 404
    assert "content-security-policy" in response.headers
    await shown.page.get_by_role("link", name="Overview").first.wait_for()
    assert await violations(shown.page) == []
    shown.forgive("404")
