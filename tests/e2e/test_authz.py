"""`xds authz` behind a real Envoy with a static configuration: answers, headers, restarts, overload.

Excludes: how the control plane configures Envoy for it (tests/e2e/test_passwords.py).
"""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.guarded_envoy import Guard, guarded_envoy, running_authz

pytestmark = needs_envoy

USERS: Final = "\n".join(
    (
        "alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "bob:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
        "carol:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "dave:abNANd1rDfiNc",
    )
)

SLOW_USERS: Final = "alice:$2y$16$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"

HOSTS: Final[Mapping[str, Guard | None]] = {
    "site.test": Guard("shop/site", USERS, 'The "Site"'),
    "slow.test": Guard("shop/slow", SLOW_USERS),
    "empty.test": Guard("shop/empty", ""),
    "bare.test": Guard("shop/bare", None),
    "open.test": None,
}


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Browser:
    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def get(self, host: str, *authorization: str) -> tuple[int, str]:
        """Status, and the challenge or the Authorization header that the backend saw."""
        headers = [("host", host), *(("authorization", each) for each in authorization)]
        async with self._session.get(f"http://127.0.0.1:{self._port}/", headers=headers) as answer:
            if answer.status == 200:
                return 200, (await answer.json())["headers"].get("authorization", "")
            return answer.status, answer.headers.get("www-authenticate", "")


async def test_passwords_are_checked_and_removed_and_an_absent_service_closes(tmp_path: Path) -> None:
    socket, log = tmp_path / "s", tmp_path / "log"
    async with (
        echo("web") as backend,
        guarded_envoy(tmp_path, str(socket), HOSTS, backend) as (_, port),
        aiohttp.ClientSession() as session,
    ):
        browser = Browser(session, port)
        assert await browser.get("site.test", basic("alice", "secret")) == (503, "")
        async with running_authz(f"unix:{socket}", log):
            async with asyncio.timeout(20):
                while (await browser.get("site.test"))[0] == 503:
                    await asyncio.sleep(0.05)
            for name in ("alice", "bob", "carol"):
                assert await browser.get("site.test", basic(name, "secret")) == (200, "")
            challenge = 'Basic realm="The \\"Site\\""'
            for wrong in (
                (),
                (basic("alice", "wrong"),),
                (basic("alice", ""),),
                (basic("nobody", "secret"),),
                (basic("dave", "secret"),),
                ("Basic !",),
                ("Bearer x",),
                (basic("alice", "secret"), basic("alice", "secret")),
            ):
                assert await browser.get("site.test", *wrong) == (401, challenge)
            assert await browser.get("empty.test", basic("alice", "secret")) == (401, 'Basic realm=""')
            assert await browser.get("bare.test", basic("alice", "secret")) == (403, "")
            assert await browser.get("open.test", "Basic x") == (200, "Basic x")
        assert (await browser.get("site.test", basic("alice", "secret")))[0] == 503
        async with running_authz(f"unix:{socket}", log), asyncio.timeout(20):
            while (await browser.get("site.test", basic("alice", "secret")))[0] == 503:
                await asyncio.sleep(0.05)
            assert await browser.get("site.test", basic("alice", "secret")) == (200, "")


async def test_guesses_at_one_ingress_close_no_other(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    async with (
        echo("web") as backend,
        running_authz(f"unix:{socket}", tmp_path / "log", "--max-hashes", "2"),
        guarded_envoy(tmp_path, str(socket), HOSTS, backend) as (_, port),
        aiohttp.ClientSession() as session,
    ):
        browser = Browser(session, port)
        guesses = [asyncio.create_task(browser.get("slow.test", basic("alice", f"{each}"))) for each in range(20)]
        await asyncio.sleep(0.2)
        for name in ("alice", "bob"):
            assert await browser.get("site.test", basic(name, "secret")) == (200, "")
        assert {status for status, _ in await asyncio.gather(*guesses)} == {503}
