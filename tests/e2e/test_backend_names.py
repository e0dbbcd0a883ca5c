"""Names of a backend in its answers, replaced by a real Envoy. Excludes: grammars (tests/translate/nginx)."""

from pathlib import Path

from tests.support.envoy import needs_envoy
from tests.support.objects import ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from tests.support.scripted import Received, Scripted, ask
from tests.support.site import Site, site

pytestmark = needs_envoy

HOST = "shop.test"

LOCATIONS = (
    ("http://inner.internal/a/b?c=d", "https://outer.test/x/a/b?c=d"),
    ("http://inner.internal/", "https://outer.test/x/"),
    ("HTTP://inner.internal/a", "HTTP://inner.internal/a"),
    ("http://inner.internal", "http://inner.internal"),
    ("/relative", "/relative"),
)

COOKIES = (
    ("a=1; Path=/inner/x; HttpOnly", "a=1; Path=//x; HttpOnly"),
    ("a=1;path=/inner;Secure", "a=1; path=/; Secure"),
    ("a=1;  Path = /inner ; x", "a=1; Path=/; x"),
    ("b=2; Path=/zzz; Domain=inner.test", "b=2; Path=/zzz; Domain=outer.test"),
    ("c=3; Domain=.INNER.test; Path=/inner", "c=3; Domain=.outer.test; Path=/"),
    ("d=4;Path=/other;Domain=x.inner.test", "d=4;Path=/other;Domain=x.inner.test"),
    ("path=/inner; Domain=innerXtest", "path=/inner; Domain=innerXtest"),
    ("bare; Domain; Path=/INNER", "bare; Domain; Path=/INNER"),
    ("e=5; Path=" + " " * 5000 + "x", "e=5; Path=" + " " * 5000 + "x"),
)


def answered(request: Received) -> tuple[int, list[tuple[str, str]]]:
    """The cookies, or the header that the query says."""
    if request.path == "/cookies":
        return 200, [("Set-Cookie", cookie) for cookie, _ in COOKIES]
    name, _, value = request.headers.get("x-answer", "x: y").partition(": ")
    return 302, [(name, value)]


async def header(running: Site, under: str, sent: str, host: str = HOST) -> str:
    answer = await ask(running, host, under, X_Answer=sent)
    return answer.headers.get(sent.partition(":")[0], "")


async def test_names_of_a_backend_are_replaced(tmp_path: Path) -> None:
    names = annotated(
        proxy_redirect_from="http://inner.internal/",
        proxy_redirect_to="https://outer.test/x/",
        proxy_cookie_path="/inner /",
        proxy_cookie_domain="inner.test outer.test",
    )
    to_path = annotated(proxy_redirect_from="http://inner:8080/", proxy_redirect_to="/")
    async with Scripted("web", answered).serving() as web:
        objects = (
            ingress("named", rule(HOST, path("/cookies"), path("/named")), annotations=names),
            ingress("to-path", rule(HOST, path("/to-path")), rule(None, path("/to-path")), annotations=to_path),
            ingress("kept", rule(HOST, path("/kept")), annotations={**to_path, **annotated(relative_redirects="true")}),
            ingress("plain", rule(HOST, path("/"))),
            service("web"),
            web.slices,
        )
        async with site(tmp_path, *objects) as running:
            for sent, expected in LOCATIONS:
                assert await header(running, "/named", f"Location: {sent}") == expected
                assert await header(running, "/", f"Location: {sent}") == sent
            sent = "5; URL=http://inner.internal/a"
            assert await header(running, "/named", f"Refresh: {sent}") == "5; URL=https://outer.test/x/a"
            assert await header(running, "/named", "Refresh: 5") == "5"
            answer = await ask(running, HOST, "/cookies")
            assert answer.headers.getall("set-cookie") == [cookie for _, cookie in COOKIES]
            to_site = f"http://{HOST}/x"
            assert await header(running, "/to-path", "Location: http://inner:8080/x", "Shop.TEST:81") == to_site
            assert await header(running, "/to-path", "Location: http://inner:8080/x", "[::1]:81") == "http://[::1]/x"
            assert await header(running, "/kept", "Location: http://inner:8080/x") == "/x"
            assert await header(running, "/to-path", "Refresh: 0;url=http://inner:8080/x") == "0;url=/x"
            assert running.rejections == []
