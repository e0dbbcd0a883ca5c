"""From the overview to the cause: each broken Ingress is found, explained and given a remedy, by links alone."""

import pytest
from playwright.async_api import expect

from tests.support.chromium import IN_CHROMIUM, Tab
from xds.problems.reasons import Reason

pytestmark = IN_CHROMIUM

BROKEN = [
    ("team-a/checkout", Reason.BACKEND_NOT_FOUND, "team-a/chekout", "Create the Service, or correct the name"),
    ("team-a/timeouts", Reason.ANNOTATION_INVALID, "proxy-read-timeout", "remove the annotation"),
    ("team-a/secure", Reason.SECRET_NOT_FOUND, "team-a/gone", "Create the Secret"),
]


@pytest.mark.parametrize(("ingress", "reason", "cause", "remedy"), BROKEN, ids=[each[1].value for each in BROKEN])
async def test_a_broken_ingress_is_found_from_the_overview(
    shown: Tab, ingress: str, reason: Reason, cause: str, remedy: str
) -> None:
    await shown.open()
    await shown.page.get_by_role("main").get_by_role("link", name="Problems").click()
    problem = shown.page.get_by_role("article").filter(has_text=ingress)
    await expect(problem).to_contain_text(reason)
    await expect(problem).to_contain_text(cause)
    await expect(problem).to_contain_text(remedy)
    await problem.get_by_role("link", name=ingress).click()
    await expect(shown.page.get_by_role("heading", level=1)).to_contain_text(ingress)
    await expect(shown.page.get_by_role("main")).to_contain_text(cause)
    await expect(shown.page.get_by_role("main")).to_contain_text(remedy)


async def test_problems_are_filtered_by_reason_and_level(shown: Tab) -> None:
    await shown.open("/problems")
    problems = shown.page.get_by_role("article")
    await expect(problems).to_have_count(3)
    await shown.page.get_by_label("Reason").select_option(value=Reason.SECRET_NOT_FOUND)
    await shown.page.get_by_role("button", name="Filter").click()
    await expect(problems).to_have_count(1)
    await expect(problems).to_contain_text("team-a/gone")
    assert "SecretNotFound" in shown.page.url
    await shown.open("/problems")
    await shown.page.get_by_label("Level").select_option("warning")
    await shown.page.get_by_role("button", name="Filter").click()
    await expect(problems).to_have_count(1)
    await expect(problems).to_contain_text("proxy-read-timeout")


async def test_the_list_of_ingresses_is_searched_by_name_host_and_namespace(shown: Tab) -> None:
    for text in ("checkout", "checkout.example", "team-a"):
        await shown.open("/ingresses")
        await shown.page.get_by_role("main").get_by_role("searchbox").fill(text)
        await shown.press("Enter")
        await expect(shown.page.get_by_role("row").filter(has_text="checkout")).to_have_count(1)
        await expect(shown.page.get_by_role("row").filter(has_text="shop.example")).to_have_count(0)


async def test_an_ingress_shows_hosts_paths_backends_and_state(shown: Tab) -> None:
    await shown.open("/ingresses")
    await shown.page.get_by_role("main").get_by_role("link", name="shop", exact=False).first.click()
    main = shown.page.get_by_role("main")
    for text in ("shop/shop", "shop.example", "/api", "shop/web", "accepted", "served", "2 healthy"):
        await expect(main).to_contain_text(text)


async def test_certificates_show_days_hosts_and_no_key(shown: Tab) -> None:
    await shown.open("/certificates")
    row = shown.page.get_by_role("row").filter(has_text="shop/shop-tls")
    await expect(row).to_contain_text("20 days")
    await expect(row).to_contain_text("shop.example")
    assert "PRIVATE" not in await shown.page.content()
