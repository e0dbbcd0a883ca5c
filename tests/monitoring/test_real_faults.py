"""Alerts in the demo's Prometheus on real faults, and dashboards on its figures.

Prometheus scrapes and evaluates each second, and the rules' durations are divided by 240
(tests/support/short_rules.py): an hour of burning budget becomes 15 s. Thresholds and expressions are those of
the Helm chart's files/rules.yaml. The leader's fault needs an API server, the real one of tests/cluster (`make kube`).

Covers: six alerts and more that fire in Prometheus and Alertmanager and end again; every query of every dashboard.
Excludes: the rules' real durations, which promtool tests with a clock of its own (tests/monitoring/alerts).
"""

import asyncio
import base64
import contextlib
import datetime
import json
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import pytest
import pytest_asyncio
import yaml

from tests.support.ads_client import CDS, LDS, DeltaClient
from tests.support.alert_cases import RULES
from tests.support.authority import DAY, Authority
from tests.support.cluster.assets import missing
from tests.support.dashboards.model import FOLDER
from tests.support.debian import needs
from tests.support.demo import REPOSITORY, STAYS_UP
from tests.support.envoy import free_port, needs_envoy
from tests.support.monitored import NAMESPACE, Monitored, monitored
from tests.support.panels import filled, queries
from tests.support.prometheus import metric_names
from tests.support.rejecting_client import rejecting_client
from tests.support.waiting import WAIT_LIMIT_SECONDS

pytestmark = [
    pytest.mark.monitoring,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("monitored demo"),
    needs("prometheus", "prometheus-alertmanager", "amtool"),
    needs_envoy,
]

DASHBOARDS: Final = sorted(FOLDER.glob("*.json"))

ELSEWHERE: Final = {
    "kube_pod_container_resource_limits": "of kube-state-metrics, which the rule does without where there is none",
}
"""Metrics that no process of ours has, with the reason to ask for them."""

RANGE_SECONDS: Final = 120


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Monitored]:
    async with monitored(tmp_path_factory.mktemp("demo")) as running:
        yield running


async def source(running: Monitored) -> None:
    """The folder of manifests is gone, and comes back."""
    manifests = running.demo.manifests
    away = manifests.rename(manifests.with_name("away"))
    await running.until_firing("XdsSourceUnreachable", pod="xds-ingress-0")
    away.rename(manifests)
    await running.until_ended("XdsSourceUnreachable", pod="xds-ingress-0")


async def certificate(running: Monitored) -> None:
    """A certificate of 90 days has 5 left, and is renewed."""
    file = running.demo.manifests / "secure-tls.yaml"
    labels = {"secret_namespace": "default", "secret": "secure-localhost"}
    replace(file, tls_secret(begins=-85 * DAY, ends=5 * DAY))
    await running.until_firing("XdsServedCertificateExpiresSoon", **labels)
    replace(file, tls_secret(begins=-DAY, ends=89 * DAY))
    await running.until_ended("XdsServedCertificateExpiresSoon", **labels)


async def rejection(running: Monitored) -> None:
    """A proxy rejects every response, and goes away."""
    async with rejecting_client(running.demo.server):
        await running.until_firing("XdsProxiesRejecting", type="cds")
    await running.until_ended("XdsProxiesRejecting", type="cds")


async def silence(running: Monitored) -> None:
    """A proxy answers nothing, also after its restart, and goes away."""
    silent = asyncio.create_task(never_answer(running.demo.server))
    await running.until_firing("XdsProxiesStuck", reason="silent")
    silent.cancel()
    await running.until_ended("XdsProxiesStuck", reason="silent")


async def errors(running: Monitored) -> None:
    """An Ingress names a Service that does not exist, and requests for its path come and stop."""
    mistake = REPOSITORY / "k8s" / "demo" / "later" / "mistake.yaml"
    replace(running.demo.manifests / mistake.name, mistake.read_text())
    requests = asyncio.create_task(ask(f"{running.demo.http}/typo", "mistake.localhost"))
    await running.until_firing("XdsIngressErrorsFastBurn", ingress="default/mistake")
    requests.cancel()
    await running.until_ended("XdsIngressErrorsFastBurn", ingress="default/mistake")


async def leader(running: Monitored) -> None:
    """The leader is killed: there is none until the Lease has run out, and the other replica takes over."""
    if reason := missing():
        pytest.skip(reason)
    await running.replicas[0].kill()
    await running.until_firing("XdsNoLeader", namespace=NAMESPACE)
    await running.until_ended("XdsNoLeader", namespace=NAMESPACE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(running: Monitored) -> dict[str, asyncio.Task[None]]:
    """All faults at once, as most of their time is waits; the silent proxy's begins before the tour's end."""
    begun = {"silence": asyncio.create_task(silence(running))}
    await asyncio.to_thread(running.demo.wait_for, STAYS_UP)
    port = free_port()
    replace(running.demo.manifests / "ports.yaml", exposed_ports(tcp=port, udp=free_port()))
    await connect(port)
    begun |= {each.__name__: asyncio.create_task(each(running)) for each in (certificate, rejection, errors, leader)}
    begun["source"] = asyncio.create_task(_after(begun["certificate"], source(running)))
    return begun


async def _after(first: asyncio.Task[None], then: Coroutine[Any, Any, None]) -> None:
    """Both write to one folder."""
    await asyncio.wait([first])
    await then


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", ["certificate", "errors", "rejection", "source", "leader", "silence"])
async def test_a_fault_fires_its_alert_and_the_alert_ends(outcomes: dict[str, asyncio.Task[None]], fault: str) -> None:
    await outcomes[fault]


@pytest.mark.asyncio(loop_scope="module")
async def test_metrics_of_rules_and_panels_are_scraped(
    running: Monitored, outcomes: dict[str, asyncio.Task[None]]
) -> None:
    if reason := missing():
        pytest.skip(reason)
    await asyncio.wait(outcomes.values())
    asked: set[str] = set()
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        asked = asked.union(*(metric_names(rule["expr"]) for rule in group["rules"]))
    for dashboard in DASHBOARDS:
        asked = asked.union(*(metric_names(target["expr"]) for _, _, target in queries(load(dashboard))))
    assert asked - running.prometheus.names() == ELSEWHERE.keys()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
async def test_queries_of_a_dashboard_have_an_answer(
    running: Monitored, outcomes: dict[str, asyncio.Task[None]], dashboard: Path
) -> None:
    if dashboard.stem == "control-plane" and (reason := missing()):
        pytest.skip(reason)  # a folder has no watches and no leader
    await asyncio.wait(outcomes.values())
    end = time.time()
    empty = []
    for title, _, target in queries(load(dashboard)):
        if not running.prometheus.query_range(filled(target["expr"]), end - RANGE_SECONDS, end, 1):
            empty.append((title, target["legendFormat"]))
    assert empty == []


@pytest.mark.asyncio(loop_scope="module")
async def test_prometheus_ends_with_the_demo(running: Monitored, outcomes: dict[str, asyncio.Task[None]]) -> None:
    await asyncio.wait(outcomes.values())
    await asyncio.to_thread(running.demo.stop)
    assert running.demo.process.returncode == 0, running.demo.output
    assert running.demo.processes() == {}
    assert list(running.demo.temporary.iterdir()) == []


def load(dashboard: Path) -> Any:
    return json.loads(dashboard.read_text())


def tls_secret(begins: datetime.timedelta, ends: datetime.timedelta) -> str:
    issued = Authority().issue("secure.localhost", begins=begins, ends=ends)
    data = {"tls.crt": issued.certificate, "tls.key": issued.private_key}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "secure-localhost"},
            "type": "kubernetes.io/tls",
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }
    )


def exposed_ports(*, tcp: int, udp: int) -> str:
    """A Service without endpoints, with a port of TCP and one of UDP, for the metrics of such ports."""
    ports = [{"name": each.lower(), "port": 53, "protocol": each} for each in ("TCP", "UDP")]
    claims = f"{tcp}=tcp:tcp, {udp}=udp:udp"
    metadata = {"name": "ports", "annotations": {"xds-ingress.dev/expose": claims}}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}})


async def connect(port: int) -> None:
    """A connection to a port, as soon as Envoy has it; to the end, since Envoy counts then."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                await reader.read()
                writer.close()
                return
            await asyncio.sleep(0.05)


def replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.write_text(text)
    unfinished.replace(file)


async def never_answer(address: str) -> None:
    """A proxy that reads every response and answers none."""
    while True:
        client = DeltaClient(address, "silent").open()
        with contextlib.suppress(grpc.aio.AioRpcError):
            await client.subscribe(CDS)
            await client.subscribe(LDS)
            while isinstance(await client._call.read(), bytes):
                pass
        await client.close()


async def ask(url: str, host: str) -> None:
    """Requests on new connections, since two Envoys share the port."""
    async with aiohttp.ClientSession(headers={"Host": host}, timeout=aiohttp.ClientTimeout(total=2)) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, headers={"Connection": "close"}) as answer:
                    await answer.read()
            await asyncio.sleep(0.05)
