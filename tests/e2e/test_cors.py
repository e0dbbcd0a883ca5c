"""CORS through a real Envoy.

Covers: headers of answers of backends, of the proxy itself, of redirects and error pages; preflights and the answers
that they precede; lists of origins, canaries. Excludes: grammars (tests/translate/nginx/test_cors.py), and which
requests are preflights (tests/support/route_table_annotations.py).
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import ingress, password_file, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated, canary
from tests.support.scripted import Answer, Received, Scripted, ask
from tests.support.site import Site, site

pytestmark = needs_envoy

ANY: Final = annotated(enable_cors="true")
LIST: Final = annotated(
    enable_cors="true",
    cors_allow_origin="https://*.a.test, http://b.test:8080, null",
    cors_allow_credentials="false",
    cors_expose_headers="X-Seen",
    cors_max_age="600",
)
PAGES: Final = annotated(default_backend="pages", custom_http_errors="404")
BASIC: Final = annotated(auth_type="basic", auth_secret="users")
DENIED: Final = annotated(denylist_source_range="0.0.0.0/0")
ORIGIN: Final = "HTTPS://www.A.test"
OTHER: Final = "https://www.a.test.evil.test"
NAMES: Final = ("origin", "credentials", "methods", "headers")
OF_ANY: Final = {
    "origin": "*",
    "credentials": "true",
    "methods": "GET, PUT, POST, DELETE, PATCH, OPTIONS",
    "headers": "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,"
    "Authorization",
}
OF_LIST: Final = OF_ANY | {"origin": ORIGIN}
del OF_LIST["credentials"]
OF_LIST_STATUSES: Final = {
    "/": 200,
    "/s500": 500,
    "/dead": 503,
    "/pages/s404": 200,
    "/pages/none": 200,
    "/moved": 301,
    "/secret": 401,
    "/denied": 403,
}


def cors(answer: Answer) -> dict[str, str]:
    """The headers of CORS that name what is allowed."""
    found = {name: answer.headers.getall(f"access-control-allow-{name}", []) for name in NAMES}
    return {name: ", ".join(values) for name, values in found.items() if values}


async def get(running: Site, host: str, under: str, origin: str) -> Answer:
    """The answer to a request with an Origin, unless that is empty."""
    return await (ask(running, host, under, Origin=origin) if origin else ask(running, host, under))


def of_web(request: Received) -> tuple[int, list[tuple[str, str]]]:
    """The status that the path ends with, with headers of CORS and Vary of the backend's own."""
    status = request.path.rpartition("/s")[2]
    own = [("access-control-allow-origin", "https://own.test"), ("vary", "accept")]
    return (int(status) if status.isdecimal() else 200), own


@contextlib.asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Site]:
    async with (
        Scripted("web", of_web).serving() as web,
        Scripted("pages", lambda _: (200, [])).serving() as pages,
        Scripted("next", lambda _: (200, [])).serving() as following,
    ):
        objects = (
            ingress("any", rule("any.test", path("/"), path("/dead", "dead"), path("/none", "none")), annotations=ANY),
            ingress("list", rule("list.test", path("/"), path("/dead", "dead")), annotations=LIST),
            ingress("pages", rule("list.test", path("/pages"), path("/pages/none", "none")), annotations=LIST | PAGES),
            ingress("moved", rule("list.test", path("/moved")), annotations=LIST | annotated(permanent_redirect="/x")),
            ingress(
                "away",
                rule("any.test", path("/away")),
                annotations=ANY | annotated(permanent_redirect="https://n.t", force_ssl_redirect="true"),
            ),
            ingress(
                "tls",
                rule("tls.test", path("/"), path("/.well-known/acme-challenge/")),
                annotations=LIST | annotated(force_ssl_redirect="true"),
            ),
            ingress("plain", rule("tls.test", path("/plain")), annotations=annotated(force_ssl_redirect="true")),
            ingress("split", rule("split.test", path("/")), annotations=LIST),
            ingress("next", rule("split.test", path("/", "next")), annotations=canary(canary_by_header="x-next")),
            ingress("secret", rule("list.test", path("/secret")), annotations=LIST | BASIC),
            ingress("denied", rule("list.test", path("/denied")), annotations=LIST | DENIED),
            password_file("me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
            ingress("limited", rule("limited.test", path("/")), annotations=ANY | annotated(limit_rpm="1")),
            *(service(name) for name in ("web", "pages", "next", "dead", "none")),
            slice_of("dead", "127.0.0.1", ports=[free_port()]),
            *(each.slices for each in (web, pages, following)),
        )
        async with site(folder, *objects) as running:
            yield running
            assert running.rejections == []


async def test_answers_to_any_origin_have_the_headers(tmp_path: Path) -> None:
    async with shop(tmp_path) as running:
        for under, status in (("/", 200), ("/s500", 500), ("/dead", 503), ("/none", 503), ("/away", 301)):
            for origin in ("", OTHER):
                answer = await get(running, "any.test", under, origin)
                assert (answer.status, cors(answer)) == (status, OF_ANY)
                assert "access-control-expose-headers" not in answer.headers
                assert answer.headers.getall("vary", []) == (["accept"] if answer.backend else [])
        for _ in range(8):
            answer = await ask(running, "limited.test")
        assert (answer.status, answer.backend, cors(answer)) == (503, "", OF_ANY)


async def test_answers_to_listed_origins_have_the_headers(tmp_path: Path) -> None:
    async with shop(tmp_path) as running:
        for under, status in OF_LIST_STATUSES.items():
            answer = await ask(running, "list.test", under, Origin=ORIGIN)
            assert (answer.status, cors(answer)) == (status, OF_LIST), under
            assert answer.headers["access-control-expose-headers"] == "X-Seen"
            assert answer.headers["access-control-max-age"] == "600"
            assert "origin" in ",".join(answer.headers.getall("vary"))
            for origin in ("", OTHER, f"x{ORIGIN}", "https://a.test"):
                answer = await get(running, "list.test", under, origin)
                assert answer.status == status
                assert cors(answer) == ({"origin": "https://own.test"} if answer.backend == "web" else {})
                assert "origin" in ",".join(answer.headers.getall("vary")), (under, origin)
        for origin in ("null", "http://b.test:8080"):
            assert cors(await ask(running, "list.test", Origin=origin))["origin"] == origin


async def test_preflights_are_answered_before_all_else(tmp_path: Path) -> None:
    async with shop(tmp_path) as running:
        for _ in range(8):
            answer = await ask(running, "limited.test", method="OPTIONS")
            assert (answer.status, cors(answer)) == (204, OF_ANY)
        for under in ("/", "/dead", "/away"):
            answer = await ask(running, "any.test", under, "OPTIONS")
            assert (answer.status, answer.backend, cors(answer)) == (204, "", OF_ANY)
        for host, under, status in (
            ("list.test", "/", 200),
            ("list.test", "/moved", 301),
            ("list.test", "/secret", 401),
            ("list.test", "/denied", 403),
            ("tls.test", "/", 308),
            ("split.test", "/", 200),
        ):
            answer = await ask(running, host, under, "OPTIONS", Origin=ORIGIN)
            assert (answer.status, answer.backend, cors(answer)) == (204, "", OF_LIST)
            answer = await ask(running, host, under, "OPTIONS", Origin=OTHER)
            assert answer.status == status
        assert (await ask(running, "tls.test", "/plain", "OPTIONS", Origin=ORIGIN)).status == 308
        answer = await ask(running, "split.test", "/", "OPTIONS", Origin=ORIGIN, X_Next="always")
        assert (answer.status, cors(answer)) == (204, OF_LIST)
        answer = await ask(running, "split.test", "/", Origin=ORIGIN, X_Next="always")
        assert (answer.backend, cors(answer)) == ("next", OF_LIST)


async def test_redirects_to_https_have_no_headers(tmp_path: Path) -> None:
    async with shop(tmp_path) as running:
        for origin in (ORIGIN, OTHER):
            answer = await ask(running, "tls.test", "/x", Origin=origin)
            assert (answer.status, cors(answer)) == (308, {})
