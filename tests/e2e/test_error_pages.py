"""Answers of a default backend in place of errors, by a real Envoy. Excludes: grammars (tests/translate/nginx)."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import ingress, path, rule, service, slice_of, specific
from tests.support.route_table_annotations import annotated
from tests.support.scripted import Answer, Received, Scripted, ask
from tests.support.site import Site, site
from xds.resources.filters.error_pages import MARKER
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy

HOST = "shop.test"
PAGES = annotated(default_backend="pages", custom_http_errors="404,500,503")
OWN = {**PAGES, **annotated(disable_proxy_intercept_errors="true")}
REWRITTEN = {**PAGES, **annotated(rewrite_target="/$1")}


def of_web(request: Received) -> tuple[int, list[tuple[str, str]]]:
    """The status that the path ends with; 200 for other paths."""
    status = request.path.partition("?")[0].rpartition("/s")[2]
    return (int(status) if status.isdecimal() else 200), [("x-no-endpoint", "1")]


def of_pages(request: Received) -> tuple[int, list[tuple[str, str]]]:
    """The status of the error; 200 for 500, and where there was no endpoint."""
    code = request.headers.get("x-code", "0")
    return (int(code) if code in ("404", "503") and "x-original-uri" in request.headers else 200), []


@contextlib.asynccontextmanager
async def shop(folder: Path, *, trusted_hops: int = 0) -> AsyncIterator[tuple[Site, Scripted]]:
    async with Scripted("web", of_web).serving() as web, Scripted("pages", of_pages).serving() as pages:
        objects = (
            ingress("shop", rule(HOST, path("/"), path("/none", "none"), path("/dead", "dead")), annotations=PAGES),
            ingress("gone", rule(HOST, path("/gone", "gone:http")), annotations=PAGES),
            ingress("own", rule(HOST, path("/own"), path("/own/dead", "dead")), annotations=OWN),
            ingress("rewritten", rule("regex.test", specific("/app/(.*)")), annotations=REWRITTEN),
            ingress("empty", rule("empty.test", path("/", "none")), annotations=annotated(default_backend="none")),
            ingress("plain", rule("plain.test", path("/"), path("/none", "none"))),
            *(service(name) for name in ("web", "pages", "none", "dead")),
            slice_of("dead", "127.0.0.1", ports=[free_port()]),
            web.slices,
            pages.slices,
        )
        async with site(folder, *objects, proxy=ProxyOptions(trusted_hops=trusted_hops)) as running:
            yield running, pages
            assert running.rejections == []


def told(request: Received) -> dict[str, str]:
    """The headers about the error."""
    names = ("code", "format", "original-uri", "namespace", "ingress-name", "service-name", "service-port")
    return {name: request.headers[f"x-{name}"] for name in names if f"x-{name}" in request.headers}


def short(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.backend


async def test_listed_answers_are_replaced(tmp_path: Path) -> None:
    async with shop(tmp_path) as (running, pages):
        assert short(await ask(running, HOST, "/a/s404?q=1", Accept="text/html")) == (404, "pages")
        (request,) = pages.received
        assert (request.method, request.path, request.headers["host"]) == ("GET", "/?q=1", HOST)
        assert told(request) == {
            "code": "404",
            "format": "text/html",
            "original-uri": "/a/s404?q=1",
            "namespace": "default",
            "ingress-name": "shop",
            "service-name": "web",
            "service-port": "80",
        }
        assert MARKER not in request.headers
        assert not [name for name in request.headers if name.startswith("x-envoy-original")]
        assert "," not in request.headers["x-forwarded-for"]
        assert short(await ask(running, HOST, "/s500")) == (200, "pages")
        assert short(await ask(running, HOST, "/s404", "POST", body=b"hello")) == (404, "pages")
        assert pages.received[-1].method == "GET"
        assert short(await ask(running, HOST, "/s404", "HEAD")) == (404, "pages")
        assert short(await ask(running, "regex.test", "/app/s404?x")) == (404, "pages")
        assert (pages.received[-1].path, told(pages.received[-1])["original-uri"]) == ("/?x", "/app/s404?x")


async def test_other_answers_stay(tmp_path: Path) -> None:
    async with shop(tmp_path) as (running, pages):
        assert short(await ask(running, HOST, "/s501")) == (501, "web")
        assert short(await ask(running, HOST, "/fine")) == (200, "web")
        assert short(await ask(running, "plain.test", "/s404")) == (404, "web")
        plain = await ask(running, "plain.test", "/none")
        assert (short(plain), "x-no-endpoint" in plain.headers) == ((503, ""), False)
        assert pages.received == []


async def test_own_errors_of_the_proxy_are_replaced(tmp_path: Path) -> None:
    async with shop(tmp_path) as (running, pages):
        assert short(await ask(running, HOST, "/dead?a=b")) == (503, "pages")
        assert (pages.received[-1].path, told(pages.received[-1])["service-name"]) == ("/?a=b", "dead")
        assert short(await ask(running, HOST, "/own/dead")) == (503, "pages")
        # A backend can't pass for the proxy, whatever headers it sends.
        assert short(await ask(running, HOST, "/own/s404")) == (404, "web")
        assert short(await ask(running, HOST, "/own/s503")) == (503, "web")


async def test_the_default_backend_answers_while_a_service_has_no_endpoint(tmp_path: Path) -> None:
    async with shop(tmp_path) as (running, pages):
        assert short(await ask(running, HOST, "/none/y?z=1", Accept="text/html")) == (200, "pages")
        request = pages.received[-1]
        assert request.path == "/none/y?z=1"
        assert told(request) == {
            "code": "503",
            "format": "text/html",
            "namespace": "default",
            "ingress-name": "shop",
            "service-name": "none",
            "service-port": "80",
        }
        assert short(await ask(running, "empty.test")) == (503, "")
        async with Scripted("none", of_web).serving() as late:
            await running.apply(late.slices)
            assert short(await ask(running, HOST, "/none/y")) == (200, "none")


async def test_the_default_backend_answers_for_a_service_that_does_not_exist(tmp_path: Path) -> None:
    async with shop(tmp_path) as (running, pages):
        assert short(await ask(running, HOST, "/gone/y?z=1", "POST", body=b"hello")) == (200, "pages")
        request = pages.received[-1]
        assert (request.method, request.path, request.body) == ("POST", "/gone/y?z=1", b"hello")
        assert told(request).items() >= {"code": "503", "service-name": "gone", "service-port": "http"}.items()
        await running.apply(service("gone", "http:80"))
        assert short(await ask(running, HOST, "/gone/y")) == (200, "pages")
        await running.delete(service("pages"))
        assert short(await ask(running, HOST, "/gone/y")) == (503, "")
        assert short(await ask(running, HOST, "/s404")) == (404, "web")


async def test_the_status_of_a_refusal_is_kept(tmp_path: Path) -> None:
    """Whoever is refused must not read 200: https://nvd.nist.gov/vuln/detail/CVE-2026-24513"""
    # An unknown name is enough to say that clients are asked who they are.
    asks_who = annotated(auth_unknown="x", custom_http_errors="401,403,404", default_backend="pages")
    denied = asks_who | annotated(denylist_source_range="0.0.0.0/0")
    async with shop(tmp_path) as (running, pages):
        await running.apply(
            ingress("asks", rule("asks.test", path("/")), annotations=asks_who),
            ingress("denied", rule("asks.test", path("/denied")), annotations=denied),
        )
        for under, status in (("/s401", 401), ("/s403", 403), ("/denied", 403), ("/s404", 404)):
            assert short(await ask(running, "asks.test", under)) == (status, "pages")
        assert [told(each)["code"] for each in pages.received] == ["401", "403", "403", "404"]


async def test_no_client_can_ask_for_an_error_page(tmp_path: Path) -> None:
    assert MARKER == "x-xds-ingress-error-page"
    for hops in (0, 1):
        folder = tmp_path / str(hops)
        folder.mkdir()
        async with shop(folder, trusted_hops=hops) as (running, pages):
            for host in (HOST, "plain.test"):
                answer = await ask(running, host, "/fine", X_XDS_Ingress_Error_Page="default/pages/80")
                assert short(answer) == (200, "web")
            assert pages.received == []
