"""Access to the page: hosts, methods, addresses and ports.

Covers: DNS rebinding, requests of other sites, --ui-allow-remote, a port that is taken. Excludes: content.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser

from tests.support.chromium import IN_CHROMIUM, tab
from tests.support.envoy import free_port
from tests.support.ui_server import UiServer, ui_server
from tests.support.waiting import WAIT_LIMIT_SECONDS, until

pytestmark = IN_CHROMIUM


async def status(site: str, path: str = "/", method: str = "GET", **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{site}{path}", headers=given, allow_redirects=False) as answer,
    ):
        return answer.status


async def raw(site: str, request: str) -> str:
    """The first line of the answer to a request that a client library would not send."""
    host, _, port = site.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode())
        try:
            return (await reader.readline()).decode()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize("path", ["/", "/ingresses", "/explain", "/static/style.css", "/events"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])
async def test_another_host_is_refused(server: UiServer, host: str, path: str) -> None:
    port = server.site.rpartition(":")[2]
    for text in (host, f"{host}:{port}"):
        assert 400 <= await status(server.site, path, Host=text) < 500


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
async def test_loopback_names_are_let_in(server: UiServer, host: str) -> None:
    port = server.site.rpartition(":")[2]
    assert await status(server.site, Host=f"{host}:{port}") == 200
    assert await status(server.site, Host=f"{host}:8080") == 200, "kubectl port-forward chooses another port"


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: local host\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n",
    ],
)
async def test_a_request_without_one_clear_host_is_refused(server: UiServer, request_text: str) -> None:
    assert (await raw(server.site, request_text)).split()[1].startswith("4")


async def test_a_name_that_turns_to_loopback_shows_nothing(browser: Browser, server: UiServer) -> None:
    """DNS rebinding: a page of a stranger's name whose address becomes 127.0.0.1."""
    port = server.site.rpartition(":")[2]
    async with tab(browser, f"http://rebound.localhost:{port}") as shown:
        response = await shown.open("/ingresses")
        assert 400 <= response.status < 500
        assert "shop" not in await response.text()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_the_page_is_read_only(server: UiServer, method: str) -> None:
    for path in ("/", "/ingresses", "/explain"):
        assert await status(server.site, path, method) in {405, 501}


async def test_other_sites_can_neither_read_nor_frame_the_page(
    browser: Browser, server: UiServer, tmp_path: Path
) -> None:
    other = tmp_path / "other.html"
    other.write_text(f"<iframe src='{server.site}/'></iframe>")
    async with tab(browser, "file://") as shown:
        await shown.page.goto(other.as_uri())
        read = await shown.evaluate(
            "(site) => fetch(site).then((a) => a.text(), (error) => `refused: ${error}`)", f"{server.site}/"
        )
        assert read.startswith("refused: ")
        (frame,) = shown.page.frames[1:]
        with contextlib.suppress(Exception):
            assert "Ingress" not in await frame.locator("html").inner_text(timeout=2000)


# Addresses


async def start_error(folder: Path, *flags: str) -> tuple[int | None, str]:
    """Exit code and standard error of a server that can't start."""
    command = [sys.executable, "-m", "xds", "serve", "--from", str(folder), "--listen", "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *(*command, "--admin", "127.0.0.1:0", "--log-level", "error", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), WAIT_LIMIT_SECONDS)
    return process.returncode, err.decode()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def test_a_given_port_that_is_taken_is_an_error_of_one_line(tmp_path: Path, taken: int) -> None:
    code, err = await start_error(tmp_path, "--ui", f"127.0.0.1:{taken}")
    assert (code, err.count("\n")) == (3, 1)
    assert f"127.0.0.1:{taken}" in err
    assert "--ui" in err


async def test_the_default_port_that_is_taken_is_a_warning(tmp_path: Path) -> None:
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # taken already
            other.bind(("127.0.0.1", 18002))
            other.listen()
        async with ui_server(tmp_path, ui=None) as server:
            await until(lambda: server.has_logged("no_page"))
            warning = server.logged("no_page")
            assert warning["level"] == "warning"
            assert "--ui" in warning["remedy"]
            assert (await server.get("/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--ui", "0.0.0.0:18002"], "--ui-allow-remote"),
        (["--ui", "[::]:18002"], "--ui-allow-remote"),
        (["--ui", "192.0.2.1:18002", "--ui-allow-remote"], "--ui-host"),
    ],
)
async def test_an_address_beyond_this_machine_needs_permission_and_names(
    tmp_path: Path, flags: list[str], words: str
) -> None:
    code, err = await start_error(tmp_path, *flags)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err


async def test_a_remote_page_answers_to_its_names_alone(tmp_path: Path) -> None:
    port = free_port()
    flags = ("--ui-allow-remote", "--ui-host", "xds.example")
    async with ui_server(tmp_path, *flags, ui=f"0.0.0.0:{port}"):
        site = f"http://127.0.0.1:{port}"
        assert await status(site, Host="xds.example") == 200
        assert await status(site, Host=f"XDS.example:{port}") == 200
        assert 400 <= await status(site, Host="other.example") < 500


async def test_the_page_can_be_off(tmp_path: Path) -> None:
    async with ui_server(tmp_path, ui="off") as server:
        assert not any(line["event"].startswith("ui") for line in server.logs)


async def test_the_admin_port_has_no_page(server: UiServer) -> None:
    for path in ("/", "/ingresses", "/explain", "/events"):
        assert (await server.get(path))[0] == 404
