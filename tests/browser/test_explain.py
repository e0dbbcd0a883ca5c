"""The form that explains a request: steps, links, a shareable address, bounds, and bad input."""

import pytest
from playwright.async_api import expect

from tests.support.accessibility import violations
from tests.support.chromium import IN_CHROMIUM, Tab

pytestmark = IN_CHROMIUM


async def ask(shown: Tab, url: str) -> None:
    await shown.open("/explain")
    await shown.page.get_by_label("URL").fill(url)
    await shown.page.get_by_role("button", name="Explain").click()
    await shown.page.get_by_role("heading", name="Answer").wait_for()


async def test_a_request_is_explained_step_by_step(shown: Tab) -> None:
    await ask(shown, "https://shop.example/api/orders?page=1")
    main = shown.page.get_by_role("main")
    for text in ("shop/api/80 answers", "shop.example", "/api", "Ingress shop/shop", "Service shop/api", "1 healthy"):
        await expect(main).to_contain_text(text)
    assert await violations(shown.page) == []


async def test_links_of_an_explanation_lead_to_the_objects(shown: Tab) -> None:
    await ask(shown, "https://shop.example/api")
    links = shown.page.get_by_role("main").get_by_role("link")
    targets = await links.evaluate_all("(links) => links.map((each) => each.href)")
    assert targets
    await links.filter(has_text="Ingress shop/shop").first.click()
    await expect(shown.page.get_by_role("heading", level=1)).to_contain_text("shop/shop")
    for target in set(targets):
        assert (await shown.open(target.removeprefix(shown.site))).status == 200


async def test_an_explanation_has_an_address_to_share(shown: Tab) -> None:
    await ask(shown, "http://checkout.example/cart")
    address = shown.page.url.removeprefix(shown.site)
    assert "checkout.example" in address
    await shown.open(address)
    await expect(shown.page.get_by_label("URL")).to_have_value("http://checkout.example/cart")
    await expect(shown.page.get_by_role("main")).to_contain_text("503")
    await expect(shown.page.get_by_role("main")).to_contain_text("Service 'team-a/chekout' doesn't exist")


async def test_a_redirect_and_an_unknown_host_are_explained(shown: Tab) -> None:
    await ask(shown, "http://shop.example/cart")
    await expect(shown.page.get_by_role("region", name="Answer")).to_contain_text("https://shop.example/cart")
    await ask(shown, "http://nobody.example/")
    await expect(shown.page.get_by_role("main")).to_contain_text("404")


@pytest.mark.parametrize(
    "url",
    ["ftp://shop.example/", "http://", "javascript:alert(1)"],
    ids=["scheme", "no host", "javascript"],
)
async def test_a_bad_url_gets_one_clear_line(shown: Tab, url: str) -> None:
    await shown.open("/explain")
    await shown.page.get_by_label("URL").evaluate("(input) => { input.form.noValidate = true }")
    await shown.page.get_by_label("URL").fill(url)
    await shown.page.get_by_role("button", name="Explain").click()
    await expect(shown.page.get_by_role("alert")).not_to_be_empty()
    assert "\n" not in (await shown.page.get_by_role("alert").inner_text()).strip()
    await expect(shown.page.get_by_label("URL")).to_have_value(url)
    shown.forgive("400")


@pytest.mark.parametrize(
    ("url", "answer"),
    [("http://a b/", "400"), ("http://[::1", "404"), ("shop.example/", "308"), ("x" * 7000, "404")],
    ids=["space", "bracket", "no scheme", "long"],
)
async def test_a_strange_url_is_explained_as_a_proxy_reads_it(shown: Tab, url: str, answer: str) -> None:
    await ask(shown, url)
    await expect(shown.page.get_by_role("region", name="Answer")).to_contain_text(answer)
