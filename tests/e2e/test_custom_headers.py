"""custom-headers through a real Envoy.

Covers: answers of backends, of Envoy itself and redirects; characters that mean something to Envoy; a ConfigMap that
changes and vanishes. Excludes: headers that can't be set (tests/translate/nginx/test_custom_headers.py).
"""

from pathlib import Path
from typing import Final

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import config_map, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import site

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
HEADERS: Final = {"x_team": "blue $1 50% %REQ(x-secret)%", "content_type": "text/x-own"}


async def test_answers_of_any_status_have_the_headers_of_the_config_map(tmp_path: Path) -> None:
    with_headers = annotated(custom_headers="default/headers")
    objects = (
        service("web"),
        service("none"),
        ingress("shop", rule(HOST, path("/"), path("/none", "none")), annotations=with_headers),
        ingress(
            "old", rule(HOST, path("/old")), annotations=with_headers | annotated(permanent_redirect="https://n.t")
        ),
        ingress("other", rule(HOST, path("/other"))),
        config_map("headers", **HEADERS),
    )
    async with (
        echo("web") as port,
        site(tmp_path, *objects, slice_of("web", "127.0.0.1", ports=[port])) as running,
    ):
        for under, status in (("/", 200), ("/none", 503), ("/old", 301)):
            reply = await running.get(HOST, under)
            assert (reply.status, reply.headers.get("x-team")) == (status, HEADERS["x_team"])
        assert (await running.get(HOST)).headers["content-type"] == HEADERS["content_type"]
        assert "x-team" not in (await running.get(HOST, "/other")).headers
        await running.apply(config_map("headers", x_team="red"))
        reply = await running.get(HOST)
        assert (reply.headers["x-team"], reply.headers["content-type"]) == ("red", "application/json; charset=utf-8")
        await running.delete(config_map("headers"))
        assert [(await running.get(HOST, under)).status for under in ("/", "/old", "/other")] == [503, 503, 200]
        assert not running.rejections
