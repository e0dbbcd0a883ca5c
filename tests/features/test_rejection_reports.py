"""Consequences of a rejection outside of the stream: a problem of the object that caused it, until a good version is
accepted.

Covers the object, the message and the duration. Excludes Events (tests/reporting), which follow from problems.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.support.ads_client import CDS, ECDS, EDS, LDS, RDS, SDS
from tests.support.objects import certificate, config_map, ingress, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane, cluster, site
from tests.support.route_table_annotations import annotated
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.problems.problem import Key, ObjectRef, Problem
from xds.protocol.rejection.reports import REPORTS_PER_NODE_LIMIT
from xds.resources.names import RATE_LIMITS
from xds.snapshot.resource import ResourceType
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.options import TranslateOptions

WEB = cluster("web")
IN_USE = "Error adding/updating listener(s) {}: cannot bind '0.0.0.0:9000': Address already in use\n"
H2C = {"port": 80, "appProtocol": "kubernetes.io/h2c"}


def about(name: str) -> ObjectRef:
    return ObjectRef("Ingress", "default", name)


async def told(plane: Plane) -> list[Problem]:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        plane.pipeline.report_rejections(await plane.ads.rejection_reports())
    return plane.pipeline.problems


@pytest.fixture
async def layer4() -> AsyncIterator[Plane]:
    """A control plane with ports of layer 4: by a ConfigMap, and by the annotation of a Service."""
    ports = Layer4Options({Transport.TCP: Key("default", "tcp-services")}, (PortRange(9100, 9199, "default"),))
    async with Plane(translate=TranslateOptions(layer4=ports)) as plane:
        plane.apply(service("db", 5432), config_map("tcp-services", **{"9000": "default/db:5432"}))
        plane.apply(service("queue", 1883, annotations={"xds-ingress.dev/expose": "9100=tcp:1883"}))
        yield plane


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.server.ads.REJECTION_REPORT_SECONDS", 0.05)


async def test_a_rejected_cluster_is_a_problem_of_its_ingress(plane: Plane) -> None:
    """The problem is solved when a changed cluster is accepted, not before."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.delta_proxy()
    plane.apply(service("web", H2C))
    await client.reject(CDS, WEB, message=f"Error adding/updating cluster(s) {WEB}: no\nway")
    (problem,) = await told(plane)
    assert (problem.object, problem.reason) == (about("web"), "RejectedByProxy")
    assert "a proxy rejects Cluster default/web/80" in problem.message
    assert "last good version" in problem.message
    assert "no way" in problem.message
    assert plane.pipeline.take_problem_delta().appeared == (problem,)
    assert plane.pipeline.problem_reasons["RejectedByProxy"] == 1
    plane.apply(service("web"))
    await until(lambda: not plane.status_of(CDS).rejected_count)
    assert await told(plane) == []
    assert plane.pipeline.take_problem_delta().solved == (problem,)


async def test_a_rejected_rate_is_a_problem_of_its_ingresses(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.delta_proxy()
    await client.subscribe(ECDS, RATE_LIMITS)
    await client.accept(ECDS, RATE_LIMITS)
    await client.expect_nothing()  # the server has the ACK
    plane.apply(ingress("api", rule("api.example", path("/", "api")), annotations=annotated(limit_rps="2")))
    await client.reject(ECDS, RATE_LIMITS, message="no such bucket")
    (problem,) = await told(plane)
    assert (problem.object, problem.reason) == (about("api"), "RejectedByProxy")
    assert "a proxy rejects TypedExtensionConfig rate-limits@1" in problem.message


async def test_a_rejected_cluster_blames_only_the_ingresses_that_use_the_service_so(plane: Plane) -> None:
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    balanced = ingress("balanced", rule("b.example", path("/", "web")), annotations=annotated(load_balance="ewma"))
    plane.apply(balanced)
    (name,) = plane.pipeline.store.resources(ResourceType.CLUSTER).keys() - {WEB}
    await client.nack(await client.receive(), f"Error adding/updating cluster(s) {name}: no")
    (problem,) = await told(plane)
    assert (problem.object, problem.reason) == (about("balanced"), "RejectedByProxy")


async def test_a_change_solves_the_problem_when_it_is_accepted(plane: Plane) -> None:
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.reject(EDS, WEB, message="malformed")
    (problem,) = await told(plane)
    assert problem.object == about("web")
    plane.apply(slice_of("web", "10.0.0.3"))
    received = await client.expect(EDS, WEB)
    assert await told(plane) == [problem]
    await client.ack(received)
    assert await told(plane) == []


async def test_a_rejection_is_a_problem_of_the_changed_virtual_hosts_ingress(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.delta_proxy()
    plane.apply(ingress("web", rule("web.example", path("/moved", "web"))))
    await client.reject_hosts("http@3/web.example")
    (problem,) = await told(plane)
    assert problem.object == about("web")


async def test_blamed_resources_have_problems_among_many_changed(plane: Plane) -> None:
    client = plane.sotw()
    plane.apply(*(each for number in range(20) for each in site(f"site-{number}")))
    await client.subscribe(RDS, "http@3")
    await client.reject(RDS, "http@3", message="duplicate entry of domain site-7.example")
    (problem,) = await told(plane)
    assert problem.object == about("site-7")


async def test_a_rejection_of_many_changes_names_the_resource(plane: Plane) -> None:
    client = plane.sotw()
    plane.apply(*(each for number in range(20) for each in site(f"site-{number}")))
    await client.subscribe(RDS, "http@3")
    await client.reject(RDS, "http@3", message="no")
    (problem,) = await told(plane)
    assert problem.object == ObjectRef("RouteConfiguration", "", "http@3")


async def test_a_rejected_secret_is_a_problem_of_its_ingresses_without_its_key(plane: Plane) -> None:
    plane.apply(*site("api"), secret("cert", certificate("web.example")))
    plane.apply(ingress("web", rule("web.example", path("/", "api")), tls=[tls("web.example", secret="cert")]))
    client = plane.delta()
    await client.subscribe(SDS, "default/cert")
    words = "bad: -----BEGIN EC PRIVATE KEY-----\\nMHcCAQ\\n-----END EC PRIVATE KEY----- here"
    await client.reject(SDS, "default/cert", message=words)
    (problem,) = await told(plane)
    assert problem.object == about("web")
    assert "bad: (private key) here" in problem.message
    rejection = plane.status_of(SDS).last_rejection
    assert rejection
    assert "MHcCAQ" not in rejection.message


async def test_a_rejected_listener_is_a_problem_of_no_ingress(plane: Plane) -> None:
    client = plane.delta()
    await client.subscribe(LDS)
    await client.reject(LDS, "http", message="cannot bind '0.0.0.0:80': Permission denied")
    (problem,) = await told(plane)
    assert problem.object == ObjectRef("Listener", "", "http")
    assert "Listener http cannot bind on 1 of 1 proxies" in problem.message
    assert "--http-port" in problem.remedy
    await client.close()
    assert await told(plane) == []


async def test_a_second_rejection_of_the_same_version_adds_no_problem(plane: Plane) -> None:
    plane.apply(*site("web"))
    clients = [await plane.delta_proxy(f"envoy-{number}") for number in range(3)]
    plane.apply(slice_of("web", "10.0.0.2"))
    for client in clients:
        await client.reject(EDS, WEB, message="malformed")
    await until(lambda: all(plane.status_of(EDS, client.node).rejected_count for client in clients))
    first = await told(plane)
    assert "3 proxies reject" in first[0].message
    await clients[0].close()
    assert await told(plane) == first


async def test_the_problem_of_a_deleted_resource_is_solved(plane: Plane) -> None:
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.reject(EDS, WEB)
    assert await told(plane)
    plane.delete(*site("web"))
    assert await told(plane) == []


async def test_a_proxy_that_rejects_much_has_few_problems(plane: Plane) -> None:
    """Beyond the limit of a node the proxy has a problem of its own, until its stream ends."""
    names = [f"web-{number}" for number in range(REPORTS_PER_NODE_LIMIT + 5)]
    plane.apply(*(each for name in names for each in site(name)))
    client = plane.delta()
    await client.subscribe(CDS)
    received = await client.receive()
    message = ", ".join(f"{cluster(name)}: no" for name in names)
    await client.nack(received, f"Error adding/updating cluster(s) {message}")
    problems = await told(plane)
    plane.pipeline.report_rejecting_proxies(plane.ads.rejecting_nodes)
    assert len(problems) == REPORTS_PER_NODE_LIMIT
    reasons = plane.pipeline.problem_reasons
    assert (reasons["RejectedByProxy"], reasons["ProxyRejectsMany"]) == (REPORTS_PER_NODE_LIMIT, 1)
    await client.close()
    await until(lambda: not plane.ads.connected)
    assert [each for each in await told(plane) if each.reason == "RejectedByProxy"] == []
    assert not plane.ads.rejecting_nodes


async def test_a_proxy_without_a_version_on_trial_is_not_in_sync(plane: Plane) -> None:
    plane.apply(*site("web"))
    first, second = await plane.delta_proxy("first"), await plane.delta_proxy("second")
    plane.apply(service("web", H2C))
    await first.reject(CDS, WEB, message="no")
    await until(lambda: plane.status_of(CDS, "second").on_trial == 1)
    assert plane.status_of(CDS, "first").rejected_names == (WEB,)
    assert plane.status_of(CDS, "first").on_trial == 0
    assert await second.receive()


@pytest.mark.parametrize(
    ("listener", "source", "field"),
    [
        ("tcp/9000", ObjectRef("ConfigMap", "default", "tcp-services"), "data[9000]"),
        ("tcp/9100", ObjectRef("Service", "default", "queue"), "metadata.annotations['xds-ingress.dev/expose']"),
    ],
)
async def test_a_port_that_proxies_cannot_bind_is_a_problem_of_its_source(
    layer4: Plane, listener: str, source: ObjectRef, field: str
) -> None:
    for number in range(5):
        client = layer4.delta(f"envoy-{number}")
        await client.subscribe(LDS)
        received = await client.receive()
        await (client.nack(received, IN_USE.format(listener)) if number < 2 else client.ack(received))
    await until(lambda: sum(each.is_rejecting for each in layer4.ads.proxy_figures()) == 2)
    (problem,) = await told(layer4)
    assert (problem.object, str(problem.field)) == (source, field)
    assert f"Listener {listener} cannot bind on 2 of 5 proxies" in problem.message
    assert "Free the port" in problem.remedy
    assert "--http-port" not in problem.remedy


async def test_a_port_that_stays_in_use_slows_no_proxy_down(layer4: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt is a NACK, and a proxy with many more NACKs than ACKs is taken for hostile."""
    monkeypatch.setattr("xds.protocol.rejection.bind_retries.BIND_RETRY_SECONDS", 0.01)
    client = layer4.delta()
    await client.subscribe(LDS)
    with capture_logs() as logs:
        for _ in range(5):
            await client.nack(await client.receive(), IN_USE.format("tcp/9000"))
        await until(lambda: layer4.metrics.streams.nacks.counts[LDS] == 5)
    (stream,) = layer4.ads._streams
    assert stream.excess_nacks == 1
    (line,) = (each for each in logs if each["event"] == "proxy_rejected")
    assert "Free the port" in line["remedy"]


async def test_a_rejected_cluster_of_layer_4_is_a_problem_of_its_source(layer4: Plane) -> None:
    client = layer4.delta()
    await client.subscribe(CDS)
    (name,) = (each for each in layer4.names(CDS) if each.startswith("default/db/"))
    await client.nack(await client.receive(), f"Error adding/updating cluster(s) {name}: no")
    (problem,) = await told(layer4)
    assert problem.object == ObjectRef("ConfigMap", "default", "tcp-services")
    assert str(problem.field) == "data[9000]"


async def test_a_rejection_of_many_entries_of_a_config_map_is_one_problem_of_it(layer4: Plane) -> None:
    layer4.apply(config_map("tcp-services", **{str(port): "default/db:5432" for port in range(9000, 9020)}))
    client = layer4.delta()
    await client.subscribe(CDS)
    (name,) = (each for each in layer4.names(CDS) if each.startswith("default/db/"))
    await client.nack(await client.receive(), f"Error adding/updating cluster(s) {name}: no")
    (problem,) = await told(layer4)
    assert problem.object == ObjectRef("ConfigMap", "default", "tcp-services")
    assert not problem.field


async def test_a_rejected_filter_chain_of_a_passed_host_is_a_problem_of_its_ingress() -> None:
    async with Plane(translate=TranslateOptions(passes_tls=True)) as plane:
        plane.apply(*site("web"), service("mail"))
        annotations = {"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}
        plane.apply(ingress("mail", rule("mail.example", path("/", "mail")), annotations=annotations))
        client = plane.delta()
        await client.subscribe(LDS)
        (backend,) = (each for each in plane.names(CDS) if each.startswith("default/mail/80@"))
        reason = f"error adding listener '0.0.0.0:443': filter chain 'pass/{backend}' is bad"
        await client.nack(await client.receive(), f"Error adding/updating listener(s) https: {reason}\n")
        (problem,) = (each for each in await told(plane) if each.reason == "RejectedByProxy")
        assert problem.object == about("mail")
