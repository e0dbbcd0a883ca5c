"""Resources that real Envoys reject: their build goes back to the last good version, other resources go on, and a
problem is reported.

Covers a listener that can't bind, and for each other type a resource put into the snapshot past all checks, as no
object leads to one. Counts the messages: nothing loops. Excludes the sessions' part (tests/protocol).
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ads_client import CDS, ECDS, EDS, LDS, RDS, SDS, VHDS
from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.http import get
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane
from tests.support.route_table_annotations import annotated
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.envoyapi import codec
from xds.envoyapi.messages import LocalRateLimit
from xds.kube.objects import KubeObject
from xds.problems.problem import ObjectRef, Problem
from xds.protocol.messages import Variant
from xds.resources.options import ProxyOptions
from xds.server.debug.messages import ProxyStatus
from xds.snapshot.resource import Resource, ResourceType, resource

pytestmark = [needs_envoy, pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])]

INGRESS = ObjectRef("Ingress", "default", "bad")


def objects(port: int) -> tuple[KubeObject, ...]:
    hosts = ("good", "bad")
    return (
        *(ingress(name, rule(f"{name}.example", path("/", name))) for name in hosts),
        *map(service, hosts),
        *(slice_of(name, "127.0.0.1", ports=[port]) for name in hosts),
    )


@contextlib.asynccontextmanager
async def fleet(folder: Path, *, sotw: bool, port: int, http_port: int) -> AsyncIterator[tuple[Plane, Envoy]]:
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=http_port, https_port=free_port())
    async with (
        Plane(*objects(port), proxy=proxy) as plane,
        running_envoy(plane.address, folder, node="first", sotw=sotw) as envoy,
    ):
        yield plane, envoy


def rejects(plane: Plane, node: str, type_: ResourceType, name: str) -> bool:
    """Whether a connected proxy rejected exactly this resource of the type."""
    statuses = [each.stream for each in plane.ads.proxies() if each.stream.node and each.stream.node.id == node]
    types = [each for status in statuses for each in status.types if each.type is type_]
    return any(each.rejected_names == (name,) for each in types)


def is_sotw(status: ProxyStatus) -> bool:
    return status.stream.variant is Variant.SOTW


def quiet(plane: Plane, streams: int = 1) -> bool:
    statuses = list(plane.ads.proxies())
    types = [each for status in statuses for each in status.stream.types]
    return (
        len(statuses) == streams
        and all({CDS, LDS, RDS, EDS} <= {each.type for each in status.stream.types} for status in statuses)
        and all(VHDS in {each.type for each in status.stream.types} for status in statuses if not is_sotw(status))
        and all(each.settled for each in types)
    )


async def complaints(plane: Plane) -> list[Problem]:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        plane.pipeline.report_rejections(await plane.ads.rejection_reports())
    return [each for each in plane.pipeline.problems if each.reason == "RejectedByProxy"]


def pushes(plane: Plane) -> int:
    return sum(plane.metrics.streams.pushes.counts.values())


async def test_a_listener_on_a_port_in_use_is_a_problem_and_the_rest_is_served(tmp_path: Path, sotw: bool) -> None:
    """Clusters and endpoints still reach the proxy, and another proxy gets the listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with fleet(tmp_path, sotw=sotw, port=1, http_port=taken.getsockname()[1]) as (plane, envoy):
            await until(lambda: plane.metrics.streams.nacks.counts[LDS] == 1)
            (problem,) = await complaints(plane)
            assert (problem.object.kind, problem.object.name) == ("Listener", "http")
            assert "cannot bind" in problem.message
            assert "--http-port" in problem.remedy
            plane.apply(slice_of("good", "127.0.0.2", ports=[2]))
            await until(lambda: plane.status_of(EDS, "first").settled)
            assert await envoy.endpoints("default/good/80") == {"127.0.0.2:2": "HEALTHY"}
            assert not plane.last_good.names_on_trial(LDS)


def changed(plane: Plane, type_: ResourceType, name: str) -> Resource:
    """A version of the resource that Envoy rejects."""
    body = plane.pipeline.store.resources(type_)[name].body
    message: Any = codec.upb(codec.decode(type_.message, body))
    copy = type(message)()
    copy.CopyFrom(message)
    match type_:
        case ResourceType.CLUSTER:
            copy.ClearField("eds_cluster_config")
            copy.type = 0  # STATIC: only DNS would make something of a name
            copy.load_assignment.cluster_name = name
            endpoint = copy.load_assignment.endpoints.add().lb_endpoints.add().endpoint
            endpoint.address.socket_address.address = "not-an-address"
            endpoint.address.socket_address.port_value = 1
        case ResourceType.ENDPOINTS:
            locality = copy.endpoints[0].lb_endpoints[0]
            locality.endpoint.address.socket_address.address = "not-an-address"
        case ResourceType.EXTENSION:
            config: Any = codec.upb(codec.decode(LocalRateLimit, copy.typed_config.value))
            config.descriptors.append(config.descriptors[0])
            copy.typed_config.value = config.SerializeToString(deterministic=True)
        case ResourceType.VIRTUAL_HOST:
            copy.routes[0].match.safe_regex.regex = "("
    return resource(type_, name, copy.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    ("type_", "name"),
    [(CDS, "default/bad/80"), (EDS, "default/bad/80"), (ECDS, "rate-limits@1"), (VHDS, "http@3/bad.example")],
    ids=["cds", "eds", "ecds", "vhds"],
)
async def test_a_rejection_returns_the_fleet_to_the_last_good_version(
    tmp_path: Path, sotw: bool, type_: ResourceType, name: str
) -> None:
    http_port = free_port()
    async with echo("backend") as port, fleet(tmp_path, sotw=sotw, port=port, http_port=http_port) as (plane, envoy):
        plane.apply(ingress("bad", rule("bad.example", path("/", "bad")), annotations=annotated(limit_rps="100")))
        await envoy.until_ready()
        await until(lambda: quiet(plane))
        good = plane.pipeline.store.resources(type_)[name]
        sent_as, sent_name = (RDS, "http@3") if sotw and type_ is VHDS else (type_, name)
        before = pushes(plane)
        plane.commit({(type_, name): changed(plane, type_, name)})
        await until(lambda: plane.status_of(sent_as, "first").rejected_names == (sent_name,) and quiet(plane))
        (problem,) = await complaints(plane)
        assert problem.object == INGRESS
        assert "last good version" in problem.message
        assert plane.last_good.served.resources(type_)[name] is good
        plane.apply(slice_of("good", "127.0.0.1", ports=[port], name="more"))
        await until(lambda: quiet(plane))
        for host in ("good.example", "bad.example"):
            assert (await get(http_port, host)).status == 200
        async with running_envoy(plane.address, tmp_path, node="second", sotw=sotw):
            await until(lambda: rejects(plane, "second", sent_as, sent_name) and quiet(plane, 2))
        sent = pushes(plane) - before
        await asyncio.sleep(2)  # nothing must come: there is no event to wait for
        assert pushes(plane) - before == sent
        assert sent < 25
        plane.commit({(type_, name): good})
        assert await complaints(plane) == []


def with_the_key_of_another(plane: Plane) -> Resource:
    """The Secret of the Ingress `bad`, with a key that doesn't match."""
    message: Any = codec.upb(codec.decode(SDS.message, plane.pipeline.store.resources(SDS)[SECRET].body))
    copy = type(message)()
    copy.CopyFrom(message)
    copy.tls_certificate.private_key.inline_bytes = certificate("other.example").key
    return resource(SDS, SECRET, copy.SerializeToString(deterministic=True))


SECRET = "default/cert"

WITH_TLS = (
    ingress("bad", rule("bad.example", path("/", "bad")), tls=[tls("bad.example", secret="cert")]),
    secret("cert"),
)


async def test_a_rejected_certificate_returns_to_the_last_good_version(tmp_path: Path, sotw: bool) -> None:
    http_port = free_port()
    async with echo("backend") as port, fleet(tmp_path, sotw=sotw, port=port, http_port=http_port) as (plane, envoy):
        plane.apply(*WITH_TLS)
        await envoy.until_ready()
        await until(lambda: plane.asked(SDS) > set() and quiet(plane))
        good = plane.pipeline.store.resources(SDS)[SECRET]
        before = pushes(plane)
        plane.commit({(SDS, SECRET): with_the_key_of_another(plane)})
        await until(lambda: plane.status_of(SDS, "first").rejected_names == (SECRET,) and quiet(plane))
        (problem,) = await complaints(plane)
        assert problem.object == INGRESS
        assert "PRIVATE KEY" not in problem.message
        async with running_envoy(plane.address, tmp_path, node="second", sotw=sotw):
            await until(lambda: quiet(plane, 2) and len(plane.status("second").types) == (6 if sotw else 7))
            await until(lambda: rejects(plane, "second", SDS, SECRET) and quiet(plane, 2))
        assert plane.last_good.served.resources(SDS)[SECRET] is good
        assert (await get(http_port, "bad.example")).status == 200
        assert pushes(plane) - before < 25


async def test_a_rejected_certificate_without_a_good_version_costs_only_its_host(tmp_path: Path, sotw: bool) -> None:
    """No proxy waits for the certificate: HTTP is served, by new proxies too, and the Ingress has a problem."""
    http_port = free_port()
    async with echo("backend") as port, fleet(tmp_path, sotw=sotw, port=port, http_port=http_port) as (plane, _):
        plane.apply(*WITH_TLS)
        plane.commit({(SDS, SECRET): with_the_key_of_another(plane)})
        await until(lambda: rejects(plane, "first", SDS, SECRET))
        assert SECRET in plane.last_good.withdrawn(SDS)
        (problem,) = await complaints(plane)
        assert problem.object == INGRESS
        assert "left out" in problem.message
        async with running_envoy(plane.address, tmp_path, node="second", sotw=sotw) as second:
            await until(lambda: len(list(plane.ads.proxies())) == 2)
            await second.until_ready()
            await until(lambda: quiet(plane, 2))
            assert (await get(http_port, "good.example")).status == 200
            await until(lambda: rejects(plane, "second", SDS, SECRET) and quiet(plane, 2))
        plane.apply(secret("cert", certificate("bad.example")))
        await until(lambda: SECRET not in plane.last_good.withdrawn(SDS) and quiet(plane))
        assert await complaints(plane) == []
