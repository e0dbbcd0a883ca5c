"""Consequences of a rejection outside of the stream: a problem of the object that caused it, until a good version is
accepted.

Covers the object, the message and the duration. Excludes Events (tests/reporting), which follow from problems.
"""

import asyncio

import pytest

from tests.support.ads_client import CDS, ECDS, EDS, LDS, RDS, SDS
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane, cluster, site
from tests.support.route_table_annotations import annotated
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.problems.problem import ObjectRef, Problem
from xds.protocol.rejection.reports import REPORTS_PER_NODE_LIMIT
from xds.resources.names import RATE_LIMITS
from xds.snapshot.resource import ResourceType

WEB = cluster("web")
H2C = {"port": 80, "appProtocol": "kubernetes.io/h2c"}


def about(name: str) -> ObjectRef:
    return ObjectRef("Ingress", "default", name)


async def told(plane: Plane) -> list[Problem]:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        plane.pipeline.report_rejections(await plane.ads.rejection_reports())
    return plane.pipeline.problems


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
    await client.reject(CDS, name, message=f"Error adding/updating cluster(s) {name}: no")
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
    assert "proxies that accept it get it" in problem.message
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
