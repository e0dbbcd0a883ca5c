"""Pods come and go under load: failed requests, and the time until a new pod gets requests.

Covers: the real EndpointSlice controller, the real `xds serve`, a real Envoy; a rolling update of a Deployment, pod by
pod, and one where all old pods terminate while no new one is ready. Excludes: the kubelet, so that the test decides
when a pod is ready and when a pod ends; outages (test_outages.py). Times are printed (`pytest -s`), and nothing asserts
a time.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, Pod
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica, following
from tests.support.cluster.traffic import Load, Pods, load, pods_of
from tests.support.envoy import needs_envoy, running_envoy
from tests.support.waiting import until

pytestmark = needs_envoy

REPLICAS = 4
NEW = 24
PRE_STOP = 2.0
"""Seconds for which a terminating pod still serves: less than half of a usual preStop hook."""


@dataclass(slots=True)
class Rollout:
    pods: Pods
    running: list[Pod]
    load: Load


@pytest.fixture
async def rollout(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Rollout]:
    proxy = own_address()
    replica = Replica(following(cluster, namespace), tmp_path / "xds.log", proxy)
    async with contextlib.AsyncExitStack() as stack:
        pods, running = await stack.enter_async_context(pods_of(cluster, namespace, REPLICAS))
        stack.push_async_callback(replica.kill)
        await replica.start()
        envoy = await stack.enter_async_context(running_envoy(replica.listen, tmp_path))
        await envoy.until_ready()
        clients = await stack.enter_async_context(load(proxy))
        await asyncio.gather(*map(clients.until_answered_by, running))
        yield Rollout(pods, running, clients)


async def retire(rollout: Rollout, pod: Pod) -> float:
    """Terminate a pod as the kubelet does. Returns the seconds from its deletion to its last request."""
    began = time.monotonic()
    await pod.terminate()
    await asyncio.sleep(PRE_STOP)  # the length of the hook, not a wait
    await rollout.pods.end(pod)
    return max(rollout.load.last[pod.name] - began, 0)


def summary(times: list[float]) -> str:
    return f"median {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms"


async def test_pods_come_and_go(rollout: Rollout) -> None:
    to_first, retiring = list[float](), list[asyncio.Task[float]]()
    for _ in range(NEW):
        pod = await rollout.pods.started()
        ready_at = time.monotonic()
        await pod.set_ready(True)
        to_first.append(await rollout.load.until_answered_by(pod) - ready_at)
        rollout.running.append(pod)
        retiring.append(asyncio.create_task(retire(rollout, rollout.running.pop(0))))
    to_last = await asyncio.gather(*retiring)
    print(
        f"\n{NEW} pods came, {len(to_last)} went: {rollout.load.sent} requests sent, {len(rollout.load.failed)} failed"
    )
    print(f"a pod's Ready to its first request: {summary(to_first)}")
    print(f"a pod's deletion to its last request: {summary(to_last)}")
    assert not rollout.load.failed


async def test_old_pods_terminate_before_a_new_pod_is_ready(rollout: Rollout) -> None:
    old = list(rollout.running)
    await asyncio.gather(*(pod.terminate() for pod in old))
    noted = time.monotonic()
    new = [await rollout.pods.started() for _ in range(REPLICAS)]
    await until(lambda: all(rollout.load.last[pod.name] > noted for pod in old))  # only terminating pods serve
    await asyncio.gather(*(pod.set_ready(True) for pod in new))
    await asyncio.gather(*map(rollout.load.until_answered_by, new))
    await asyncio.gather(*map(rollout.pods.end, old))
    print(f"\nall pods terminated at once: {rollout.load.sent} requests sent, {len(rollout.load.failed)} failed")
    assert not rollout.load.failed
