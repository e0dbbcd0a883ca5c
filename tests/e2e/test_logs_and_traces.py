"""The access log and traces of a real Envoy: forms, and paths that are left out.

Excludes: the values of annotations (tests/translate/nginx/test_logs_and_traces.py).
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.http import Connection
from tests.support.objects import config_map, ingress, key, path, rule, service
from tests.support.otel_collector import needs_collector, real_collector
from tests.support.otlp import Span, collector
from tests.support.route_table_annotations import annotated
from tests.support.site import echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.address import HostPort
from xds.kube.objects import KubeObject
from xds.resources.access_log import ACCESS_LOG_FIELDS
from xds.resources.options import AccessLogFormat, ProxyOptions, TracingOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
WEB: Final = service("web")

BATCH: Final = 5
"""Envoy sends spans after so many, else after five seconds: `tracing.opentelemetry.min_flush_spans`."""


def paths(**annotations: str) -> tuple[KubeObject, ...]:
    """`/` without annotations, and `/quiet` with."""
    quiet = ingress("quiet", rule(HOST, path("/quiet")), annotations=annotated(**annotations))
    return (ingress("shop", rule(HOST, path("/"))), quiet, WEB)


@pytest.mark.parametrize(
    ("form", "line"), [(AccessLogFormat.JSON, '"path":"{}"'), (AccessLogFormat.TEXT, '"GET {} HTTP/1.1" 200 ')]
)
async def test_a_path_is_left_out_of_the_access_log(tmp_path: Path, form: AccessLogFormat, line: str) -> None:
    async with echoes([WEB]) as slices:
        objects = (*paths(enable_access_log="false"), *slices)
        async with site(tmp_path, *objects, proxy=ProxyOptions(access_log=form)) as running:
            assert running.rejections == []
            for under in ("/quiet", "/first", "/quiet/below", "/last"):
                assert (await running.get(HOST, under)).status == 200
            while line.format("/last") not in running.envoy.log:
                await asyncio.sleep(0.01)
            assert line.format("/first") in running.envoy.log
            assert line.format("/quiet") not in running.envoy.log
            assert line.format("/quiet/below") not in running.envoy.log


async def test_the_access_log_can_be_off(tmp_path: Path) -> None:
    options = ProxyOptions(access_log=AccessLogFormat.OFF)
    async with echoes([WEB]) as slices, site(tmp_path, *paths(), *slices, proxy=options) as running:
        assert (await running.get(HOST, "/seen", X_Request_Id="b7ad6b71")).status == 200
        await asyncio.sleep(0.1)  # ten times the interval in which Envoy writes its log
        assert "b7ad6b71" not in running.envoy.log


async def test_hostile_values_stay_one_line_of_json(tmp_path: Path) -> None:
    hostile = (
        (
            b'GET /a"b\\c<script>?q="\'{}%22%0a HTTP/1.1\r\nhost: shop.example.com\r\n'
            b'user-agent: "}\\{\xff\xfe\xc3\xa9 <b>\tx\r\nx-forwarded-for: "};\r\nx-request-id: "a\\'
        ),
        b'GET / HTTP/1.1\r\nhost: sh"op\\.example.com<b>',
        b'G"ET / HTTP/1.1\r\nhost: shop.example.com',
        b"GET / HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: a\r\n b",
        b"GET / HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: a\x01\x7fb",
        b"GET / HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: a\xe2\x80\xa8b",
        b"\x16\x03\x01\x02\x00\x01",
    )
    async with echoes([WEB]) as slices, site(tmp_path, *paths(), *slices) as running:
        for head in hostile:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
            writer.write(head + b"\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
            writer.close()
        assert (await running.get(HOST, "/last")).status == 200
        await until(lambda: '"path":"/last"' in running.envoy.log)
    lines = [line for line in (tmp_path / "test.log").read_bytes().split(b"\n") if line.startswith(b"{")]
    logged = [json.loads(line.decode()) for line in lines]
    assert len(logged) == len(hostile) + 1
    assert [*map(len, logged)] == [len(ACCESS_LOG_FIELDS)] * len(logged)
    assert (logged[0]["user_agent"], logged[0]["request_id"]) == ('"}\\{ÿþÃ© <b>\tx', '"a\\')


async def test_fields_of_the_access_log_are_chosen(tmp_path: Path) -> None:
    fields = ("status", "namespace", "backend_ms", "request.x-team", "response.content-type")
    options = ProxyOptions(access_log_fields=fields)
    async with echoes([WEB]) as slices, site(tmp_path, *paths(), *slices, proxy=options) as running:
        assert (await running.get(HOST, "/", X_Team="red")).status == 200
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            line = await running.envoy.access_log()
    assert line.keys() == set(fields)
    assert isinstance(line.pop("backend_ms"), int)
    assert line == {
        "status": 200,
        "namespace": "default",
        "request.x-team": "red",
        "response.content-type": "application/json; charset=utf-8",
    }


async def test_another_access_log_has_connections_close_after_a_response(tmp_path: Path) -> None:
    options, asked = TranslateOptions(nginx_configmap=key("conf")), config_map("conf", log_format_upstream="$status")
    async with echoes([WEB]) as slices, site(tmp_path, *paths(), *slices, translate=options) as running:
        connection = await Connection.open(running.proxy.http_port)
        assert "connection" not in (await connection.get(HOST)).headers
        await running.apply(asked)
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not (await running.envoy.stats("listener_manager.listener_in_place_updated")).popitem()[1]:
                await asyncio.sleep(0.01)
        reply = await connection.get(HOST)
        assert (reply.status, reply.headers.get("connection")) == (200, "close")
        connection.close()


def traced(port: int, percent: float = 100) -> dict[str, Any]:
    """Options of a site."""
    options = ProxyOptions(tracing=TracingOptions(HostPort("127.0.0.1", port), percent))
    return {"proxy": options, "translate": TranslateOptions(has_tracer=True)}


def urls(spans: list[Span]) -> set[str]:
    return {span.attributes["http.url"].partition(HOST)[2] for span in spans}


async def test_spans_of_requests_reach_the_collector(tmp_path: Path) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with echoes([WEB]) as slices, collector() as found:
        objects = (*paths(enable_opentelemetry="false"), *slices)
        async with site(tmp_path, *objects, **traced(found.port)) as running:
            assert running.rejections == []
            assert (await running.get(HOST, "/quiet")).status == 200
            assert (await running.get(HOST, "/quiet/below", traceparent=parent)).status == 200
            passed = await running.get(HOST, "/child", traceparent=parent)
            assert passed.json["headers"]["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
            quiet = objects[1]
            renamed = annotated(opentelemetry_operation_name="checkout")
            await running.apply(ingress(quiet.metadata.name, rule(HOST, path("/quiet")), annotations=renamed))
            reply = await running.get(HOST, "/quiet/named")
            assert "x-envoy-decorator-operation" not in reply.headers
            assert "x-envoy-decorator-operation" not in reply.json["headers"]
            for number in range(BATCH):
                await running.get(HOST, f"/more/{number}")
            await found.until(lambda spans: {"/child", "/quiet/named"} <= urls(spans))
    by_url = {span.attributes["http.url"].partition(HOST)[2]: span for span in found.spans}
    assert not {"/quiet", "/quiet/below"} & by_url.keys()
    child, named = by_url["/child"], by_url["/quiet/named"]
    assert (child.trace_id, child.parent_id) == tuple(parent.split("-")[1:3])
    assert (named.name, named.service) == ("checkout", "xds-ingress")
    assert {name: child.attributes[name] for name in ("ingress_namespace", "ingress", "service")} == {
        "ingress_namespace": "default",
        "ingress": "default/shop",
        "service": "default/web",
    }


async def test_a_share_of_nothing_sends_no_span(tmp_path: Path) -> None:
    async with echoes([WEB]) as slices, collector() as found:
        objects = (*paths(), *slices)
        async with site(tmp_path, *objects, **traced(found.port, 0)) as running:
            for number in range(BATCH):
                assert (await running.get(HOST, f"/{number}")).status == 200
            sampled = await running.envoy.stats("http.http.tracing.random_sampling")
            assert sampled == {"http.http.tracing.random_sampling": 0}
    assert found.spans == []


async def test_requests_pass_by_a_collector_that_is_unreachable(tmp_path: Path) -> None:
    """Envoy starts, and answers, with a collector that refuses connections, and with a name that doesn't exist."""
    for host, port in (("127.0.0.1", free_port()), ("collector.invalid", 4317)):
        options = ProxyOptions(tracing=TracingOptions(HostPort(host, port)))
        async with asyncio.timeout(WAIT_LIMIT_SECONDS), echoes([WEB]) as slices:
            objects = (*paths(), *slices)
            async with site(tmp_path, *objects, proxy=options) as running:
                for number in range(2 * BATCH):
                    assert (await running.get(HOST, f"/{number}")).status == 200
                assert running.rejections == []


async def test_requests_pass_by_a_collector_that_does_not_answer(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(WAIT_LIMIT_SECONDS),
        echoes([WEB]) as slices,
        collector(answers=False) as found,
        site(tmp_path, *paths(), *slices, **traced(found.port)) as running,
    ):
        while found.waiting < 3:
            assert (await running.get(HOST)).status == 200
        assert (await running.get(HOST, "/last")).status == 200
    assert found.spans == []


async def test_spans_arrive_once_a_collector_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with (
        asyncio.timeout(WAIT_LIMIT_SECONDS),
        echoes([WEB]) as slices,
        site(tmp_path, *paths(), *slices, **traced(port)) as running,
    ):
        for number in range(2 * BATCH):
            assert (await running.get(HOST, f"/lost/{number}")).status == 200
        async with collector(port) as found:
            while "/back" not in urls(found.spans):
                assert (await running.get(HOST, "/back")).status == 200


@needs_collector
async def test_a_real_collector_understands_the_spans(tmp_path: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    async with (
        echoes([WEB]) as slices,
        real_collector(tmp_path) as found,
        site(tmp_path, *paths(), *slices, **traced(found.port)) as running,
    ):
        assert (await running.get(HOST, "/child", traceparent=parent)).status == 200
        for number in range(BATCH):
            assert (await running.get(HOST, f"/quiet/{number}")).status == 200
        await until(lambda: any(span.get("http.url", "").endswith("/child") for span in found.spans))
        [child] = [span for span in found.spans if span["trace_id"] == trace]
        of_ingress = {name: child[name] for name in ("ingress_namespace", "ingress", "service")}
        assert of_ingress == {"ingress_namespace": "default", "ingress": "default/shop", "service": "default/web"}
        assert (child["http.status_code"], child["http.method"]) == ("200", "GET")
        await until(lambda: "default/quiet" in {span.get("ingress") for span in found.spans})
