"""Our own annotations through a real Envoy: headers, answers, checks of endpoints, and limits.

Excludes: the reading of values (tests/translate/own/test_own_annotations.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from aiohttp import web

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.site import site
from tests.translate.own.test_own_annotations import annotated_service, own

pytestmark = needs_envoy

HOST: Final = "shop.example.com"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def test_headers_and_answers_are_those_of_the_annotations(tmp_path: Path) -> None:
    shop = ingress(
        "shop",
        rule(HOST, path("/")),
        annotations=own(
            request_headers="X-Set: 100%\n-X-Gone", response_headers="X-Frame-Options: DENY\n-Content-Type"
        ),
    )
    closed = ingress("closed", rule(HOST, path("/closed")), annotations=own(answer="410 Gone for 100% good."))
    moved = ingress(
        "moved", rule(HOST, path("/moved")), annotations=own(redirect="307 https://new.test/a%20b{path}?{query}")
    )
    short = ingress("short", rule(HOST, path("/short")), annotations=own(redirect="307 https://new.test{path}"))
    async with echo("web") as port:
        objects = (shop, closed, moved, short, service("web"), slice_of("web", "127.0.0.1", ports=[port]))
        async with site(tmp_path, *objects) as running:
            reply = await running.get(HOST, "/", x_gone="1", x_set="theirs", x_kept="1")
            assert reply.json["headers"].get("x-set") == "100%"
            assert reply.json["headers"].get("x-kept") == "1"
            assert "x-gone" not in reply.json["headers"]
            assert reply.headers["x-frame-options"] == "DENY"
            assert "content-type" not in reply.headers
            gone = await running.get(HOST, "/closed/x")
            assert (gone.status, gone.body) == (410, b"Gone for 100% good.")
            for asked, location in (
                ("/moved/%7Ex?y=%25", "https://new.test/a%20b/moved/~x?y=%25"),
                ("/moved", "https://new.test/a%20b/moved"),
                ("/short/x?y=1", "https://new.test/short/x"),
            ):
                reply = await running.get(HOST, asked)
                assert (reply.status, reply.headers["location"]) == (307, location)
            assert not running.rejections


async def serve(handler: Handler) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


async def test_an_endpoint_that_fails_its_check_gets_no_requests(tmp_path: Path) -> None:
    hosts: set[str] = set()

    async def sick(request: web.Request) -> web.Response:
        if request.path == "/health":
            hosts.add(request.host)
        return web.json_response({"backend": "sick"}, status=500 if request.path == "/health" else 200)

    checked = annotated_service(health_check="/health,interval=1s,unhealthy=1,healthy=1")
    runner, bad = await serve(sick)
    try:
        async with echo("well") as good:
            slices = [slice_of("web", "127.0.0.1", name=f"web-{port}", ports=[port]) for port in (good, bad)]
            async with site(tmp_path, ingress("shop", rule(HOST, path("/"))), checked, *slices) as running:
                replies = [await running.get(HOST) for _ in range(8)]
                assert {reply.json["backend"] for reply in replies} == {"well"}
                assert hosts == {"web.default.svc"}
                await running.apply(service("web"))
                replies = [await running.get(HOST) for _ in range(8)]
                assert {reply.json["backend"] for reply in replies} == {"well", "sick"}
    finally:
        await runner.cleanup()


async def test_requests_beyond_the_limit_are_answered_503(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        del request
        reached.set()
        await asyncio.wait_for(release.wait(), 20)
        return web.Response()

    runner, port = await serve(slow)
    try:
        limited = annotated_service(max_requests="1")
        objects = (ingress("shop", rule(HOST, path("/"))), limited, slice_of("web", "127.0.0.1", ports=[port]))
        async with site(tmp_path, *objects) as running:
            first = asyncio.create_task(running.get(HOST))
            await asyncio.wait_for(reached.wait(), 10)
            assert (await running.get(HOST)).status == 503
            release.set()
            assert (await first).status == 200
            assert (await running.get(HOST)).status == 200
    finally:
        await runner.cleanup()


async def test_an_answer_that_takes_too_long_is_504(tmp_path: Path) -> None:
    async def never(request: web.Request) -> web.Response:
        del request
        await asyncio.sleep(3)
        return web.Response()

    runner, port = await serve(never)
    try:
        shop = ingress("shop", rule(HOST, path("/")), annotations=own(request_timeout="200ms"))
        async with site(tmp_path, shop, service("web"), slice_of("web", "127.0.0.1", ports=[port])) as running:
            assert (await running.get(HOST)).status == 504
    finally:
        await runner.cleanup()
