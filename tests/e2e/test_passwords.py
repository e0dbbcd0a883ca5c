"""Basic authentication through a real Envoy, with {SHA} hashes by Envoy itself and with all hashes by `xds authz`.

Covers: answers with and without passwords, the same by `xds explain`, the Authorization header at backends, mirrors and
error pages, redirects, answers of the proxy, default backends, preflights, `xds authz` that is down. No request without
a right password passes while Envoy starts and while Secret and annotations change.
Excludes: values (tests/translate/nginx/test_passwords.py), `xds authz` by itself (tests/e2e/test_authz.py).
"""

import asyncio
import base64
import collections
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.echo import echo
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.guarded_envoy import running_authz
from tests.support.http import Reply, get
from tests.support.objects import ingress, password_file, password_map, path, rule, service, slice_of
from tests.support.plane import Plane
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from tests.translate.nginx.test_htpasswd import CHECKED, SHA
from xds.address import UnixPath
from xds.explain.narration import explain_now
from xds.explain.url import question
from xds.kube.objects import Ingress, KubeObject
from xds.resources.options import ProxyOptions
from xds.translate.nginx.htpasswd import MAX_FILE_BYTES, MAX_USERS
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
BASIC: Final = {"auth_type": "basic", "auth_secret": "users"}
FILE: Final = password_file(f"# users\r\n\r\nu:{SHA}:third\r\nu:{SHA}\r\nü:{SHA}\r\n")


def credentials(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT: Final = credentials("u", "pw")
WRONG: Final = credentials("u", "no")


def asking(name: str, **more: str) -> Ingress:
    return ingress(name, rule(HOST, path(f"/{name}")), annotations=annotated(**(BASIC | more)))


def objects(port: int, shadow: int) -> tuple[KubeObject, ...]:
    answer = annotated(**BASIC) | {"xds-ingress.dev/answer": "204"}
    return (
        service("web"),
        service("shadow"),
        FILE,
        password_map("map", u=f"{SHA}\n", v=SHA),
        asking("file"),
        asking("map", auth_secret="default/map", auth_secret_type="auth-map"),
        asking("off", auth_realm="off"),
        asking("mirrored", mirror_target="http://shadow.default.svc/$request_uri"),
        asking("moved", permanent_redirect="https://new.test"),
        asking("cors", enable_cors="true"),
        asking("gone", auth_secret="nowhere"),
        asking("pages", custom_http_errors="401,404", default_backend="web"),
        ingress("answer", rule(HOST, path("/answer")), annotations=answer),
        ingress("solver", rule(HOST, path("/.well-known/acme-challenge")), annotations=annotated(**BASIC)),
        ingress("open", rule(HOST, path("/"))),
        ingress("default", default="web", annotations=annotated(**BASIC)),
        slice_of("web", "127.0.0.1", ports=[port]),
        slice_of("shadow", "127.0.0.1", ports=[shadow]),
    )


@pytest.fixture
async def shadow() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A backend for copies, and the requests that it got."""
    got: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                got.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], got


@pytest.fixture
async def running(tmp_path: Path, shadow: tuple[int, list[bytes]]) -> AsyncIterator[Site]:
    async with echo("web") as port, site(tmp_path, *objects(port, shadow[0])) as started:
        yield started


async def asked(
    running: Site, under: str, authorization: str = "", *, host: str = HOST, method: str = "GET", **more: str
) -> Reply:
    headers = more | ({"authorization": authorization} if authorization else {})
    return await running.get(host, under, tls=False, sni="", method=method, **headers)


async def test_envoy_asks_for_passwords(running: Site) -> None:
    for under, authorization, status in (
        ("/file", "", 401),
        ("/file", WRONG, 401),
        ("/file", credentials("v", "pw"), 401),
        ("/file", "Bearer x", 401),
        ("/file", "Basic ?", 401),
        ("/file", RIGHT, 200),
        ("/file/below", credentials("ü", "pw"), 200),
        ("/map", "", 401),
        ("/map", credentials("v", "pw"), 200),
        ("/off", "", 401),
        ("/off", RIGHT, 200),
        ("/moved", "", 301),
        ("/answer", "", 401),
        ("/answer", RIGHT, 204),
        ("/gone", RIGHT, 503),
        ("/.well-known/acme-challenge/token", "", 200),
        ("/", "", 200),
    ):
        assert (under, authorization, (await asked(running, under, authorization)).status) == (
            under,
            authorization,
            status,
        )
        if authorization in ("", RIGHT):
            headers = [("authorization", authorization)] if authorization else []
            told = explain_now(running.pipeline.state_reader, question(f"http://{HOST}{under}", "GET", headers))
            assert (under, authorization, told.status) == (under, authorization, status)
    assert [(await asked(running, "/", each, host="other.test")).status for each in ("", RIGHT)] == [401, 200]
    challenge = (await asked(running, "/file")).headers["www-authenticate"]
    assert challenge.startswith('Basic realm="')
    assert not running.rejections


async def test_a_preflight_needs_no_password_and_a_refusal_has_the_headers_of_cors(running: Site) -> None:
    preflight = await asked(running, "/cors", method="OPTIONS", origin="https://a.test")
    assert preflight.status == 204
    refused = await asked(running, "/cors", origin="https://a.test")
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "*")


async def test_no_backend_learns_a_password(running: Site, shadow: tuple[int, list[bytes]]) -> None:
    for under in ("/file", "/mirrored", "/pages"):
        reply = await asked(running, under, RIGHT)
        assert reply.status == 200
        assert "authorization" not in reply.json["headers"]
    async with asyncio.timeout(10):
        while not shadow[1]:
            await asyncio.sleep(0.01)
    assert b"authorization" not in shadow[1][0].lower()
    page = await asked(running, "/pages", WRONG)
    assert page.status == 401
    assert "authorization" not in page.json["headers"]
    plain = await asked(running, "/", RIGHT)
    assert plain.json["headers"]["authorization"] == RIGHT


class Strangers:
    """Requests without a right password, sent without a pause, and their answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: collections.Counter[int] = collections.Counter()

    async def ask(self) -> None:
        for authorization in self._each():
            headers = {"authorization": authorization} if authorization else {}
            try:
                async with asyncio.timeout(5):
                    reply = await get(self._port, HOST, "/file", tls=False, sni="", method="GET", **headers)
            except (OSError, EOFError, TimeoutError, ValueError):
                self.answers[0] += 1
                await asyncio.sleep(0.001)
            else:
                self.answers[reply.status] += 1

    @staticmethod
    def _each() -> Iterator[str]:
        while True:
            yield from ("", WRONG, credentials("v", "no"), "Bearer x")


@contextlib.asynccontextmanager
async def strangers(port: int) -> AsyncIterator[Strangers]:
    found = Strangers(port)
    tasks = [asyncio.create_task(found.ask()) for _ in range(4)]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in tasks if not each.cancelled()]


async def more(found: Strangers, number: int = 20) -> None:
    """Until so many further requests are answered."""
    before = found.answers.total()
    async with asyncio.timeout(20):
        while found.answers.total() < before + number:
            await asyncio.sleep(0.005)


async def test_no_request_without_a_password_passes_while_everything_changes(tmp_path: Path) -> None:
    """From before Envoy listens: start, Secret changed, gone and back, annotations changed, Ingress gone and back."""
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    kept = asking("file")
    async with echo("web") as port, strangers(proxy.http_port) as found:
        given = (service("web"), FILE, kept, slice_of("web", "127.0.0.1", ports=[port]))
        async with Plane(*given, proxy=proxy) as plane, running_envoy(plane.address, tmp_path) as envoy:
            await envoy.until_ready()
            running = Site(plane, proxy, envoy)
            await running.settled()
            await more(found)
            for number in range(5):
                for step in (
                    password_file(f"x{number}:{SHA}\n"),
                    password_file("x:$apr1$abcdefgh$5VEbMkemELfbhC5ck.U.z1\n"),
                    None,
                    FILE,
                    asking("file", auth_realm="off"),
                    asking("file", auth_type="Basic"),
                    kept,
                ):
                    await (running.apply(step) if step else running.delete(FILE))
                    await more(found)
                await running.delete(kept)
                await more(found)
                await running.apply(kept)
                assert (await asked(running, "/file", RIGHT)).status == 200
            assert not running.rejections
    assert set(found.answers) <= {0, 401, 404, 503}
    assert found.answers[401] > 200
    assert found.answers[503] > 50


@pytest.fixture
async def with_authz(tmp_path: Path) -> AsyncIterator[tuple[Site, Path]]:
    socket = tmp_path / "authz"
    every = "".join(f"{kind}:{text}\n" for kind, text in CHECKED.items())
    given = (
        service("web"),
        password_file(every + "des:abzlUXK5ed5rs\nbare:pw\n"),
        password_file("", "empty"),
        asking("file", auth_realm="Who: goes/there"),
        asking("plain"),
        asking("none", auth_secret="empty"),
        asking("any", whitelist_source_range="203.0.113.0/24", satisfy="any"),
    )
    proxy = ProxyOptions(authz=UnixPath(str(socket)), trusted_hops=1)
    async with (
        echo("web") as port,
        site(
            tmp_path,
            *given,
            slice_of("web", "127.0.0.1", ports=[port]),
            translate=TranslateOptions(has_authz=True),
            proxy=proxy,
        ) as started,
    ):
        yield started, socket


async def test_xds_authz_checks_every_hash(with_authz: tuple[Site, Path], tmp_path: Path) -> None:
    pytest.importorskip("bcrypt")
    running, socket = with_authz
    assert (await asked(running, "/file", credentials("SHA", "pw"))).status == 503, "xds authz isn't there"
    async with running_authz(f"unix:{socket}", tmp_path / "log"):
        async with asyncio.timeout(20):
            while (await asked(running, "/file")).status == 503:
                await asyncio.sleep(0.05)
        for kind in CHECKED:
            assert (kind, (await asked(running, "/file", credentials(kind, "pw"))).status) == (kind, 200)
            assert (kind, (await asked(running, "/file", credentials(kind, "no"))).status) == (kind, 401)
        for user in ("des", "bare", "nobody", ""):
            assert (user, (await asked(running, "/file", credentials(user, "pw"))).status) == (user, 401)
        reply = await asked(running, "/file", credentials("bcrypt", "pw"))
        assert "authorization" not in reply.json["headers"]
        for under, realm in (("/file", "Who: goes/there"), ("/plain", ""), ("/none", "")):
            refused = await asked(running, under)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, f'Basic realm="{realm}"')
        let_in = await asked(running, "/any", credentials("x", "no"), x_forwarded_for="203.0.113.9")
        assert let_in.status == 200
        assert "authorization" not in let_in.json["headers"]
        assert (await asked(running, "/any", x_forwarded_for="198.51.100.9")).status == 401
        assert not running.rejections
    assert "{SHA}" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("by_authz", [False, True])
async def test_the_largest_file_is_taken(tmp_path: Path, by_authz: bool) -> None:
    if by_authz:
        pytest.importorskip("bcrypt")
    name = "n" * (MAX_FILE_BYTES // MAX_USERS - len(SHA) - 8)
    largest = password_file("".join(f"{name}{number}:{SHA}\n" for number in range(MAX_USERS)))
    socket = tmp_path / "authz"
    async with (
        running_authz(f"unix:{socket}", tmp_path / "log") if by_authz else contextlib.nullcontext(),
        echo("web") as port,
        site(
            tmp_path,
            *(service("web"), asking("file"), largest, slice_of("web", "127.0.0.1", ports=[port])),
            translate=TranslateOptions(has_authz=by_authz),
            proxy=ProxyOptions(authz=UnixPath(str(socket)) if by_authz else None),
        ) as running,
        asyncio.timeout(20),
    ):
        for user, status in ((f"{name}{MAX_USERS - 1}", 200), (f"{name}{MAX_USERS}", 401), (f"{name}0", 200)):
            assert (await asked(running, "/file", credentials(user, "pw"))).status == status
        assert not running.rejections
