"""Figures of the traffic of each Ingress, in the statistics of a real Envoy.

Covers: each kind of answer with its Ingress, Service and class of status, in the figures and in the access log; bytes
and durations; hostile requests and names; the most series; eviction; the metrics that the bootstrap keeps.
Excludes: the processor time that the figures cost (`make bench ONLY=stats`).
"""

import asyncio
import contextlib
import dataclasses
import json
import math
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import envoy as envoys
from tests.support.envoy import Envoy, needs_envoy
from tests.support.http import get
from tests.support.objects import (
    authorities,
    certificate,
    exact,
    ingress,
    password_file,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.bootstrap import config
from xds.bootstrap.stats import DURATION_BUCKETS
from xds.kube.objects import Ingress, KubeObject
from xds.resources import traffic_metrics
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy

HOST: Final = "shop.test"
HOSTILE: Final = "\"\\'<script>&{}=,\t%41"

WEB: Final = service("web")
PAGES: Final = service("pages")
DOWN: Final = service("down")
"""Without endpoints."""


def own(**values: str) -> dict[str, str]:
    return {f"xds-ingress.dev/{name.replace('_', '-')}": text for name, text in values.items()}


def one_path(name: str, to: str = "web", **annotations: str) -> Ingress:
    """An Ingress with the path of its name."""
    return ingress(name, rule(HOST, path(f"/{name}", to)), annotations=annotated(**annotations))


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A request, and the labels of its figures. `service` without a namespace; empty: none."""

    path: str
    status: int
    ingress: str
    service: str = "web"
    host: str = HOST
    https: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def labels(self) -> "Labels":
        namespace = "default" if self.ingress else ""
        named = [f"default/{each}" if each else "" for each in (self.ingress, self.service)]
        return (namespace, *named, f"{self.status // 100}xx")


ON: Final = ProxyOptions(traffic_metrics=True)

SHOP: Final = ingress("shop", rule(HOST, path("/")))
SHOP_LABELS: Final = ("default", "default/shop", "default/web")

OBJECTS: Final[tuple[KubeObject, ...]] = (
    WEB,
    PAGES,
    DOWN,
    password_file("u:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=\n"),
    authorities("ca"),
    secret("cert", certificate("checked.test", "two.test")),
    secret("cert-alone", certificate("alone.test")),
    SHOP,
    one_path("down", "down"),
    one_path("missing", "nowhere"),
    one_path("listed", whitelist_source_range="203.0.113.0/24"),
    one_path("password", auth_type="basic", auth_secret="users"),
    one_path("wrong", proxy_body_size="1m", auth_type="nonsense"),
    one_path("small", proxy_body_size="1"),
    one_path("moved", permanent_redirect="https://elsewhere.test/"),
    one_path("cors", enable_cors="true"),
    one_path("pages", "down", default_backend="pages"),
    one_path("limited", limit_rps="1", limit_burst_multiplier="1"),
    ingress("fixed", rule(HOST, path("/fixed")), annotations=own(answer="418 short and stout")),
    ingress("wild", rule("*.wild.test", exact("/one"))),
    ingress("alone", rule("alone.test", exact("/one")), tls=[tls("alone.test", secret="cert-alone")]),
    ingress("first", rule("two.test", path("/first")), tls=[tls("two.test", secret="cert")]),
    ingress("second", rule("two.test", path("/second"))),
    ingress(
        "checked",
        rule("checked.test", path("/")),
        tls=[tls("checked.test", secret="cert")],
        annotations=annotated(auth_tls_secret="default/ca", ssl_redirect="false"),
    ),
)

CASES: Final = (
    Case("/", 200, "shop"),
    Case("/down", 503, "down", "down"),
    Case("/missing", 503, "missing", "nowhere"),
    Case("/listed", 403, "listed"),
    Case("/password", 401, "password"),
    Case("/wrong", 503, "wrong"),
    Case("/small", 413, "small", headers=(("content_length", "9"),)),
    Case("/moved", 301, "moved"),
    Case("/cors", 204, "cors", headers=(("origin", "https://a.test"), ("access_control_request_method", "GET"))),
    Case("/pages", 200, "pages", "pages"),
    Case("/fixed", 418, "fixed"),
    Case("/two", 404, "wild", "", "a.wild.test"),
    Case("/one", 404, "", "", "a.b.wild.test"),
    Case("/one", 308, "alone", "", "alone.test"),
    Case("/one", 200, "alone", "web", "alone.test", https=True),
    Case("/two", 404, "alone", "", "alone.test", https=True),
    Case("/first", 308, "first", "", "two.test"),
    Case("/second", 308, "second", "web", "two.test"),
    Case("/first", 421, "", "", "two.test", https=True),
    Case("/", 404, "", "", "unknown.test"),
    Case("/", 403, "checked", "web", "checked.test"),
    Case("/", 400, "checked", "", "checked.test", https=True),
)


Labels: TypeAlias = tuple[str, ...]


async def figures(envoy: Envoy, name: str = "requests_total") -> dict[Labels, float]:
    """The samples of one figure, by the values of its labels."""
    families = text_string_to_metric_families(await envoy.get("/stats/prometheus"))
    found = (sample for family in families for sample in family.samples)
    return {tuple(each.labels.values()): each.value for each in found if each.name == f"envoy_ingress_{name}"}


def logged(envoy: Envoy) -> list[str]:
    """The Ingress of each answer, from the access log."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in envoy.log.splitlines() if line.startswith("{")]
    return [line["ingress"] or "" for line in lines if line["details"] != "internal_redirect"]


async def ask(running: Site, case: Case) -> int:
    method = "OPTIONS" if case.status == 204 else "GET"
    sni = "alone.test" if case.status == 421 else case.host
    more = dict(case.headers)
    return (await running.get(case.host, case.path, tls=case.https, sni=sni, method=method, **more)).status


async def counted(running: Site, case: Case) -> set[Labels]:
    """The figures that a request raises."""
    before = await figures(running.envoy)
    assert (case, await ask(running, case)) == (case, case.status)
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while (after := await figures(running.envoy)) == before:
            await asyncio.sleep(0.01)
    return {labels for labels, value in after.items() if value != before.get(labels, 0)}


async def test_each_answer_counts_for_its_ingress(tmp_path: Path) -> None:
    proxy = dataclasses.replace(ON, redirect_https=True)
    async with echoes([WEB, PAGES]) as slices, site(tmp_path, *OBJECTS, *slices, proxy=proxy) as running:
        assert running.rejections == []
        wrong = [(case, found) for case in CASES if (found := await counted(running, case)) != {case.labels}]
        assert wrong == []
        await until(lambda: len(logged(running.envoy)) == len(CASES))
        assert logged(running.envoy) == [case.labels[1] for case in CASES]


async def test_a_client_that_leaves_without_an_answer_counts_apart(tmp_path: Path) -> None:
    async with silent() as port:
        slices = slice_of("web", "127.0.0.1", ports=[port])
        async with site(tmp_path, WEB, SHOP, slices, proxy=ON) as running:
            _, writer = await asyncio.open_connection("127.0.0.1", running.proxy.http_port)
            writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
            await writer.drain()
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                while (await running.envoy.stats("http.http.downstream_rq_active"))[
                    "http.http.downstream_rq_active"
                ] != 1:
                    await asyncio.sleep(0.01)
                writer.close()
                while not (found := await figures(running.envoy)):
                    await asyncio.sleep(0.01)
            assert found == {("default", "default/shop", "default/web", "0xx"): 1}


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """A backend that takes requests and never answers."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_bytes_and_durations_are_counted(tmp_path: Path) -> None:
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, SHOP, proxy=ON) as running:
        async with aiohttp.ClientSession() as session, asyncio.timeout(WAIT_LIMIT_SECONDS):
            url, headers = f"http://127.0.0.1:{running.proxy.http_port}/", {"host": HOST}
            async with session.post(url, data=b"12345", headers=headers) as answer:
                received = len(await answer.read())
            while not (await figures(running.envoy, "request_duration_milliseconds_count")).get(SHOP_LABELS):
                await asyncio.sleep(0.05)  # Envoy merges histograms every five seconds
        assert await figures(running.envoy, "request_bytes_total") == {SHOP_LABELS: 5}
        assert await figures(running.envoy, "response_bytes_total") == {SHOP_LABELS: received}
        buckets = await figures(running.envoy, "request_duration_milliseconds_bucket")
        assert [float(each[-1]) for each in buckets] == [*DURATION_BUCKETS, math.inf]


async def test_requests_choose_no_label(tmp_path: Path) -> None:
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, SHOP, proxy=ON) as running:
        for host in (HOST, HOSTILE, "default/shop", f"{HOST}:99999"):
            for under in ("/", f"/{HOSTILE}"):
                more = {"user_agent": HOSTILE, "x_namespace": "default", "x_ingress_name": "shop", "x_code": "200"}
                await get(
                    running.proxy.http_port, host, under.replace("\t", ""), tls=False, sni="", method="GET", **more
                )
        found = await figures(running.envoy)
    assert {labels[:-1] for labels in found} <= {SHOP_LABELS, ("", "", "")}


async def test_names_are_quoted(tmp_path: Path) -> None:
    """Kubernetes has no such names."""
    name = 'a"b\\c\n<b>{d="e"}, f'
    async with (
        echoes([WEB]) as slices,
        site(tmp_path, WEB, *slices, ingress(name, rule(HOST, path("/"))), proxy=ON) as running,
    ):
        assert (await running.get(HOST)).status == 200
        assert await figures(running.envoy) == {("default", f"default/{name}", "default/web", "2xx"): 1}


async def test_series_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_metrics, "MAX_COUNTERS", 6)
    monkeypatch.setattr(traffic_metrics, "MAX_HISTOGRAMS", 1)
    many = [ingress(f"shop-{number}", rule(f"{number}.test", path("/"))) for number in range(10)]
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, *many, proxy=ON) as running:
        for number in range(10):
            assert (await running.get(f"{number}.test")).status == 200
        names = ("requests_total", "request_bytes_total", "response_bytes_total")
        assert sum([len(await figures(running.envoy, name)) for name in names]) == 6
        assert len(await figures(running.envoy, "request_duration_milliseconds_count")) == 1


async def test_a_deleted_ingress_loses_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "EVICTION_INTERVAL", timedelta(seconds=2))
    bootstrap_yaml = config.bootstrap_yaml
    monkeypatch.setattr(
        envoys, "bootstrap_yaml", lambda options: bootstrap_yaml(options) + "stats_flush_interval: 1s\n"
    )
    gone = ingress("gone", rule("gone.test", path("/")))
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, SHOP, gone, proxy=ON) as running:
        assert (await running.get("gone.test")).status == 200
        assert ("default", "default/gone", "default/web", "2xx") in await figures(running.envoy)
        await running.delete(gone)
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while (
                any("default/gone" in labels for labels in found) if (found := await figures(running.envoy)) else True
            ):
                assert (await running.get(HOST)).status == 200
                await asyncio.sleep(0.2)
        assert [*found] == [(*SHOP_LABELS, "2xx")]


async def test_traffic_metrics_are_off_by_default(tmp_path: Path) -> None:
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, SHOP) as running:
        assert (await running.get(HOST)).status == 200
        assert "envoy_ingress" not in await running.envoy.get("/stats/prometheus")


@pytest.mark.parametrize(("all_stats", "least", "most"), [(False, 30, 60), (True, 200, 300)])
async def test_the_bootstrap_keeps_what_dashboards_use(tmp_path: Path, all_stats: bool, least: int, most: int) -> None:
    async with echoes([WEB]) as slices, site(tmp_path, WEB, *slices, SHOP, all_stats=all_stats) as running:
        assert (await running.get(HOST)).status == 200
        text = await running.envoy.get("/stats/prometheus")
    lines = [line for line in text.splitlines() if 'envoy_cluster_name="default/web/80"' in line]
    assert least <= len(lines) <= most
    for name in (*KEPT, *(KEPT_BY_ALL if all_stats else ())):
        assert f"\nenvoy_{name}{{" in text, name


KEPT: Final = (
    "cluster_upstream_rq_total",
    "cluster_upstream_rq_xx",
    "cluster_upstream_rq_time_bucket",
    "cluster_upstream_rq_pending_overflow",
    "cluster_upstream_cx_connect_fail",
    "cluster_membership_healthy",
    "cluster_manager_active_clusters",
    "cluster_manager_cds_update_rejected",
    "control_plane_connected_state",
    "http_downstream_rq_xx",
    "http_downstream_rq_time_bucket",
    "http_downstream_cx_active",
    "http_downstream_rq_overload_close",
    "listener_downstream_cx_overflow",
    "listener_manager_total_listeners_active",
    "overload_envoy_resource_monitors_global_downstream_max_connections_pressure",
    "server_live",
    "server_memory_allocated",
    "server_uptime",
)
KEPT_BY_ALL: Final = ("cluster_upstream_cx_destroy", "http_downstream_cx_length_ms_bucket")
