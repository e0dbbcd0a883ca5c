"""Status, Events and the Lease in a real API server.

Covers: two candidates for the Lease, each a process, with the API server paused and the holder killed; two replicas of
`xds serve`: the status written once, Events as `kubectl describe` shows them, recovery, the Lease given up; an Event of
a class. Excludes: the state machines behind it (tests/reporting), rights (test_manifests.py).
"""

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.support.cluster import Cluster
from tests.support.cluster.control_plane import _trusting
from xds.kube.ingress_class import CONTROLLER, DEFAULT_CLASS_ANNOTATION
from xds.reporting.election import TERMS
from xds.reporting.lease import boot_time

ADDRESS = "198.51.100.7"

ENOUGH = 30
"""Times that a candidate was sure to lead, enough to catch two leaders at once."""


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-m", *command], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@dataclass
class Candidate:
    name: str
    process: subprocess.Popen[bytes]
    file: Path

    @property
    def times(self) -> list[float]:
        """The times at which the candidate led."""
        return [float(line) for line in self.file.read_text().split()] if self.file.exists() else []

    def leads(self) -> bool:
        return bool(self.times) and self.times[-1] > boot_time() - 0.3

    def led(self, since: float) -> int:
        return sum(at > since for at in self.times)


async def history(cluster: Cluster, path: str, version: str) -> list[dict[str, Any]]:
    """Every state of a collection's objects since the version, in the API server's order."""
    query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"}
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {cluster.token}"}) as session,
        session.get(cluster.server + path, params=query, ssl=_trusting(cluster.ca)) as answer,
    ):
        return [json.loads(line)["object"] async for line in answer.content]


def switches(writers: list[str]) -> int:
    return sum(before != after for before, after in itertools.pairwise(writers))


async def test_a_paused_api_server_and_a_killed_holder(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    created = await cluster.request("POST", maps, {"metadata": {"name": "written"}})
    with contextlib.ExitStack() as stack:
        candidates = []
        for name in ("a", "b"):
            file = tmp_path / f"{name}.times"
            arguments = (str(cluster.kubeconfig), namespace, "test", "written", str(file))
            command = ("tests.support.elector", *arguments)
            candidates.append(
                Candidate(name, stack.enter_context(process(*command, log=tmp_path / f"{name}.log")), file)
            )
        await until(lambda: any(each.led(0) > ENOUGH for each in candidates))
        paused_at = boot_time()
        cluster.apiserver.pause()
        await asyncio.sleep(20)  # the length of the outage, not a wait
        assert not any(each.leads() for each in candidates)
        last = max(each.times[-1] for each in candidates if each.times)
        assert last - paused_at < TERMS.deadline
        resumed_at = boot_time()
        cluster.apiserver.resume()
        await until(lambda: any(each.leads() for each in candidates))
        print(
            f"API server paused for 20 s: the holder stopped {last - paused_at:.1f} s after that, "
            f"and one led again {boot_time() - resumed_at:.1f} s after the pause"
        )
        await until(lambda: any(each.led(resumed_at) > ENOUGH for each in candidates))
        [leader] = [each for each in candidates if each.leads()]
        [other] = [each for each in candidates if each is not leader]
        killed_at = boot_time()
        leader.process.kill()
        await until(other.leads)
        await until(lambda: other.led(killed_at) > ENOUGH)
        print(
            f"holder killed: the other led {next(at for at in other.times if at > killed_at) - killed_at:.1f} s later"
        )
        given_up_at = boot_time()
        other.process.send_signal(signal.SIGTERM)
        await until(lambda: other.process.poll() is not None)
        lease = await cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/test")
        assert "holderIdentity" not in lease["spec"]
        print(f"holder ended by SIGTERM: the Lease given up {boot_time() - given_up_at:.1f} s later")
    led = sorted((at, each.name) for each in candidates for at in each.times)
    written = await history(cluster, maps, created["metadata"]["resourceVersion"])
    writers = [each["data"]["writer"] for each in written if each["metadata"]["name"] == "written"]
    print(
        f"{len(led)} times sure to lead, {len(writers)} writes, "
        f"{switches([name for _, name in led])} and {switches(writers)} changes of the writer"
    )
    assert 1 <= switches([name for _, name in led]) <= 2
    assert switches(writers) == switches([name for _, name in led])


@dataclass
class Replica:
    """`xds serve`, with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in found if each["event"] == event]


@pytest.fixture
async def replicas(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[list[Replica]]:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    serve = ["xds", "serve", f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", "--log-format=json"]
    serve += ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--ui=off", f"--publish-service={namespace}/envoy"]
    with contextlib.ExitStack() as stack:
        logs = [tmp_path / f"{number}.log" for number in range(2)]
        yield [Replica(stack.enter_context(process(*serve, log=log)), log) for log in logs]


def ingress(namespace: str, name: str, service: str, ingress_class: str = "envoy") -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": f"{name}.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ingressClassName": ingress_class, "rules": [rule]},
    }


def service(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    spec = {"ports": [{"port": 80}], **spec}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def set_address(cluster: Cluster, namespace: str, *addresses: str) -> None:
    entries = [{"ip": each} for each in addresses]
    path = f"/api/v1/namespaces/{namespace}/services/envoy/status"
    await cluster.request("PATCH", path, {"status": {"loadBalancer": {"ingress": entries}}})


def addresses(found: Any) -> list[str]:
    return [each["ip"] for each in found["status"]["loadBalancer"].get("ingress", [])]


def of_typo(events: Any) -> list[Any]:
    """Events of other Ingresses may exist: an Ingress can be seen a moment before its Service."""
    return [each for each in events["items"] if each["regarding"]["name"] == "typo"]


async def test_two_replicas_report_once(cluster: Cluster, namespace: str, replicas: list[Replica]) -> None:
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
    events = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    await cluster.apply(service(namespace, "envoy", type="LoadBalancer"), service(namespace, "web"))
    await set_address(cluster, namespace, ADDRESS)
    others = ingress(namespace, "others", "web", "nginx")
    await cluster.apply(ingress(namespace, "web", "web"), ingress(namespace, "typo", "wbe"), others)
    await cluster.request(
        "PATCH", f"{ingresses}/others/status", {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
    )
    web = await cluster.until(f"{ingresses}/web", lambda found: addresses(found) == [ADDRESS])
    await cluster.until(events, lambda found: len(of_typo(found)) == 1)

    described = await cluster.kubectl("describe", "ingress", "typo", "-n", namespace)
    print(described[described.index("Events:") :])
    assert ADDRESS in described
    assert "Warning  BackendNotFound" in described
    assert f"Service '{namespace}/wbe' doesn't exist" in described

    await until(lambda: any(each.logged("lease_acquired") for each in replicas))
    await until(lambda: all(each.logged("revision_committed") for each in replicas))
    [holder] = [each for each in replicas if each.logged("lease_acquired")]
    [other] = [each for each in replicas if each is not holder]
    await until(lambda: other.logged("lease_held_by_another"))
    started = time.monotonic()
    holder.process.terminate()
    await until(lambda: other.logged("lease_acquired"))
    print(f"SIGTERM to the holder: the other led {time.monotonic() - started:.1f} s later")
    await until(lambda: holder.process.poll() is not None)
    assert holder.process.returncode == 0
    assert holder.logged("lease_released")

    await cluster.apply(service(namespace, "wbe"))
    found = of_typo(await cluster.until(events, lambda found: len(of_typo(found)) == 2))
    assert sorted((each["type"], each["reason"]) for each in found) == [
        ("Normal", "Resolved"),
        ("Warning", "BackendNotFound"),
    ]
    assert not any(each.get("series") for each in found)
    described = await cluster.kubectl("describe", "ingress", "typo", "-n", namespace)
    print(described[described.index("Events:") :])
    assert "Resolved" in described

    again = await cluster.get(f"{ingresses}/web")
    assert again["metadata"]["resourceVersion"] == web["metadata"]["resourceVersion"]
    assert sorted(each["ingress"] for each in holder.logged("status_written")) == [
        f"{namespace}/typo",
        f"{namespace}/web",
    ]
    assert not other.logged("status_written")

    await set_address(cluster, namespace, "198.51.100.8")
    await cluster.until(f"{ingresses}/web", lambda found: addresses(found) == ["198.51.100.8"])
    await cluster.apply(ingress(namespace, "web", "web", "nginx"))
    await cluster.until(f"{ingresses}/web", lambda found: addresses(found) == [])
    assert addresses(await cluster.get(f"{ingresses}/others")) == [ADDRESS]


async def test_a_turned_class_has_an_event(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The API server forbids edits of the controller, but a class can lose the annotation of the default class."""
    name, classes = f"edge-{namespace}", "/apis/networking.k8s.io/v1/ingressclasses"
    classless = ingress(namespace, "web", "web")
    del classless["spec"]["ingressClassName"]
    await cluster.apply(service(namespace, "web"), classless)
    metadata = {"name": name, "annotations": {DEFAULT_CLASS_ANNOTATION: "true"}}
    await cluster.request("POST", classes, {"metadata": metadata, "spec": {"controller": CONTROLLER}})
    serve = ["xds", "serve", f"--kubeconfig={cluster.kubeconfig}", f"--namespace={namespace}", "--namespace=default"]
    serve += [
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--ui=off",
        "--log-format=json",
        f"--publish-address={ADDRESS}",
    ]
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/web"
    with process(*serve, log=tmp_path / "log") as running:
        await cluster.until(path, lambda found: addresses(found) == [ADDRESS])
        await cluster.request(
            "PATCH", f"{classes}/{name}", {"metadata": {"annotations": {DEFAULT_CLASS_ANNOTATION: ""}}}
        )
        events = "/apis/events.k8s.io/v1/namespaces/default/events"
        await cluster.until(events, lambda found: reasons(found, name) == ["WithdrawalHeld"])
        described = await cluster.kubectl("describe", "ingressclass", name)
        print(described[described.index("Events:") :])
        assert "turned away Ingresses" in " ".join(described.split())
        assert addresses(await cluster.get(path)) == [ADDRESS]
        await cluster.request("DELETE", f"{classes}/{name}")
        await cluster.until(path, lambda found: addresses(found) == [])
        assert not Replica(running, tmp_path / "log").logged("events_unavailable")


def reasons(events: Any, name: str) -> list[str]:
    return [each["reason"] for each in events["items"] if each["regarding"]["name"] == name]
