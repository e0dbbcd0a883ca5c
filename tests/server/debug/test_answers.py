"""The answers of the debug API about Ingresses, certificates, revisions, and the replica itself.

Covers: filters, pages, counts and what each figure means. Excludes: gRPC (test_service.py), the states of single
Ingresses (tests/explain), and peers (test_peers.py).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.debug_server import DebugServer, type_status
from tests.support.objects import (
    certificate,
    endpoint,
    ingress,
    ingress_class,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.api.v1 import debug_pb2 as pb
from xds.protocol.messages import Node
from xds.server.debug import status as status_of
from xds.server.debug.answers import Answers
from xds.server.debug.errors import InvalidRequestError, NotReadyError
from xds.snapshot.resource import ResourceType

PAIR = certificate("a.example.com")


@pytest.fixture
async def server() -> AsyncIterator[DebugServer]:
    async with DebugServer() as server:
        server.do(
            ingress_class(),
            service("web"),
            slice_of("web", endpoint("10.0.0.1")),
            service("empty"),
            secret("cert", PAIR),
            ingress("good", rule("a.example.com", path("/")), tls=[tls("a.example.com", secret="cert")], created=1),
            ingress("idle", rule("b.example.com", path("/shop", "empty")), created=3),
            ingress("half", rule("c.example.com", path("/"), path("/x", "bucket!")), created=2),
            ingress("none", rule("d.example.com", path("/", "bucket!")), ns="team"),
            ingress("other", rule("a.example.com", path("/")), class_name="nginx"),
        )
        yield server


async def names(answers: Answers, **fields: object) -> list[str]:
    response = await answers.list_ingresses(pb.ListIngressesRequest(**fields))  # type: ignore[arg-type]
    return [each.ingress.name for each in response.ingresses]


async def test_ingresses_are_listed_by_name_without_those_of_others(server: DebugServer) -> None:
    response = await server.answers.list_ingresses(pb.ListIngressesRequest())
    assert [(each.ingress.name, each.acceptance) for each in response.ingresses] == [
        ("good", pb.ACCEPTANCE_ACCEPTED),
        ("half", pb.ACCEPTANCE_PARTLY),
        ("idle", pb.ACCEPTANCE_ACCEPTED),
        ("none", pb.ACCEPTANCE_NOT_SERVED),
    ]
    assert response.total == 4
    assert not response.next_page_token
    assert response.counts == pb.IngressCounts(
        accepted=2, partly_accepted=1, not_served=1, not_ours=1, without_endpoints=1
    )


async def test_a_summary_has_hosts_with_https_parts_and_age(server: DebugServer) -> None:
    response = await server.answers.list_ingresses(pb.ListIngressesRequest())
    good, half, idle, _ = response.ingresses
    assert [(each.host, each.tls) for each in good.hosts] == [("a.example.com", True)]
    assert (good.class_name, good.units, good.unserved_units, good.errors) == ("envoy", 2, 0, 0)
    assert good.created_at.seconds > 0
    assert [(each.host, each.tls) for each in half.hosts] == [("c.example.com", False)]
    assert (half.units, half.unserved_units, half.errors) == (2, 1, 1)
    assert (idle.units, idle.units_without_endpoints) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"namespace": "team"}, ["none"]),
        ({"host": "B.Example.com"}, ["idle"]),
        ({"host": "example.com"}, []),
        ({"text": "SHOP b.exa"}, ["idle"]),
        ({"text": "cert"}, ["good"]),
        ({"text": "shop c.example"}, []),
        ({"states": [pb.ACCEPTANCE_NOT_OURS]}, ["other"]),
        ({"states": [pb.ACCEPTANCE_PARTLY, pb.ACCEPTANCE_NOT_SERVED]}, ["half", "none"]),
        ({"without_endpoints": True}, ["idle"]),
        ({"with_problems": True}, ["half", "none"]),
        ({"order": pb.INGRESS_ORDER_WORST}, ["none", "half", "idle", "good"]),
        ({"order": pb.INGRESS_ORDER_NEWEST}, ["idle", "half", "good", "none"]),
        ({"skip": 1, "page_size": 2}, ["half", "idle"]),
    ],
)
async def test_ingresses_are_filtered_and_ordered(
    server: DebugServer, fields: dict[str, object], expected: list[str]
) -> None:
    assert await names(server.answers, **fields) == expected


async def test_pages_hold_every_ingress_once(server: DebugServer) -> None:
    found, token = [], ""
    while True:
        request = pb.ListIngressesRequest(page_size=3, page_token=token)
        response = await server.answers.list_ingresses(request)
        found += [each.ingress.name for each in response.ingresses]
        if not (token := response.next_page_token):
            break
    assert found == ["good", "half", "idle", "none"]


@pytest.mark.parametrize(
    "request_", [pb.ListIngressesRequest(page_size=1001), pb.ListIngressesRequest(page_token="-1\n")]
)
async def test_a_page_that_cannot_be_is_an_invalid_request(
    server: DebugServer, request_: pb.ListIngressesRequest
) -> None:
    with pytest.raises(InvalidRequestError):
        await server.answers.list_ingresses(request_)


async def test_the_status_counts_ingresses_problems_and_certificates(server: DebugServer) -> None:
    status = await server.answers.get_status(pb.GetStatusRequest())
    assert (status.replica, status.snapshot.revision.number, status.source.current) == ("xds", 1, True)
    assert (status.ingresses.accepted, status.ingresses.not_served, status.problems.errors) == (2, 1, 2)
    assert status.next_certificate.secret.name == "cert"
    assert status.id


async def test_a_served_certificate_is_listed_with_its_hosts(server: DebugServer) -> None:
    response = await server.answers.list_certificates(pb.ListCertificatesRequest())
    (found,) = response.certificates
    assert (found.use, found.secret.name, list(found.names), list(found.hosts)) == (
        pb.CERTIFICATE_USE_SERVED,
        "cert",
        ["a.example.com"],
        ["a.example.com"],
    )
    assert found.not_after.seconds > found.not_before.seconds > 0


async def test_revisions_are_listed_newest_first_with_counts_by_type(server: DebugServer) -> None:
    server.do(slice_of("web", endpoint("10.0.0.2")))
    response = await server.answers.list_revisions(pb.ListRevisionsRequest())
    newest, first = response.revisions
    assert (newest.revision.number, first.revision.number) == (2, 1)
    assert [(each.type_url, each.changed) for each in newest.changes] == [(ResourceType.ENDPOINTS, 1)]
    assert sum(each.added for each in first.changes) > 5


async def test_before_the_first_snapshot_there_is_a_status_and_no_list() -> None:
    async with DebugServer() as server:
        with pytest.raises(NotReadyError):
            await server.answers.list_ingresses(pb.ListIngressesRequest())
        status = await server.answers.get_status(pb.GetStatusRequest())
        assert not status.HasField("snapshot")
        assert status.ingresses == pb.IngressCounts()


async def test_a_source_that_is_behind_is_not_current(server: DebugServer) -> None:
    behind = replace(server.process, behind_since=lambda: {"Ingress": 0.0, "Service": 1000.0})
    assert status_of.source(behind) == pb.Source(
        why="changes don't arrive of Service", behind_since=Timestamp(seconds=1000)
    )
    waiting = replace(server.process, waiting_for=lambda: "the API server")
    assert status_of.source(waiting).why == "not read yet: the API server"


async def test_the_status_counts_proxies_by_state(server: DebugServer) -> None:
    now, type_ = asyncio.get_running_loop().time(), ResourceType.CLUSTER
    server.connect(Node("a"), type_status(type_, now))
    server.connect(None)
    server.connect(Node("b"), type_status(type_, now - 6, in_flight=True))
    server.connect(Node("c"), type_status(type_, now, rejected_count=1))
    status = await server.answers.get_status(pb.GetStatusRequest())
    assert status.proxies == pb.ProxyCounts(connected=4, in_sync=1, behind=1, rejecting=1)


async def test_the_mark_differs_after_a_visible_change(server: DebugServer) -> None:
    seen = [server.answers.mark()]
    server.do(slice_of("web", endpoint("10.0.0.3")))
    seen.append(server.answers.mark())
    server.do(ingress("none", rule("d.example.com", path("/", "nothing")), ns="team"))
    seen.append(server.answers.mark())
    assert len(set(seen)) == 3
    assert server.answers.mark() == seen[-1]


async def test_a_cancelled_question_loses_no_change(server: DebugServer) -> None:
    await names(server.answers)
    server.do(*(ingress(f"new-{number}", rule(f"{number}.test", path("/"))) for number in range(50)))
    asked = asyncio.create_task(names(server.answers))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert len(await names(server.answers, text="new-")) == 50


async def test_questions_at_one_time_share_a_sweep_and_see_every_change(server: DebugServer) -> None:
    first = asyncio.create_task(names(server.answers))
    await asyncio.sleep(0)
    server.do(ingress("late", rule("late.test", path("/"))))
    found = await asyncio.gather(*(names(server.answers, text="late") for _ in range(5)))
    assert found == [["late"]] * 5
    await first
