"""Policies of HTTPRoutes and GRPCRoutes through a real Envoy: CORS, mirrors, timeouts, retries and sessions; the
routes in the access log and in metrics of traffic.

Excludes: values (tests/translate/gateway/test_rule_policies.py), and the attachment of routes.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener, parent
from tests.support.objects import service, slice_of
from tests.support.scripted import Answer, Received, Scripted, ask, fine
from tests.support.site import Site, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.kube.gateway_objects import GRPCRoute
from xds.kube.objects import KubeObject
from xds.resources.options import ProxyOptions
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

ADDRESS: Final = "127.0.0.2"
HOST: Final = "shop.test"
NAMES: Final = ("origin", "credentials", "methods", "headers")


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *objects: KubeObject, proxy: ProxyOptions | None = None
) -> AsyncIterator[tuple[Site, str]]:
    """A site with a Gateway, and the Gateway's address and port."""
    port = free_port()
    given = (gateway_class(), gateway(listener(port=port)), *objects)
    async with site(
        folder, *given, translate=TranslateOptions(gateway=GatewayOptions(addresses=(ADDRESS,))), proxy=proxy
    ) as running:
        yield running, f"{ADDRESS}:{port}"
        assert running.rejections == []


def at(path: str, *refs: str, **rule: Any) -> dict[str, Any]:
    """A rule for a path and all below."""
    return to(*(refs or ("web",)), matches=[{"path": {"value": path}}], **rule)


def route(*rules: dict[str, Any]) -> KubeObject:
    return http_route(*rules, parentRefs=parent())


def cors_filter(**values: Any) -> list[dict[str, Any]]:
    return [{"type": "CORS", "cors": values}]


def allowed(answer: Answer) -> dict[str, str]:
    """The headers of CORS that name what is allowed."""
    found = {name: answer.headers.getall(f"access-control-allow-{name}", []) for name in NAMES}
    return {name: ", ".join(values) for name, values in found.items() if values}


async def preflight(running: Site, place: str, path: str, origin: str, **headers: str) -> Answer:
    asked = {"Access_Control_Request_Method": "PUT", "Origin": origin} | headers
    return await ask(running, HOST, path, "OPTIONS", body=None, at=place, **asked)


async def test_preflights_are_answered_by_the_proxy_whatever_the_origin(tmp_path: Path) -> None:
    listed = cors_filter(
        allowOrigins=["https://www.foo.com", "https://*.bar.com"],
        allowMethods=["GET", "PUT"],
        allowHeaders=["x-a", "x-b"],
        exposeHeaders=["x-c"],
        allowCredentials=True,
        maxAge=3600,
    )
    wild = {"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"]}
    rules = (
        at("/listed", filters=listed),
        at("/wild", filters=cors_filter(**wild)),
        at("/known", filters=cors_filter(**wild, allowCredentials=True)),
        at("/none", filters=cors_filter(allowMethods=["PUT"])),
    )
    async with (
        Scripted("web", fine).serving() as web,
        serving(tmp_path, route(*rules), service("web"), web.slices) as (running, place),
    ):
        for origin in ("https://www.foo.com", "https://a.b.bar.com"):
            answer = await preflight(running, place, "/listed", origin)
            assert (answer.status, answer.backend) == (204, "")
            named = {"origin": origin, "credentials": "true", "methods": "GET, PUT", "headers": "x-a, x-b"}
            assert allowed(answer) == named
            assert answer.headers["access-control-expose-headers"] == "x-c"
            assert answer.headers["access-control-max-age"] == "3600"
        for path, origin in (("/listed", "https://bar.com"), ("/listed", "null"), ("/none", "https://a.test")):
            answer = await preflight(running, place, path, origin)
            assert (answer.status, allowed(answer), answer.backend) == (403, {}, "")
        answer = await preflight(running, place, "/wild", "https://any.test:8443")
        assert (answer.status, allowed(answer)) == (204, {"origin": "*", "methods": "*", "headers": "*"})
        asked = {"Access_Control_Request_Headers": "x-1, x-2"}
        answer = await preflight(running, place, "/known", "https://any.test:8443", **asked)
        expected = {"origin": "https://any.test:8443", "credentials": "true", "methods": "PUT", "headers": "x-1, x-2"}
        assert allowed(answer) == expected
        assert web.received == []


async def test_other_requests_with_an_origin_reach_the_backend(tmp_path: Path) -> None:
    rules = (
        at("/listed", filters=cors_filter(allowOrigins=["https://www.foo.com"], allowCredentials=True)),
        at("/known", filters=cors_filter(allowOrigins=["*"], allowMethods=["*"], allowCredentials=True)),
    )
    async with (
        Scripted("web", fine).serving() as web,
        serving(tmp_path, route(*rules), service("web"), web.slices) as (running, place),
    ):
        answer = await ask(running, HOST, "/listed", at=place, Origin="https://www.foo.com")
        assert (answer.backend, allowed(answer)) == ("web", {"origin": "https://www.foo.com", "credentials": "true"})
        answer = await ask(running, HOST, "/listed", at=place, Origin="https://evil.test")
        assert (answer.backend, allowed(answer)) == ("web", {})
        answer = await ask(running, HOST, "/known", at=place, Origin="https://any.test")
        assert (answer.backend, allowed(answer)) == ("web", {"origin": "https://any.test", "credentials": "true"})
        assert allowed(await ask(running, HOST, "/known", at=place)) == {}
        for headers in ({}, {"Origin": "https://www.foo.com"}, {"Access_Control_Request_Method": "PUT"}):
            answer = await ask(running, HOST, "/listed", "OPTIONS", body=None, at=place, **headers)
            assert (answer.status, answer.backend) == (200, "web"), headers


async def test_each_mirror_gets_its_share_of_the_copies(tmp_path: Path) -> None:
    def copied(name: str, **share: Any) -> dict[str, Any]:
        return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}

    rules = (
        at("/all", filters=[copied("one"), copied("two")]),
        at("/part", filters=[copied("one", percent=25), copied("two", fraction={"numerator": 0})]),
    )
    async with (
        Scripted("web", fine).serving() as web,
        Scripted("one", fine).serving() as one,
        Scripted("two", lambda _: (500, [])).serving() as two,
        serving(
            tmp_path,
            route(*rules),
            *(service(each.name) for each in (web, one, two)),
            *(each.slices for each in (web, one, two)),
        ) as (running, place),
    ):
        answer = await ask(running, HOST, "/all/x?y=1", "POST", body=b"hello", at=place)
        assert (answer.status, answer.backend) == (200, "web")
        await until(lambda: bool(one.received and two.received))
        for copy in (one, two):
            (received,) = copy.received
            assert (received.method, received.path, received.body) == ("POST", "/all/x?y=1", b"hello")
            assert received.headers["host"] == HOST
        for _ in range(200):
            assert (await ask(running, HOST, "/part", at=place)).backend == "web"
        assert 20 <= len(one.received) - 1 <= 90
        assert len(two.received) == 1


async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A backend that never answers."""
    with contextlib.closing(writer):
        await asyncio.sleep(60)


async def test_a_request_ends_in_time_and_each_try_in_its_own(tmp_path: Path) -> None:
    tries: list[float] = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        tries.append(time.monotonic())
        await slow(reader, writer)

    server = await asyncio.start_server(counted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rules = (
        at("/request", timeouts={"request": "300ms"}),
        at("/backend", timeouts={"backendRequest": "300ms"}),
        at("/retried", timeouts={"request": "5s", "backendRequest": "300ms"}, retry={"attempts": 2}),
        at("/bounded", timeouts={"request": "400ms", "backendRequest": "300ms"}, retry={"attempts": 50}),
    )
    slices = slice_of("web", "127.0.0.1", ports=[port])
    async with server, serving(tmp_path, route(*rules), service("web"), slices) as (running, place):
        for path, count, least, most in (
            ("/request", 1, 0.3, 2),
            ("/backend", 1, 0.3, 2),
            ("/retried", 3, 0.9, 4),
            ("/bounded", 2, 0.4, 2),
        ):
            tries.clear()
            began = time.monotonic()
            answer = await ask(running, HOST, path, at=place)
            assert (answer.status, len(tries)) == (504, count), path
            assert least - 0.05 <= time.monotonic() - began <= most


def failing(times: int, status: int) -> Callable[[Received], tuple[int, list[tuple[str, str]]]]:
    """Answers of a backend that fails some times for each path."""
    seen: dict[str, int] = {}

    def answer(request: Received) -> tuple[int, list[tuple[str, str]]]:
        seen[request.path] = seen.get(request.path, 0) + 1
        return (status if seen[request.path] <= times else 200), []

    return answer


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("failures", "expected"), [((2, 503), (200, 3)), ((3, 503), (503, 3)), ((1, 500), (500, 1))])
async def test_listed_statuses_are_tried_again(
    tmp_path: Path, method: str, failures: tuple[int, int], expected: tuple[int, int]
) -> None:
    rules = at("/", retry={"codes": [503, 502], "attempts": 2, "backoff": "10ms"})
    async with (
        Scripted("web", failing(*failures)).serving() as web,
        serving(tmp_path, route(rules), service("web"), web.slices) as (running, place),
    ):
        answer = await ask(running, HOST, "/x", method, at=place, body=b"x" if method == "POST" else None)
        assert (answer.status, len(web.received)) == expected


async def test_a_broken_connection_is_tried_again_with_a_retry_alone(tmp_path: Path) -> None:
    count = 0

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    slices = slice_of("web", "127.0.0.1", ports=[server.sockets[0].getsockname()[1]])
    rules = (at("/retried", retry={"attempts": 4}), at("/plain"))
    async with server, serving(tmp_path, route(*rules), service("web"), slices) as (running, place):
        for path, tries in (("/retried", 5), ("/plain", 1)):
            count = 0
            assert (await ask(running, HOST, path, "POST", body=b"x", at=place)).status == 503
            assert count == tries


async def test_a_session_stays_with_its_endpoint_by_cookie_or_header(tmp_path: Path) -> None:
    rules = (
        at("/cookie", sessionPersistence={"sessionName": "sid", "absoluteTimeout": "1h"}),
        at("/header", sessionPersistence={"sessionName": "X-Session", "type": "Header"}),
    )
    async with (
        Scripted("a", fine).serving() as first,
        Scripted("b", fine).serving() as second,
        serving(
            tmp_path,
            route(*rules),
            service("web"),
            slice_of("web", "127.0.0.1", ports=[first.port], name="web-1"),
            slice_of("web", "127.0.0.1", ports=[second.port], name="web-2"),
        ) as (running, place),
    ):
        answer = await ask(running, HOST, "/cookie", at=place)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith('sid="')
        assert "Max-Age=3600" in cookie
        sent = cookie.partition(";")[0]
        found = {(await ask(running, HOST, "/cookie", at=place, Cookie=sent)).backend for _ in range(8)}
        assert found == {answer.backend}
        answer = await ask(running, HOST, "/header", at=place)
        token = answer.headers["x-session"]
        found = {(await ask(running, HOST, "/header", at=place, X_Session=token)).backend for _ in range(8)}
        assert found == {answer.backend}
        assert {(await ask(running, HOST, "/header", at=place)).backend for _ in range(8)} == {"a", "b"}


async def test_a_session_stays_with_its_backend_whatever_the_weights(tmp_path: Path) -> None:
    rules = at("/", "a*1", "b*1", sessionPersistence={"sessionName": "sid", "absoluteTimeout": "1h"})
    async with (
        Scripted("a", fine).serving() as first,
        Scripted("b", fine).serving() as second,
        serving(tmp_path, route(rules), service("a"), service("b"), first.slices, second.slices) as (running, place),
    ):
        answer = await ask(running, HOST, at=place)
        cookies = answer.headers.getall("set-cookie")
        assert len(cookies) == 2
        assert all("Max-Age=3600" in each for each in cookies)
        sent = "; ".join(each.partition(";")[0] for each in cookies)
        found = [await ask(running, HOST, at=place, Cookie=sent) for _ in range(16)]
        assert {each.backend for each in found} == {answer.backend}
        assert not any("set-cookie" in each.headers for each in found)
        assert {(await ask(running, HOST, at=place)).backend for _ in range(32)} == {"a", "b"}


@contextlib.asynccontextmanager
async def calls(name: str) -> AsyncIterator[int]:
    """A backend of gRPC that answers each call with its name; yields the port."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs alone
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def test_calls_of_grpc_are_routed_by_service_and_method(tmp_path: Path) -> None:
    def calling(backend: str, **match: Any) -> dict[str, Any]:
        return to(backend, matches=[match])

    rules = (
        calling("b", method={"service": "test.Text"}),
        calling("a", method={"service": "test.Text", "method": "Get"}),
        calling("c", method={"method": "Only"}),
        calling("absent", method={"service": "test.Gone"}),
        calling("a", method={"type": "RegularExpression", "service": "re[.].*", "method": "G.t"}),
    )
    routes = gateway_object(GRPCRoute, "calls", rules=list(rules), parentRefs=parent())
    async with contextlib.AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(calls(name)) for name in "abc"}
        objects: list[KubeObject] = [routes]
        for name, port in ports.items():
            objects += [service(name), slice_of(name, "127.0.0.1", ports=[port])]
        running, place = await stack.enter_async_context(serving(tmp_path, *objects))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(place))

        async def call(method: str) -> str:
            try:
                found: bytes = await channel.unary_unary(method, bytes, bytes)(b"", timeout=20)
            except grpc.aio.AioRpcError as error:
                return error.code().name
            return found.decode()

        assert [await call(each) for each in ("/test.Text/Get", "/test.Text/Put", "/test.Text/Only")] == ["a", "b", "b"]
        assert [await call(each) for each in ("/x.Y/Only", "/re.x/Get", "/re.x/Put")] == ["c", "a", "UNIMPLEMENTED"]
        assert await call("/test.Gone/Get") == "UNAVAILABLE"
        assert running.rejections == []


async def test_logs_and_metrics_name_the_route_behind_an_answer(tmp_path: Path) -> None:
    fields = ("ingress", "gateway_route", "route", "service", "status", "namespace")
    options = ProxyOptions(traffic_metrics=True, access_log_fields=fields)
    shop = http_route(at("/shop"), at("/gone", "missing"), parentRefs=parent(), hostnames=[HOST])
    async with (
        Scripted("web", fine).serving() as web,
        serving(tmp_path, shop, service("web"), web.slices, proxy=options) as (running, place),
    ):
        for path, status in (("/shop", 200), ("/gone", 500), ("/none", 404)):
            assert (await ask(running, HOST, path, at=place)).status == status
        lines: list[dict[str, Any]] = []
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while len(lines) < 3:
                lines = [json.loads(line) for line in running.envoy.log.splitlines() if line.startswith("{")]
                await asyncio.sleep(0.01)
        named = {"ingress": None, "gateway_route": "HTTPRoute default/route", "namespace": "default"}
        assert {each["status"]: {name: each[name] for name in named} for each in lines} == dict.fromkeys(
            (200, 500, 404), named
        )
        by_status = {each["status"]: each for each in lines}
        assert by_status[200]["service"] == "default/web"
        assert by_status[200]["route"] == "HTTPRoute default/route Prefix /shop"
        assert by_status[404]["route"] is None
        families = text_string_to_metric_families(await running.envoy.get("/stats/prometheus"))
        samples = [each for family in families for each in family.samples]
        counted = [each.labels for each in samples if each.name == "envoy_ingress_requests_total"]
        assert {each["code_class"] for each in counted} == {"2xx", "4xx", "5xx"}
        assert {(each["ingress_namespace"], each["ingress"], each["route"]) for each in counted} == {
            ("default", "", "HTTPRoute default/route")
        }
