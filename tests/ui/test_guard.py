"""Requests that the page answers, and the headers of its responses.

Excludes the browser's view (tests/browser).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.ui.stand_in import Ui
from xds.ui.guard import HEADERS, is_own_host


@pytest.fixture
async def ui() -> AsyncIterator[Ui]:
    async with Ui("xds.example.com") as ui:
        yield ui


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:9", "127.8.8.8", "[::1]:18002", "[::1]"]
)
def test_names_of_this_machine_are_its_own(host: str) -> None:
    assert is_own_host([host], ())


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.test",
            "evil.test:18002",
            "localhost.evil.test",
            "a.localhost",
            "localhost@evil.test",
            "localhost:a",
        ),
        *("10.0.0.1", "0.0.0.0", "[::]", "[::ffff:10.0.0.1]", "[::1]evil.test", "[::1", "::1", "127.1", "2130706433"),
        *("localhost evil.test", "localhost\x00", "localhost/", "xds.example.com"),
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_own_host([host], ())


def test_names_of_the_flag_are_own_with_any_port_and_in_any_case() -> None:
    hosts = ("xds.Example.com", "10.0.0.1", "fd00::1")
    for host in ("xds.example.com", "XDS.example.com:443", "xds.example.com.", "10.0.0.1:1", "[fd00::1]:2"):
        assert is_own_host([host], hosts)
    assert not is_own_host(["a.xds.example.com"], hosts)


def test_a_request_has_one_host() -> None:
    assert not is_own_host([], ())
    assert not is_own_host(["localhost", "localhost"], ())


async def test_a_rebound_name_is_forbidden_and_the_flags_name_is_not(ui: Ui) -> None:
    assert (await ui.get("/", Host="evil.test"))[0] == 403
    assert (await ui.get("/events", Host="evil.test"))[0] == 403
    assert (await ui.get("/static/page.css", Host="evil.test"))[0] == 403
    assert (await ui.get("/", Host="xds.example.com"))[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_not_allowed(ui: Ui, method: str) -> None:
    status, _ = await ui.get("/", method)
    assert status == 405
    assert ui.headers["Allow"] == "GET, HEAD"


async def test_head_has_no_body(ui: Ui) -> None:
    assert await ui.get("/", "HEAD") == (200, "")


@pytest.mark.parametrize(
    ("site", "destination", "status"),
    [
        ("none", "document", 200),
        ("same-origin", "empty", 200),
        ("cross-site", "document", 200),
        ("cross-site", "image", 403),
        ("cross-site", "iframe", 403),
        ("same-site", "empty", 403),
    ],
)
async def test_another_site_may_link_and_no_more(ui: Ui, site: str, destination: str, status: int) -> None:
    assert (await ui.get("/", Sec_Fetch_Site=site, Sec_Fetch_Dest=destination))[0] == status


async def test_every_response_has_the_protecting_headers(ui: Ui) -> None:
    for path, method in (("/", "GET"), ("/nothing", "GET"), ("/", "POST"), ("/%00", "GET"), ("/revisions/9", "GET")):
        await ui.get(path, method)
        assert {name: ui.headers[name] for name in HEADERS} == HEADERS
        assert "Server" not in ui.headers
    await ui.get("/static/page.js")
    assert {name for name in HEADERS if ui.headers.get(name) != HEADERS[name]} == {"Cache-Control"}


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_an_odd_request_gets_an_error_with_the_same_headers(ui: Ui, request_: bytes) -> None:
    reader, writer = await ui.open(request_)
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert b"Content-Security-Policy: default-src 'none'" in received
    for word in (b"Server:", b"aiohttp", b"Python"):
        assert word not in received


async def test_half_sent_requests_keep_nobody_out(ui: Ui) -> None:
    held = [await ui.open(b"GET / HTTP/1.1\r\n") for _ in range(200)]
    assert (await ui.get("/"))[0] == 200
    for _, writer in held:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
