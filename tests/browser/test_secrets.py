"""No page shows a private key, a user or a hash of a password."""

from pathlib import Path

from playwright.async_api import Browser

from tests.browser.shop import shop
from tests.browser.test_pages import every_page
from tests.support.chromium import IN_CHROMIUM, tab
from tests.support.objects import certificate, ingress, password_file, path, rule, secret, service, slice_of, tls
from tests.support.ui_server import ui_server, write

pytestmark = IN_CHROMIUM

USERS = "alice-the-user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"


async def test_no_page_shows_a_secret(browser: Browser, tmp_path: Path) -> None:
    pair = certificate("vault.example")
    closed = ingress(
        "vault",
        rule("vault.example", path("/", "vault")),
        tls=[tls("vault.example", secret="vault-tls")],
        annotations={
            "nginx.ingress.kubernetes.io/auth-type": "basic",
            "nginx.ingress.kubernetes.io/auth-secret": "users",
        },
    )
    write(tmp_path, [*shop(), closed, service("vault"), slice_of("vault", "10.0.0.1"), password_file(USERS)])
    write(tmp_path, [secret("vault-tls", pair)])
    key = "".join(pair.key.decode().splitlines()[1:-1])
    async with ui_server(tmp_path) as server, tab(browser, server.site) as shown:
        seen = ""
        await shown.open("/explain?url=https%3A%2F%2Fvault.example%2F")
        seen += await shown.page.content()
        async for _, response in every_page(shown):
            seen += await response.text()
        assert "default/vault" in seen
        for word in ("alice", "W6ph5Mm5", "PRIVATE KEY", key[:40], key[-40:]):
            assert word not in seen, word
        assert shown.faults == []
