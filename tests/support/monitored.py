"""`make demo` with Prometheus and Alertmanager, beside two replicas on a real API server if the machine has one."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.authority import DAY, Authority, SecretMount
from tests.support.cluster import cluster as control_plane
from tests.support.cluster.assets import missing
from tests.support.cluster.replica import Replica
from tests.support.debian import program
from tests.support.demo import Demo
from tests.support.prometheus import Prometheus
from tests.support.short_rules import shortened

FIRING_LIMIT_SECONDS: Final = 150
"""Until a wait for an alert fails. A proxy counts as stuck after 70 s: twice ACK_DEADLINE_SECONDS, with a restart."""

NAMESPACE: Final = "real-api-server"
"""The label of the replicas that read a real API server."""


class Monitored:
    """The demo, its Prometheus with shortened rules, and its Alertmanager.

    Attributes:
        replicas: Those on a real API server, the leader first; empty on a machine without one.
    """

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.replicas: list[Replica] = []
        self.prometheus = Prometheus(self._printed("prometheus"))
        self.folder = demo.manifests.parent / "monitoring"
        self._alertmanager = self._printed("alertmanager")

    def shorten(self) -> None:
        """Divide the rules' durations."""
        rules = self.folder / "rules.yaml"
        rules.write_text(shortened(rules.read_text()))
        [pid] = [pid for pid, command in self.demo.processes().items() if "prometheus.json" in command]
        os.kill(pid, signal.SIGHUP)

    def add_target(self, address: str, pod: str) -> None:
        targets = self.folder / "targets.json"
        labels = {"job": "xds-ingress", "__metrics_path__": "/metrics", "namespace": NAMESPACE, "pod": pod}
        more = [*json.loads(targets.read_text()), {"targets": [address], "labels": labels}]
        unfinished = targets.with_suffix(".new")
        unfinished.write_text(json.dumps(more))
        unfinished.replace(targets)

    async def until_firing(self, alert: str, **labels: str) -> None:
        """Wait until Prometheus and Alertmanager have the alert."""
        await self._until(alert, labels, firing=True)

    async def until_ended(self, alert: str, **labels: str) -> None:
        """Wait until neither has the alert."""
        await self._until(alert, labels, firing=False)

    async def _until(self, alert: str, labels: Mapping[str, str], *, firing: bool) -> None:
        deadline = time.monotonic() + FIRING_LIMIT_SECONDS
        while await asyncio.to_thread(self._seen, alert, labels) != (firing, firing):
            assert time.monotonic() < deadline, (alert, labels, firing, self.prometheus.firing())
            await asyncio.sleep(0.5)

    def _seen(self, alert: str, labels: Mapping[str, str]) -> tuple[bool, bool]:
        """Whether Prometheus, and Alertmanager, have a firing alert with these labels."""
        matching = [each for each in self.prometheus.firing().get(alert, ()) if labels.items() <= each.items()]
        return bool(matching), bool(self.amtool("alert", "query", f"alertname={alert}", *_matchers(labels)))

    def amtool(self, *arguments: str) -> list[Any]:
        """The JSON that amtool prints about the Alertmanager."""
        command = [program("amtool"), *arguments, f"--alertmanager.url={self._alertmanager}", "--output=json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
        return list(json.loads(done.stdout))

    def _printed(self, name: str) -> str:
        [url] = re.findall(rf"^ +{name}: (\S+)$", self.demo.output, re.MULTILINE)
        return str(url)


def _matchers(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in labels.items()]


@contextlib.asynccontextmanager
async def monitored(folder: Path) -> AsyncIterator[Monitored]:
    """The demo, as soon as its tour begins, and the replicas."""
    demo = Demo(folder, DEMO_MONITORING="1")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(demo.stop)
        starting = asyncio.create_task(stack.enter_async_context(_replicas(folder)))
        await asyncio.to_thread(demo.wait_for, "Ready after")
        running = Monitored(demo)
        running.shorten()
        running.replicas = await starting
        for number, replica in enumerate(running.replicas):
            running.add_target(replica.admin, f"replica-{number}")
        yield running


@contextlib.asynccontextmanager
async def _replicas(folder: Path) -> AsyncIterator[list[Replica]]:
    """Two control planes with mutual TLS on a real API server; the first one leads."""
    if missing():
        yield []
        return
    async with control_plane(folder / "cluster") as cluster:
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = NAMESPACE
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        files = SecretMount(folder / "tls", Authority(ends=400 * DAY).issue("control-plane.example", ends=300 * DAY))
        source: list[str | Path] = ["--kubeconfig", kubeconfig, "--namespace", NAMESPACE, *files.server_flags]
        replicas = [Replica(source, folder / f"replica-{number}.log", "127.0.0.1") for number in range(2)]
        try:
            await replicas[0].start()
            await cluster.until(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases", _is_held)
            await replicas[1].start()
            yield replicas
        finally:
            for replica in replicas:
                await replica.kill()


def _is_held(leases: Any) -> bool:
    return any(each["spec"].get("holderIdentity") for each in leases["items"])
