"""Copies of requests by a real Envoy. Excludes: grammars, targets that can't be used (tests/translate/nginx)."""

from pathlib import Path

from tests.support.envoy import needs_envoy
from tests.support.objects import ingress, path, rule, service, specific
from tests.support.route_table_annotations import annotated
from tests.support.scripted import Scripted, ask, fine
from tests.support.site import site
from tests.support.waiting import until
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST = "shop.test"
TARGET = "http://copy.default.svc.cluster.local$request_uri"


async def test_a_copy_has_the_request_s_method_path_and_body(tmp_path: Path) -> None:
    annotations = annotated(mirror_target=TARGET, mirror_host="mirror.test", rewrite_target="/new/$1")
    async with Scripted("web", fine).serving() as web, Scripted("copy", lambda _: (500, [])).serving() as copy:
        objects = (
            ingress("shop", rule(HOST, specific("/app/(.*)")), annotations=annotations),
            ingress("plain", rule("plain.test", path("/"))),
            service("web"),
            service("copy"),
            web.slices,
            copy.slices,
        )
        async with site(tmp_path, *objects) as running:
            assert (await ask(running, "plain.test", "/plain")).status == 200
            answer = await ask(running, HOST, "/app/x?y=1", "POST", body=b"hello")
            assert (answer.status, answer.backend) == (200, "web")
            await until(lambda: bool(copy.received))
            (received,) = copy.received
            assert (received.method, received.path, received.body) == ("POST", "/new/x?y=1", b"hello")
            assert received.headers["host"] == "mirror.test"
            assert web.received[-1].headers["host"] == HOST
            await running.delete(service("copy"))
            assert (await ask(running, HOST, "/app/x")).status == 200
            assert len(copy.received) == 1
            assert running.rejections == []


async def test_envoy_takes_an_outside_address_that_answers_nothing(tmp_path: Path) -> None:
    async with Scripted("web", fine).serving() as web:
        annotations = annotated(mirror_target="http://192.0.2.1:9")
        objects = (ingress("shop", rule(HOST, path("/")), annotations=annotations), service("web"), web.slices)
        async with site(tmp_path, *objects, translate=TranslateOptions(allow_external_name=True)) as running:
            assert (await ask(running, HOST)).backend == "web"
            assert running.rejections == []
