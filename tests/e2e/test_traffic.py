"""Requests through a real Envoy between a client and real backends.

Covers: headers, protocols to clients and backends, long-lived streams, retries, the access log, endpoint changes and
route changes under load, state of the world. Excludes: the choice of the route (test_route_table.py) and TLS
(test_tls.py).
"""

import asyncio
from pathlib import Path

import aiohttp
import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamReset

from tests.support.echo import echo
from tests.support.envoy import free_port, needs_envoy
from tests.support.load import load
from tests.support.objects import endpoint, ingress, path, rule, service, slice_of
from tests.support.site import echoes, site
from xds.kube.objects import EndpointSlice, KubeObject
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType

pytestmark = needs_envoy

WEB = (ingress("shop", rule("shop.example.com", path("/cart", "web"))), service("web"))


def slice_at(name: str, *ports: int, ready: bool | None = True, terminating: bool | None = None) -> list[EndpointSlice]:
    """A slice for every port: the backends of a test share an address."""
    state = endpoint("127.0.0.1", ready=ready, serving=True, terminating=terminating)
    return [slice_of(name, state, name=f"{name}-{port}", ports=[port]) for port in ports]


async def test_a_backend_sees_the_host_the_client_and_the_scheme(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices) as running:
        reply = await running.get("Shop.Example.com:8080", "/cart?x=1")
        assert reply.json["host"] == "Shop.Example.com:8080"
        assert reply.json["path"] == "/cart?x=1"
        assert {"x-forwarded-proto", "x-request-id", "x-forwarded-for"} <= reply.json["headers"].keys()


async def test_trusted_hops_name_the_client(tmp_path: Path) -> None:
    proxy = ProxyOptions(trusted_hops=1)
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices, proxy=proxy) as running:
        await running.get("shop.example.com", "/cart", x_forwarded_for="203.0.113.9")
        assert (await running.envoy.access_log())["client"] == "203.0.113.9"


async def test_the_proxy_protocol_names_the_client(tmp_path: Path) -> None:
    proxy = ProxyOptions(proxy_protocol=True)
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices, proxy=proxy) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
        writer.write(b"PROXY TCP4 203.0.113.7 127.0.0.1 1234 80\r\n")
        writer.write(b"GET /cart HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
        assert b'"x-forwarded-for": "203.0.113.7"' in await reader.read()
        writer.close()


async def test_a_malformed_request_ends_its_own_http2_stream_only(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
        client = H2Connection(H2Configuration(validate_outbound_headers=False))
        client.initiate_connection()
        request = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example.com"), (":path", "/cart")]
        client.send_headers(1, [*request, ("Upper Case", "x")], end_stream=True)
        client.send_headers(3, request, end_stream=True)
        writer.write(client.data_to_send())
        ends: dict[int, str] = {}
        while len(ends) < 2:
            received = await reader.read(65536)
            assert received, f"the connection ended after {ends}"
            for event in client.receive_data(received):
                if isinstance(event, StreamReset):
                    ends[event.stream_id] = "reset"
                elif isinstance(event, ResponseReceived):
                    ends[event.stream_id] = dict(event.headers)[b":status"].decode()
        writer.close()
        assert ends == {1: "reset", 3: "200"}


async def test_the_access_log_names_the_kubernetes_objects(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices) as running:
        await running.get("shop.example.com", "/cart/7")
        line = await running.envoy.access_log()
        assert (line["ingress"], line["service"]) == ("default/shop", "default/web")
        assert (line["route"], line["status"], line["path"]) == ("default/shop Prefix /cart", 200, "/cart/7")


async def test_websockets_outlive_route_and_endpoint_changes(tmp_path: Path) -> None:
    async with echoes([service("web")]) as slices, site(tmp_path, *WEB, *slices) as running:
        url = f"http://127.0.0.1:{running.proxy.http_port}/cart"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, headers={"Host": "shop.example.com"}) as socket,
        ):
            await socket.send_str("before")
            assert await socket.receive_str() == "before"
            await running.apply(ingress("other", rule("other.example.com", path("/", "web"))))
            await running.apply(*slice_at("web", free_port()))
            await socket.send_str("after")
            assert await socket.receive_str() == "after"


@pytest.mark.parametrize("app_protocol", ["kubernetes.io/h2c", "grpc"])
async def test_a_grpc_backend_is_spoken_to_in_http2(tmp_path: Path, app_protocol: str) -> None:
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(_reversed)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Reverse": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    objects: tuple[KubeObject, ...] = (
        ingress("grpc", rule("grpc.example.com", path("/", "grpc"))),
        service("grpc", {"port": 80, "appProtocol": app_protocol}),
        *slice_at("grpc", port),
    )
    async with site(tmp_path, *objects) as running:
        target = f"127.0.0.1:{running.proxy.http_port}"
        options = (("grpc.default_authority", "grpc.example.com"),)
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            assert await channel.unary_unary("/test.Echo/Reverse", None, None)(b"abc") == b"cba"
    await server.stop(None)


async def _reversed(request: bytes, _context: grpc.aio.ServicerContext) -> bytes:  # type: ignore[type-arg]
    return request[::-1]


async def test_a_dead_endpoint_costs_no_request(tmp_path: Path) -> None:
    async with echo("web") as port:
        objects: tuple[KubeObject, ...] = (*WEB, *slice_at("web", port, free_port()))
        async with site(tmp_path, *objects) as running:
            statuses = [(await running.get("shop.example.com", "/cart")).status for _ in range(40)]
            assert set(statuses) == {200}


async def test_a_service_without_ready_endpoints_answers_503(tmp_path: Path) -> None:
    async with echo("web") as port, site(tmp_path, *WEB) as running:
        assert (await running.get("shop.example.com", "/cart")).status == 503
        await running.apply(*slice_at("web", port))
        assert (await running.get("shop.example.com", "/cart")).status == 200
        await running.apply(*slice_at("web", port, ready=False, terminating=True))
        assert (await running.get("shop.example.com", "/cart")).status == 200, "all that still serve are used"
        await running.delete(*slice_at("web", port))
        assert (await running.get("shop.example.com", "/cart")).status == 503


async def test_draining_endpoints_get_no_new_requests(tmp_path: Path) -> None:
    async with echo("old") as old, echo("new") as new, site(tmp_path, *WEB) as running:
        await running.apply(*slice_at("web", old, ready=False, terminating=True), *slice_at("web", new))
        answers = [(await running.get("shop.example.com", "/cart")).backend for _ in range(20)]
        assert set(answers) == {"new"}
        assert (await running.envoy.endpoints("default/web/80"))[f"127.0.0.1:{old}"] == "DRAINING"


@pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])
async def test_no_request_fails_while_services_and_routes_move(tmp_path: Path, sotw: bool) -> None:
    """Endpoints come and go, a path moves to a new Service and back, and the old Service's cluster goes."""
    names = ["web", "next"]
    async with echoes([service(name) for name in names]) as slices, echo("more") as more:
        async with (
            site(tmp_path, *WEB, *slices, sotw=sotw) as running,
            load(running, "shop.example.com", "/cart") as counted,
        ):
            for _ in range(15):
                await running.apply(*slice_at("web", more))
                await running.apply(service("next"), ingress("shop", rule("shop.example.com", path("/cart", "next"))))
                await running.delete(*slice_at("web", more))
                await running.apply(*WEB)
                await running.delete(service("next"))
        assert running.rejections == []
        assert counted.failed == []
        assert counted.sent > 100


async def test_an_endpoint_change_sends_neither_routes_nor_listeners(tmp_path: Path) -> None:
    async with site(tmp_path, *WEB) as running:
        store = running.pipeline.store
        routing = (ResourceType.LISTENER, ResourceType.ROUTES)
        versions = [store.version(type_) for type_ in routing]
        await running.apply(*slice_at("web", 1234))
        assert "127.0.0.1:1234" in await running.envoy.endpoints("default/web/80")
        assert versions == [store.version(type_) for type_ in routing]
