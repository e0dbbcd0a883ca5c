"""Authorizers asked by a real Envoy. Excludes: grammars (tests/translate/nginx/test_external_auth)."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.envoy import needs_envoy
from tests.support.http2 import http2
from tests.support.objects import config_map, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.scripted import Received, Scripted, ask, fine
from tests.support.site import Site, site
from xds.kube.objects import Ingress, KubeObject

pytestmark = needs_envoy

URL = "http://auth.default.svc.cluster.local/check?a=b"
HOST = "shop.test"


def decided(request: Received) -> tuple[int, list[tuple[str, str]]]:
    """The status that the request asks for, with headers of every kind."""
    status = int(request.headers.get("x-want", "401"))
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Location", "https://elsewhere.test/")]
    return status, [*headers, ("WWW-Authenticate", "Bearer"), ("X-User", "bob"), ("X-Secret", "s")]


def shop(name: str = "shop", host: str = HOST, *, url: str = URL, **others: str) -> Ingress:
    return ingress(name, rule(host, path("/")), annotations=annotated(auth_url=url, **others))


@contextlib.asynccontextmanager
async def guarded(folder: Path, *objects: KubeObject) -> AsyncIterator[tuple[Site, Scripted, Scripted]]:
    """A site with the Services `web` and `auth`: yields the site, `auth` and `web`."""
    async with Scripted("web", fine).serving() as web, Scripted("auth", decided).serving() as auth:
        backends = (service("web"), web.slices, service("auth"), auth.slices)
        async with site(folder, *backends, *objects) as running:
            yield running, auth, web


async def test_answers_of_an_authorizer_decide(tmp_path: Path) -> None:
    async with guarded(tmp_path, shop()) as (running, auth, web):
        for want, status in ((200, 200), (202, 200), (204, 200), (206, 200), (401, 401), (403, 403)):
            assert (await ask(running, HOST, X_Want=str(want))).status == status
        for want in (302, 304, 400, 404, 429, 500, 503):
            answer = await ask(running, HOST, X_Want=str(want))
            assert (answer.status, answer.headers.get("location")) == (500, None)
        assert (len(web.received), len(auth.received)) == (4, 13)
        assert running.rejections == []


async def test_headers_of_answers_reach_whom_they_are_for(tmp_path: Path) -> None:
    objects = (
        shop(auth_response_headers="X-User, X-Groups"),
        shop("always", "always.test", auth_always_set_cookie="true"),
    )
    async with guarded(tmp_path, *objects) as (running, auth, web):
        answer = await ask(running, HOST, X_Want="200", X_User="root", X_Groups="admin")
        assert answer.headers.getall("set-cookie") == ["a=1", "b=2"]
        assert auth.received[-1].headers["x-user"] == "root", "the authorizer sees the client's own headers"
        passed = web.received[-1].headers
        assert (passed["x-user"], passed.get("x-groups"), passed.get("x-secret")) == ("bob", None, None)
        denied = await ask(running, HOST)
        assert (denied.status, denied.backend, denied.headers["www-authenticate"]) == (401, "", "Bearer")
        assert "set-cookie" not in denied.headers
        assert "location" not in denied.headers
        forbidden = await ask(running, HOST, X_Want="403")
        assert not {"set-cookie", "www-authenticate", "location"} & {name.lower() for name in forbidden.headers}
        assert (await ask(running, "always.test", X_Want="403")).headers.getall("set-cookie") == ["a=1", "b=2"]


async def test_questions_say_what_ingress_nginx_says(tmp_path: Path) -> None:
    headers = config_map("headers", X_Tenant='acme; "100%"')
    objects = (
        shop(),
        shop("by-post", "post.test", auth_method="POST", auth_proxy_set_headers="default/headers"),
        shop("back", "back.test", auth_request_redirect="https://home.test/"),
        headers,
    )
    async with guarded(tmp_path, *objects) as (running, auth, web):
        forged = {
            "X_Original_URL": "http://forged/",
            "X_Original_Method": "GET",
            "X_Real_IP": "6.6.6.6",
            "X_Forwarded_For": "7.7.7.7",
            "X_Forwarded_Proto": "https",
            "X_Sent_From": "me",
            "X_Xds_Authz_Method": "DELETE",
            "X_Xds_Authz_Path": "/forged",
            "X_Xds_Authz_Sign_In": "http://forged/",
        }
        answer = await ask(running, f"{HOST}:81", "/p?q=1", "PUT", body=b"hello", X_Want="200", Cookie="s=1", **forged)
        assert (answer.status, web.received[-1].body) == (200, b"hello")
        question = auth.received[-1]
        assert (question.method, question.path, question.body) == ("GET", "/check?a=b", b"")
        told = question.headers
        expected = {
            "host": "auth.default.svc.cluster.local",
            "x-original-url": f"http://{HOST}:81/p?q=1",
            "x-original-method": "PUT",
            "x-sent-from": "nginx-ingress-controller",
            "x-real-ip": "127.0.0.1",
            "x-forwarded-for": "127.0.0.1",
            "x-auth-request-redirect": "/p?q=1",
            "cookie": "s=1",
        }
        assert {name: told.get(name) for name in expected} == expected
        assert not {"x-forwarded-proto", "content-length", "x-original-uri", "x-scheme"} & told.keys()
        assert [name for name in told if name.startswith(("x-xds-authz", "x-envoy"))] == []
        assert (await ask(running, HOST, X_Xds_Authz_Sign_In="http://forged/")).status == 401
        await ask(running, "post.test", "/p")
        told = auth.received[-1].headers
        assert (auth.received[-1].method, told["x-original-uri"], told["x-scheme"]) == ("POST", "/p", "http")
        assert told["x-tenant"] == 'acme; "100%"'
        await ask(running, "back.test", "/p")
        assert auth.received[-1].headers["x-auth-request-redirect"] == "https://home.test/"


@pytest.mark.parametrize(
    ("sign_in", "location"),
    [
        ("https://login.test/start", "https://login.test/start?rd=http://Shop.test:81%2Fp%3Fx%3D1%26y%3D%25C3%25BC"),
        (
            "https://login.test/start?a=1",
            "https://login.test/start?a=1&rd=http://Shop.test:81%2Fp%3Fx%3D1%26y%3D%25C3%25BC",
        ),
        ("https://login.test/start?rd=/fixed", "https://login.test/start?rd=/fixed"),
        ("https://$host/start?rd=$escaped_request_uri", "https://shop.test/start?rd=%2Fp%3Fx%3D1%26y%3D%25C3%25BC"),
        ("/login?rd=$request_uri", "http://shop.test/login?rd=/p?x=1&y=%C3%BC"),
    ],
)
async def test_401_leads_to_the_sign_in(tmp_path: Path, sign_in: str, location: str) -> None:
    async with guarded(tmp_path, shop(auth_signin=sign_in)) as (running, _, web):
        answer = await ask(running, "Shop.test:81", "/p?x=1&y=%C3%BC")
        assert (answer.status, answer.headers["location"]) == (302, location)
        assert answer.headers.getall("set-cookie") == ["a=1", "b=2"]
        forbidden = await ask(running, HOST, X_Want="403")
        assert (forbidden.status, forbidden.headers.get("location")) == (403, None)
        assert "set-cookie" not in forbidden.headers
        assert web.received == []


async def test_nobody_passes_while_an_authorizer_is_away(tmp_path: Path) -> None:
    """Neither before its Service exists, nor without an endpoint, nor after the Service is deleted, nor in between."""
    async with Scripted("web", fine).serving() as web, Scripted("auth", decided).serving() as auth:
        objects = (shop(), service("web"), web.slices)
        async with site(tmp_path, *objects) as running:

            async def status(want: str) -> int:
                return (await ask(running, HOST, X_Want=want)).status

            assert await status("200") == 500
            away = auth.slices
            for _ in range(3):
                await running.apply(service("auth"))
                assert await status("200") == 500
                await running.apply(auth.slices)
                assert [await status(want) for want in ("200", "401")] == [200, 401]
                await running.delete(away)
                assert await status("200") == 500
                await running.apply(auth.slices)
                await running.delete(service("auth"))
                assert await status("200") == 500
                await running.delete(away)
            assert len(web.received) == 3
            assert len(auth.received) == 6


async def test_removing_the_annotation_opens(tmp_path: Path) -> None:
    async with guarded(tmp_path, shop()) as (running, *_):
        assert (await ask(running, HOST)).status == 401
        await running.apply(ingress("shop", rule(HOST, path("/"))))
        assert (await ask(running, HOST)).status == 200


async def test_an_authorizer_at_a_host_of_an_ingress_is_asked_at_its_service(tmp_path: Path) -> None:
    """And asked anew at another Service when the Ingress of the host changes."""
    served = ingress("login", rule("login.test", path("/oauth2", "auth")))
    own = ingress("own", rule("own.test", path("/"), path("/oauth2", "auth")))
    objects = (
        shop(url="http://login.test/oauth2/check", auth_response_headers="X-User"),
        served,
        own,
        ingress("guarded", rule("own.test", path("/in")), annotations=annotated(auth_url="https://$host/oauth2/x")),
    )
    async with guarded(tmp_path, *objects) as (running, auth, web):
        assert (await ask(running, HOST)).status == 401
        assert (auth.received[-1].path, auth.received[-1].headers["host"]) == ("/oauth2/check", "login.test")
        answer = await ask(running, "own.test", "/in", X_Want="202")
        assert (answer.status, auth.received[-1].path, auth.received[-1].headers["host"]) == (
            200,
            "/oauth2/x",
            "own.test",
        )
        before = len(web.received)
        await running.apply(ingress("login", rule("login.test", path("/oauth2", "web"))))
        assert (await ask(running, HOST)).status == 200
        assert [each.path for each in web.received[before:]] == ["/oauth2/check", "/"]
        await running.apply(served)
        assert (await ask(running, HOST)).status == 401


async def test_an_application_never_decides_on_its_own_requests(tmp_path: Path) -> None:
    """The host of the URL is the protected path itself, which would answer 200 to anything."""
    async with guarded(tmp_path, shop(url="http://$host/oauth2/auth")) as (running, _, web):
        assert (await ask(running, HOST)).status == 500
        assert web.received == []


async def test_requests_of_every_form_are_asked_about(tmp_path: Path) -> None:
    """Upgrades, HTTP/2, HEAD, gRPC's words, chunked bodies and large headers."""
    async with guarded(tmp_path, shop()) as (running, auth, web):
        large = "x" * 7_000
        forms: tuple[tuple[str, dict[str, str]], ...] = (
            ("HEAD", {}),
            ("GET", {"Connection": "Upgrade", "Upgrade": "websocket"}),
            ("POST", {"TE": "trailers", "Content_Type": "application/json"}),
            ("GET", {"X_Large": large}),
            ("OPTIONS", {}),
        )
        for method, headers in forms:
            before = len(web.received)
            assert (await ask(running, HOST, "/", method, body=None, **headers)).status == 401, (method, headers)
            assert len(web.received) == before
            question = auth.received[-1]
            assert (question.method, question.body) == ("GET", b"")
            assert not {"upgrade", "te", "transfer-encoding", "content-length"} & question.headers.keys()
            assert (await ask(running, HOST, "/", method, body=None, X_Want="200", **headers)).status == 200, (
                method,
                headers,
            )
        assert auth.received[-3].headers["x-large"] == large
        async with http2(running.proxy.http_port) as client:
            client.request(HOST)
            assert await client.outcome() == "other"
        assert running.rejections == []


async def test_nobody_passes_without_right_while_the_authorizer_comes_and_goes(tmp_path: Path) -> None:
    async with Scripted("web", fine).serving() as web, Scripted("auth", decided).serving() as auth:
        statuses: list[int] = []
        objects = (shop(), service("web"), web.slices, service("auth"), auth.slices)
        async with site(tmp_path, *objects) as running:
            stop = asyncio.Event()

            async def without_right() -> None:
                while not stop.is_set():
                    statuses.append((await ask(running, HOST)).status)

            clients = [asyncio.create_task(without_right()) for _ in range(4)]
            for number in range(5):
                await running.delete(service("auth"))
                await running.apply(shop(auth_signin="https://login.test/" if number % 2 else "https://other.test/"))
                await running.apply(service("auth"))
                await running.delete(auth.slices)
                await running.apply(shop(url="http://gone.default.svc/"))
                await running.apply(auth.slices)
                await running.apply(shop())
            stop.set()
            await asyncio.gather(*clients)
        assert {200, 202} & set(statuses) == set()
        assert set(statuses) <= {302, 401, 500}
        assert len(statuses) > 50
        assert web.received == []


async def test_an_authorizer_behind_itself_comes_to_an_end(tmp_path: Path) -> None:
    """Its Service leads to the proxy: each question is a request that has to be asked about."""
    host = "auth.default.svc.cluster.local"
    loop = ingress("loop", rule(host, path("/")), annotations=annotated(auth_url=URL))
    async with (
        Scripted("web", fine).serving() as web,
        site(tmp_path, shop(), loop, service("web"), web.slices, service("auth")) as running,
    ):
        await running.apply(slice_of("auth", "127.0.0.1", ports=[running.proxy.http_port]))
        assert (await ask(running, HOST)).status == 500
        assert web.received == []


async def test_a_service_is_asked_by_tls_whatever_its_certificate_but_no_host_outside_is(
    tmp_path: Path,
) -> None:
    names: list[str | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 202 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

    issued = Authority().issue("other.test")
    file = tmp_path / "certificate.pem"
    file.write_bytes(issued.certificate + issued.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    objects = (
        shop(url="https://secure.default.svc:443/"),
        shop("outside", "outside.test", url="https://sso.invalid/"),
        service("secure", 443),
        slice_of("secure", "127.0.0.1", ports=[server.sockets[0].getsockname()[1]]),
    )
    async with server, guarded(tmp_path, *objects) as (running, _, web):
        assert (await ask(running, HOST)).status == 200
        assert names == ["secure.default.svc"]
        assert (await ask(running, "outside.test")).status == 500
        assert running.rejections == []
        assert len(web.received) == 1
