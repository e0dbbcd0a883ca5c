"""The switch from ingress-nginx, step by step as in docs/migrate-from-ingress-nginx.md, and back, under load.

Covers: both controllers on the same Ingresses of a real API server, a real Envoy behind the new one, statuses, clients
that follow the published address as DNS does, the removal of the old controller's objects. Excludes: ingress-nginx. It
is played by a second `xds serve` with the controller name of ingress-nginx, so nothing here compares answers: that is
what tests/rows does. External DNS is played by a task that reads the status.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import yaml

from tests.support.cluster import Cluster
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica
from tests.support.cluster.traffic import HOST, NAME, PORT, Load, ingress, load, pods_of
from tests.support.envoy import needs_envoy, running_envoy
from tests.support.waiting import until

pytestmark = needs_envoy

OLD_CONTROLLER: Final = "k8s.io/ingress-nginx"
CLASSES: Final = "/apis/networking.k8s.io/v1/ingressclasses"
TTL_SECONDS: Final = 1.0
"""Of the record that clients follow."""


@dataclass(slots=True)
class Controller:
    """A controller with an Envoy, which stays when the controller is started again with other flags."""

    flags: tuple[str, ...]
    folder: Path
    proxy: str = field(default_factory=own_address)
    replica: Replica | None = None

    async def start(self, *more: str) -> Replica:
        """Start anew, with some flags more."""
        before = self.replica
        if before:
            await before.stop()
        log = self.folder / "serve.log"
        self.replica = Replica((*self.flags, *more), log, self.proxy, before.host if before else None)
        await self.replica.start()
        return self.replica

    async def end(self) -> None:
        if self.replica:
            await self.replica.kill()


@dataclass(slots=True)
class Switch:
    """The situation before the switch: the old controller serves, and clients send requests to its address."""

    cluster: Cluster
    path: str
    old: Controller
    new: Controller
    clients: Load

    async def published(self) -> list[str]:
        found = await self.cluster.get(self.path)
        return [each["ip"] for each in found["status"]["loadBalancer"].get("ingress", [])]

    async def follow(self) -> None:
        """Send requests to the published address, as clients of external-dns do."""
        while True:
            if found := await self.published():
                self.clients.url = f"http://{found[0]}:{PORT}/"
            await asyncio.sleep(TTL_SECONDS)

    async def until_requests_go_to(self, controller: Controller) -> None:
        await self.cluster.until(self.path, lambda found: _addresses(found) == [controller.proxy])
        await until(lambda: f"//{controller.proxy}:" in self.clients.url)
        sent = self.clients.sent
        await until(lambda: self.clients.sent > sent + 200)

    async def move(self, source: Controller, target: Controller) -> None:
        """Let one controller leave statuses alone, and the other one write its own address."""
        await source.start()
        assert await self.published() == [source.proxy]
        await target.start(f"--publish-address={target.proxy}")
        await self.until_requests_go_to(target)


def _addresses(found: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [each["ip"] for each in found["status"]["loadBalancer"].get("ingress", [])]


@pytest.fixture
async def switch(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Switch]:
    class_name = f"nginx-{namespace}"
    await cluster.request("POST", CLASSES, {"metadata": {"name": class_name}, "spec": {"controller": OLD_CONTROLLER}})
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(pods_of(cluster, namespace, 2))
        made = ingress(namespace, NAME, HOST)
        made["spec"]["ingressClassName"] = class_name
        await cluster.apply(made)
        # Each has a Lease of its own, as ingress-nginx and xds-ingress have.
        of_class = (f"--namespace={namespace}", f"--ingress-class={class_name}", f"--controller-name={OLD_CONTROLLER}")
        controllers = []
        for name, lease_namespace in (("old", namespace), ("new", "default")):
            folder = tmp_path / name
            folder.mkdir()
            config = yaml.safe_load(cluster.kubeconfig.read_text())
            config["contexts"][0]["context"]["namespace"] = lease_namespace
            (folder / "kubeconfig").write_text(yaml.safe_dump(config))
            more = ("--compatibility=ingress-nginx",) if name == "new" else ()
            controllers.append(Controller((f"--kubeconfig={folder / 'kubeconfig'}", *of_class, *more), folder))
            stack.push_async_callback(controllers[-1].end)
        old, new = controllers
        replica = await old.start(f"--publish-address={old.proxy}")
        envoy = await stack.enter_async_context(running_envoy(replica.listen, old.folder))
        await envoy.until_ready()
        clients = await stack.enter_async_context(load(old.proxy))
        found = Switch(
            cluster, f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{NAME}", old, new, clients
        )
        following = asyncio.create_task(found.follow())
        stack.callback(following.cancel)
        await found.until_requests_go_to(old)
        yield found


async def test_the_switch_and_the_way_back_fail_no_request(switch: Switch, cluster: Cluster, namespace: str) -> None:
    old, new, clients = switch.old, switch.new, switch.clients
    replica = await new.start()
    async with running_envoy(replica.listen, new.folder, node="new") as envoy:
        await envoy.until_ready()
        # Beside the old controller, the new one serves the same hosts, and leaves the status to the old one.
        async with aiohttp.ClientSession() as session:
            for proxy in (old.proxy, new.proxy):
                async with session.get(f"http://{proxy}:{PORT}/", headers={"Host": HOST}) as answer:
                    assert answer.status == 200
        assert await switch.published() == [old.proxy]

        await switch.move(old, new)
        moved = clients.sent
        await switch.move(new, old)
        back = clients.sent
        await switch.move(old, new)

        # The old controller goes, and `helm uninstall` takes the IngressClass along.
        await old.end()
        await cluster.request("DELETE", f"{CLASSES}/nginx-{namespace}")
        sent = clients.sent
        await until(lambda: clients.sent > sent + 500)
        assert await switch.published() == [new.proxy]
        # Behind this, the proxies end before the clients.
        print(
            f"\nswitched after {moved} requests, back after {back}: {clients.sent} sent, {len(clients.failed)} failed"
        )
        assert not clients.failed
