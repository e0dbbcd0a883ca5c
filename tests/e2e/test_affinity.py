"""Sessions by cookie, through a real Envoy: the cookie, the endpoint, failures and canaries.

Excludes: the values of annotations (tests/translate/nginx/test_affinity.py).
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.echo import echo
from tests.support.envoy import free_port, needs_envoy
from tests.support.http import Reply
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.route_table_annotations import annotated, canary
from tests.support.site import Site, site
from xds.kube.objects import EndpointSlice, Ingress

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
TWO: Final = 2
MANY: Final = 4


@dataclass(slots=True)
class Browser:
    """A client that sends the cookies of earlier answers, whatever their attributes."""

    site: Site
    jar: dict[str, str] = field(default_factory=dict)

    async def get(self, under: str = "/", *, over_tls: bool = False, **headers: str) -> Reply:
        if self.jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        reply = await self.site.get(HOST, under, tls=over_tls, sni=HOST, **headers)
        for cookie in reply.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value
        return reply


def endpoints(of: str, *ports: int) -> list[EndpointSlice]:
    return [slice_of(of, "127.0.0.1", name=f"{of}-{port}", ports=[port]) for port in ports]


@contextlib.asynccontextmanager
async def numbered(of: str, count: int) -> AsyncIterator[list[EndpointSlice]]:
    """Endpoints of one Service, each of which answers with its own name."""
    async with contextlib.AsyncExitStack() as stack:
        yield endpoints(of, *[await stack.enter_async_context(echo(f"{of}-{number}")) for number in range(count)])


def shop(*paths: str, **annotations: str) -> Ingress:
    rules = rule(HOST, *map(path, paths or ("/",)))
    entries = [tls(HOST, secret="certificate")]
    return ingress("shop", rules, tls=entries, annotations=annotated(affinity="cookie", **annotations))


def attributes(cookie: str) -> set[str]:
    return set(cookie.split("; ")[1:])


async def test_a_session_stays_at_its_endpoint_on_both_ports(tmp_path: Path) -> None:
    pair = secret("certificate", certificate(HOST))
    async with numbered("web", MANY) as slices, site(tmp_path, shop(), pair, service("web"), *slices) as running:
        for first in (False, True):
            browser = Browser(running)
            reply = await browser.get(over_tls=first)
            (cookie,) = reply.cookies
            assert cookie.startswith("INGRESSCOOKIE=")
            assert attributes(cookie) == {"Path=/", "HttpOnly", *(["Secure"] if first else [])}
            for over_tls in (False, True, first):
                again = await browser.get(over_tls=over_tls)
                assert (again.backend, again.cookies) == (reply.backend, ())
        backends = {(await running.get(HOST)).backend for _ in range(2 * MANY)}
        assert len(backends) == MANY
        assert running.rejections == []


async def test_the_attributes_of_a_session_cookie(tmp_path: Path) -> None:
    annotations = {
        "session_cookie_name": "sid",
        "session_cookie_path": "/shop",
        "session_cookie_max_age": "3600",
        "session_cookie_samesite": "lax",
        "session_cookie_secure": "true",
        "session_cookie_domain": "example.com",
    }
    async with numbered("web", TWO) as slices:
        objects = (shop(**annotations), service("web"), *slices)
        async with site(tmp_path, *objects) as running:
            browser = Browser(running)
            reply = await browser.get("/elsewhere")
            (cookie,) = reply.cookies
            assert cookie.startswith("sid=")
            whole = {"Path=/shop", "Max-Age=3600", "SameSite=Lax", "Secure", "Domain=example.com", "HttpOnly"}
            assert attributes(cookie) == whole
            assert len(cookie.split("; ")) == len(whole) + 1
            assert (await browser.get("/elsewhere")).backend == reply.backend
            await running.apply(shop("/a%20b", "/one"))
            assert [attributes(each) for each in (await running.get(HOST, "/a%20b/c")).cookies] == [
                {"Path=/a%20b", "HttpOnly"}
            ]
            assert [attributes(each) for each in (await running.get(HOST, "/one/x")).cookies] == [
                {"Path=/one", "HttpOnly"}
            ]


async def test_a_session_without_its_endpoint_gets_another(tmp_path: Path) -> None:
    async with numbered("web", TWO) as slices, site(tmp_path, shop(), service("web"), *slices) as running:
        browser = Browser(running)
        first = await browser.get()
        leaving = slices[int(first.backend.removeprefix("web-"))]
        await running.delete(leaving)
        moved = await browser.get()
        assert moved.backend not in ("", first.backend)
        assert len(moved.cookies) == 1
        assert (await browser.get()).cookies == ()
        await running.apply(leaving)
        assert (await browser.get()).backend == moved.backend


async def test_a_cookie_of_nobody_begins_a_session(tmp_path: Path) -> None:
    async with numbered("web", TWO) as slices, site(tmp_path, shop(), service("web"), *slices) as running:
        for value in ("1795931008.54.1724.694131|a1e0491f", "", '"Cg8xMjcuMC4wLjE6MjcxMDM="', "%00", "x" * 4000):
            reply = await running.get(HOST, Cookie=f"INGRESSCOOKIE={value}")
            assert reply.status == 200
            assert len(reply.cookies) == 1


async def test_a_session_leaves_a_failing_endpoint_only_if_asked_to(tmp_path: Path) -> None:
    async with numbered("web", 1) as alive:
        dead = endpoints("web", free_port())
        async with site(tmp_path, shop(), service("web"), *alive) as running:
            browser = Browser(running)
            assert (await browser.get()).status == 200
            await running.delete(*alive)
            await running.apply(*dead)
            assert (await browser.get()).status == 503
            await running.apply(*alive, shop(session_cookie_change_on_failure="true"))
            replies = [await browser.get() for _ in range(MANY)]
            assert {reply.backend for reply in replies} == {"web-0"}


def canaries(**annotations: str) -> Ingress:
    return ingress("next", rule(HOST, path("/", "next")), annotations=canary(**annotations))


SERVICES: Final = (service("web"), service("next"))


async def test_sessions_stay_at_the_canary_or_off_it(tmp_path: Path) -> None:
    async with numbered("web", TWO) as main, numbered("next", TWO) as lent:
        lending = canaries(canary_weight="50", canary_by_header="X-Next")
        async with site(tmp_path, shop(), lending, *SERVICES, *main, *lent) as running:
            assert running.rejections == []
            seen = set()
            for _ in range(20):
                browser = Browser(running)
                first = await browser.get()
                seen.add(first.backend.partition("-")[0])
                for word in ("", "never", "always"):
                    again = await browser.get(X_Next=word)
                    assert (again.backend, again.cookies) == (first.backend, ())
            assert seen == {"web", "next"}
            browser = Browser(running)
            first = await browser.get(X_Next="always")
            assert first.backend.startswith("next")
            assert {attributes(each) == {"Path=/", "HttpOnly"} for each in first.cookies} == {True}
            assert (await browser.get()).backend == first.backend


async def test_sessions_of_a_legacy_canary_are_those_of_the_primary_alone(tmp_path: Path) -> None:
    async with numbered("web", TWO) as main, numbered("next", 1) as lent:
        lending = canaries(canary_weight="50", canary_by_header="X-Next", affinity_canary_behavior="legacy")
        async with site(tmp_path, shop(), lending, *SERVICES, *main, *lent) as running:
            browser = Browser(running)
            first = await browser.get(X_Next="never")
            assert first.backend.startswith("web")
            replies = [await browser.get() for _ in range(20)]
            assert {reply.backend for reply in replies} == {first.backend, "next-0"}
            assert (await browser.get(X_Next="always")).backend == "next-0"
            assert {reply.cookies for reply in replies} == {()}


async def test_the_primary_serves_the_sessions_of_a_canary_without_endpoints(tmp_path: Path) -> None:
    async with numbered("web", TWO) as main, numbered("next", TWO) as lent:
        lending = canaries(canary_by_header="X-Next")
        async with site(tmp_path, shop(), lending, *SERVICES, *main, *lent) as running:
            browser = Browser(running)
            first = await browser.get(X_Next="always")
            assert first.backend.startswith("next")
            await running.delete(*lent)
            away = await browser.get()
            assert away.backend.startswith("web")
            assert (await browser.get()).backend == away.backend
            await running.apply(*lent)
            assert (await browser.get()).status == 200
