"""Names and texts that strangers choose are shown as text: HTML, quotes, newlines, changed direction, great length."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.accessibility import overflow, violations
from tests.support.ads_client import CDS, DeltaClient
from tests.support.chromium import IN_CHROMIUM, PHONE, Tab, tab
from tests.support.objects import ingress, manifest, path, rule, service, slice_of
from tests.support.ui_server import ui_server, write

pytestmark = IN_CHROMIUM

SCRIPT = '"><script>window.injected = 1</script>'
IMAGE = "'><img src=x onerror=window.injected=2>"
TURNED = "\u202egpj.exe\u202c"
LONG_HOST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
NODE = f"{SCRIPT}\n{IMAGE}\x1b[31m{TURNED}"


async def assert_nothing_ran(shown: Tab) -> None:
    assert await shown.evaluate("() => window.injected") is None
    assert await shown.evaluate("() => document.querySelectorAll('main script, main img').length") == 0
    assert shown.faults == []


async def test_texts_of_objects_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    annotated = {
        f"nginx.ingress.kubernetes.io/{name}": f"{SCRIPT}{TURNED}" for name in ("proxy-read-timeout", "app-root")
    }
    write(
        tmp_path,
        [
            service("web"), slice_of("web", "10.0.0.1"),
            ingress("path", rule("path.example", path(f"/{SCRIPT}", "web"), path(f"/{IMAGE}"))),
            ingress("annotated", rule("annotated.example", path("/", "web")), annotations=annotated),
            ingress("host", rule(f"{IMAGE}.example", path("/", "web"))),
            ingress("backend", rule("backend.example", path("/", SCRIPT.replace(":", "")))),
        ],
    )  # fmt: skip
    (tmp_path / f"{IMAGE.replace('/', '')}.yaml").write_text("kind: [")
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        for page in ("/", "/problems", "/ingresses", *(f"/ingresses/default/{name}" for name in ("path", "annotated"))):
            await shown.open(page)
            await assert_nothing_ran(shown)
        await shown.open("/problems")
        main = shown.page.get_by_role("main")
        await expect(main).to_contain_text("<script>window.injected = 1</script>")
        await expect(main).to_contain_text("<img src=x onerror=window.injected=2>")
        assert await violations(shown.page) == []


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT,
        IMAGE,
        TURNED,
        "%00",
        "\x00",
        "a" * 5000,
        "{{ 7*7 }}",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
async def test_texts_of_forms_are_shown_as_text(shown: Tab, text: str) -> None:
    await shown.open("/ingresses")
    search = shown.page.get_by_role("main").get_by_role("searchbox")
    await search.fill(text)
    await search.press("Enter")
    await shown.page.get_by_role("heading", level=1).wait_for()
    shown.faults = [each for each in shown.faults if "400" not in each]
    await assert_nothing_ran(shown)
    assert "49" not in await shown.page.get_by_role("main").inner_text() or "7*7" not in text
    await shown.open("/explain")
    await shown.page.get_by_label("URL").fill(f"http://shop.example/{text}")
    await shown.page.get_by_role("button", name="Explain").click()
    await shown.page.get_by_role("heading", level=1).wait_for()
    shown.faults = [each for each in shown.faults if "400" not in each]
    await assert_nothing_ran(shown)


async def test_node_ids_and_messages_of_proxies_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    write(
        tmp_path, [service("web"), slice_of("web", "10.0.0.1"), ingress("web", rule("web.example", path("/", "web")))]
    )
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        client = DeltaClient(server.address, NODE).open()
        try:
            await client.subscribe(CDS)
            await client.reject(CDS, "default/web/80", message=f"default/web/80: {SCRIPT}\n{IMAGE}{TURNED}")
            await shown.open("/proxies")
            main = shown.page.get_by_role("main")
            await expect(main).to_contain_text("<script>window.injected = 1</script>")
            await expect(main).to_contain_text("rejected")
            text = await main.inner_text()
            assert "\u202e" not in text, "a name must not turn the direction of its surroundings"
            assert "\x1b" not in text
            await assert_nothing_ran(shown)
            for link in await main.get_by_role("link").evaluate_all("(links) => links.map((each) => each.href)"):
                assert (await shown.open(link.removeprefix(shown.site))).status == 200
                await assert_nothing_ran(shown)
            await shown.open("/problems")
            await expect(shown.page.get_by_role("main")).to_contain_text("<script>window.injected = 1</script>")
            await assert_nothing_ran(shown)
        finally:
            await client.close()


async def test_the_longest_names_fit_a_phone(browser: Browser, tmp_path: Path) -> None:
    name = "n" * 253
    long = ingress(name, rule(LONG_HOST, path("/" + "p" * 1000, "web")), ns="s" * 63)
    write(tmp_path, [ingress("web", rule("web.example", path("/", "web")))])
    (tmp_path / "long.json").write_text(json.dumps(manifest(long)))
    async with ui_server(tmp_path) as server, tab(browser, server.site, viewport=PHONE) as shown:
        for page in (
            "/",
            "/ingresses",
            f"/ingresses/{'s' * 63}/{name}",
            "/problems",
            f"/explain?url=http://{LONG_HOST}/",
        ):
            assert (await shown.open(page)).status == 200
            assert await overflow(shown.page) == []
        assert shown.faults == []
