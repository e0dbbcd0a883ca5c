"""kill -9 under load: no request fails, a proxy that reconnects receives nothing, and the next change arrives.

Covers: the API server, etcd, a lone control plane, control plane and API server together, one of two replicas in turn;
and a replica that slept while half of the objects were deleted, until it had to list again. Excludes: stale watches in
every form (test_source.py), the Lease (test_report.py). Measurements are printed (`pytest -s`), and nothing asserts a
time. Outages last 5 s, or XDS_OUTAGE_SECONDS.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.cluster import Cluster, Part
from tests.support.cluster.balancer import balancer
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica, following
from tests.support.cluster.traffic import PORT, Load, Pods, ingress, load, pods_of
from tests.support.envoy import needs_envoy, running_envoy

SECONDS = float(os.environ.get("XDS_OUTAGE_SECONDS", "5"))
ROUNDS = 4

pytestmark = [needs_envoy, pytest.mark.timeout(120 + 5 * SECONDS)]


@dataclass(slots=True)
class Fleet:
    """Two replicas, of which the second runs later; an Envoy behind a balancer; pods; clients."""

    cluster: Cluster
    namespace: str
    replicas: tuple[Replica, Replica]
    proxy: str
    pods: Pods
    load: Load

    async def change(self) -> str:
        """A new Ingress is served, and a new pod gets requests. Returns how soon."""
        pod = await self.pods.start()
        ingresses = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/ingresses"
        await self.cluster.request("POST", ingresses, ingress(self.namespace, pod.name, f"{pod.name}.test"))
        began = time.monotonic()
        arriving = (self.until_served(f"{pod.name}.test"), self.load.until_answered_by(pod))
        served, answered = [at - began for at in await asyncio.gather(*arriving)]
        return f"a new Ingress was served after {max(served, 0):.1f} s, a new pod after {max(answered, 0):.1f} s"

    async def until_served(self, host: str) -> float:
        """Wait until the host answers 200. Returns the time (`time.monotonic`)."""
        async with asyncio.timeout(60):
            while await self.answer(host) != 200:
                await asyncio.sleep(0.01)
        return time.monotonic()

    async def answer(self, host: str) -> int:
        """The status of a request to the host."""
        async with (
            aiohttp.ClientSession(headers={"Host": host}) as session,
            session.get(f"http://{self.proxy}:{PORT}/") as answer,
        ):
            return answer.status

    def tell(self, what: str) -> None:
        print(f"{what}: {self.load.sent} requests sent, {len(self.load.failed)} failed")


@pytest.fixture
async def fleet(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    proxy = own_address()
    a, b = (Replica(following(cluster, namespace), tmp_path / f"{name}.log", proxy) for name in "ab")
    async with contextlib.AsyncExitStack() as stack:
        pods, running = await stack.enter_async_context(pods_of(cluster, namespace, 2))
        for replica in (a, b):
            stack.push_async_callback(replica.kill)
        await a.start()
        address = await stack.enter_async_context(balancer(a.listen, b.listen))
        envoy = await stack.enter_async_context(running_envoy(address, tmp_path))
        await envoy.until_ready()
        clients = await stack.enter_async_context(load(proxy))
        await asyncio.gather(*map(clients.until_answered_by, running))
        fleet = Fleet(cluster, namespace, (a, b), proxy, pods, clients)
        await fleet.change()
        print()
        yield fleet


async def until_it_has_a_proxy(replica: Replica) -> float:
    """Returns the seconds of the wait."""
    began = time.monotonic()
    while not await replica.has_a_proxy():
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def outage() -> None:
    await asyncio.sleep(SECONDS)  # the length of the outage, not a wait


def more(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {type_: count - before.get(type_, 0) for type_, count in after.items() if count != before.get(type_, 0)}


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
async def test_the_api_server_or_etcd_is_killed(fleet: Fleet, name: str) -> None:
    replica, _ = fleet.replicas
    part: Part = next(part for part in fleet.cluster.parts if part.name == name)
    before = await replica.pushes()
    await part.kill()
    await outage()
    assert await replica.has_a_proxy()
    await fleet.cluster.start()
    pushed = more(before, await replica.pushes())
    took = await fleet.change()
    fleet.tell(f"{name} killed for {SECONDS:.0f} s")
    print(f"sent to the proxy meanwhile: {pushed or 'nothing'}; {took}")
    assert not pushed
    assert not fleet.load.failed


async def test_the_control_plane_is_killed(fleet: Fleet) -> None:
    replica, _ = fleet.replicas
    for number in range(ROUNDS):
        await replica.kill()
        if number == 0:
            await outage()
        await replica.start()
        reconnected = await until_it_has_a_proxy(replica)
        pushed = await replica.pushes()
        took = await fleet.change()
        fleet.tell(f"xds serve killed for {SECONDS if number == 0 else 0:.0f} s and started")
        print(f"the proxy came back {reconnected:.1f} s after it was ready; sent to it: {pushed or 'nothing'}; {took}")
        assert not pushed
        assert set(await replica.pushes()) == {"eds", "vhds"}
    assert not fleet.load.failed


async def test_a_control_plane_starts_while_the_api_server_is_away(fleet: Fleet) -> None:
    replica, _ = fleet.replicas
    await fleet.cluster.apiserver.kill()
    await replica.kill()
    replica.spawn()
    await outage()
    await fleet.cluster.start()
    await replica.until_ready()
    await until_it_has_a_proxy(replica)
    pushed = await replica.pushes()
    took = await fleet.change()
    fleet.tell(f"API server killed for {SECONDS:.0f} s, xds serve killed and started meanwhile")
    print(f"sent to the proxy: {pushed or 'nothing'}; {took}")
    assert not pushed
    assert set(await replica.pushes()) == {"eds", "vhds"}
    assert not fleet.load.failed


async def test_two_replicas_are_killed_in_turn(fleet: Fleet) -> None:
    serving, other = fleet.replicas
    for _ in range(ROUNDS):
        await other.start()
        before = await other.pushes()
        await serving.kill()
        moved = await until_it_has_a_proxy(other)
        pushed = more(before, await other.pushes())
        took = await fleet.change()
        fleet.tell("one of two replicas killed")
        print(f"the proxy was with the other {moved:.1f} s later; sent to it: {pushed or 'nothing'}; {took}")
        assert not pushed
        assert set(more(before, await other.pushes())) == {"eds", "vhds"}
        serving, other = other, serving
    assert not fleet.load.failed


async def test_a_replica_behind_a_compaction_ends_like_a_fresh_start(fleet: Fleet) -> None:
    replica, fresh = fleet.replicas
    names = [f"more-{number}" for number in range(20)]
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{fleet.namespace}/ingresses"
    for name in names:
        await fleet.cluster.request("POST", ingresses, ingress(fleet.namespace, name, f"{name}.test"))
    await asyncio.gather(*(fleet.until_served(f"{name}.test") for name in names))
    await fleet.cluster.apiserver.kill()  # a live stream would hold the events until the replica awakes
    replica.pause()
    await fleet.cluster.start()
    gone, kept = names[::2], names[1::2]
    for name in gone:
        await fleet.cluster.request("DELETE", f"{ingresses}/{name}")
    await fleet.cluster.compact()
    await fleet.cluster.apiserver.kill()
    await fleet.cluster.start()
    await fresh.start()
    expected = await fresh.versions()
    replica.resume()
    while await replica.versions() != expected or not await replica.has_a_proxy():
        await asyncio.sleep(0.02)
    took = await fleet.change()
    fleet.tell("lists after an outage, beyond a compaction, half of the Ingresses gone")
    print(f"the same {len(expected)} versions as of a fresh start; {took}")
    assert [await fleet.answer(f"{name}.test") for name in (*gone, *kept)] == [404] * len(gone) + [200] * len(kept)
    assert await replica.versions() == await fresh.versions()
    assert not fleet.load.failed
