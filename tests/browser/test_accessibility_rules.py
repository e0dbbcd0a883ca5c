"""The rules that the tests of the page apply find the faults that they are for."""

import pytest
from playwright.async_api import Browser

from tests.support.accessibility import overflow, violations
from tests.support.chromium import IN_CHROMIUM, PHONE, tab

pytestmark = IN_CHROMIUM

GOOD = """<!doctype html><html lang=en><title>Shop</title>
<nav><a href=/ style="display:block;height:30px">Home</a></nav>
<main><h1>Shop</h1><h2>Orders</h2><label>Search <input name=q style="height:30px"></label>
<table><caption>Orders</caption><tr><th scope=col>Number<tr><td>1</table>BODY</main></html>"""


async def faults(browser: Browser, html: str) -> list[str]:
    async with tab(browser, "about:blank", viewport=PHONE) as shown:
        await shown.page.set_content(html)
        return await violations(shown.page) + await overflow(shown.page)


async def test_a_good_page_breaks_no_rule(browser: Browser) -> None:
    assert await faults(browser, GOOD) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        (" lang=en", "", "no lang"),
        ("<title>Shop</title>", "", "no title"),
        ("<h1>Shop</h1>", "<h1>Shop</h1><h1>Shop</h1>", "2 visible <h1>"),
        ("<h2>Orders</h2>", "<h3>Orders</h3>", "heading level 1 is followed by 3"),
        ("<label>Search ", "<label>", "no label: <input"),
        ("BODY", "<p id=a></p><p id=a></p>", "id a twice"),
        ("BODY", '<button style="padding:20px"></button>', "no name: <button"),
        ("BODY", "<img src='data:,'>", "no alt"),
        ("<caption>Orders</caption>", "", "a table without a caption"),
        ("<th scope=col>", "<th>", "<th> without scope"),
        ("<th scope=col>", "<td>", "a table without <th>"),
        ("BODY", "<p style='color:#777'>grey</p>", "contrast 4.48"),
        ("BODY", "<p style='color:oklch(1 0 0 / 0.5);background:rgb(0 0 0 / 0.5)'>grey</p>", "contrast "),
        ("BODY", "<style>::placeholder {color: #999}</style><input aria-label=a placeholder=b style='height:30px'>",
         "of a placeholder"),
        ("height:30px", "height:10px;overflow:hidden", "a target of"),
        ("BODY", "<div style='width:999px'>wide</div>", "the body is"),
        ("BODY", "<div style='overflow:auto'><pre style='width:999px'>wide</pre></div>", "can't be focused"),
    ],
)  # fmt: skip
async def test_a_fault_is_found(browser: Browser, good: str, bad: str, fault: str) -> None:
    found = await faults(browser, GOOD.replace(good, bad, 1))
    assert any(fault in each for each in found), found
