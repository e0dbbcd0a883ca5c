"""The page by keyboard alone: every control is reached, the focus is seen, search and explain work."""

from playwright.async_api import expect

from tests.support.chromium import IN_CHROMIUM, Tab

pytestmark = IN_CHROMIUM

MAX_TABS = 60


async def tab_to(shown: Tab, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(MAX_TABS):
        await shown.press("Tab")
        if await shown.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by {MAX_TABS} times Tab")


async def test_the_first_tab_skips_the_navigation(shown: Tab) -> None:
    await shown.open("/ingresses")
    await shown.press("Tab", "Enter")
    assert await shown.evaluate("() => document.querySelector('main').contains(document.activeElement)"), "skip link"


async def test_search_is_reached_and_used(shown: Tab) -> None:
    await shown.open()
    await tab_to(shown, "nav a[href$='/ingresses']")
    await shown.press("Enter")
    await expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Ingresses")
    await tab_to(shown, "main input[type=search]")
    await shown.page.keyboard.type("checkout")
    await shown.press("Enter")
    await expect(shown.page.get_by_role("row").filter(has_text="shop.example")).to_have_count(0)
    await tab_to(shown, "main table a")
    await shown.press("Enter")
    await expect(shown.page.get_by_role("heading", level=1)).to_contain_text("team-a/checkout")


async def test_explain_is_reached_and_used(shown: Tab) -> None:
    await shown.open()
    await tab_to(shown, "nav a[href$='/explain']")
    await shown.press("Enter")
    await expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Explain")
    await tab_to(shown, "main input")
    await shown.page.keyboard.type("https://shop.example/api")
    await shown.press("Enter")
    await expect(shown.page.get_by_role("main")).to_contain_text("shop/api/80 answers")


async def test_the_focus_is_always_visible(shown: Tab) -> None:
    for page in ("/", "/ingresses", "/explain", "/problems"):
        await shown.open(page)
        seen = 0
        for _ in range(MAX_TABS):
            await shown.press("Tab")
            outline = await shown.evaluate(
                """() => {
                  const e = document.activeElement;
                  if (e === document.body) return null;
                  const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(e);
                  const box = e.getBoundingClientRect();
                  const inside = box.bottom > 0 && box.top < innerHeight;
                  return inside && (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 || boxShadow !== 'none')
                    ? 'visible' : e.outerHTML.slice(0, 80);
                }"""
            )
            if outline is None:
                break
            seen += 1
            assert outline == "visible"
        assert seen > 5
