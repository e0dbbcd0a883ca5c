"""The end of an Envoy without a lost request or a cut connection of layer 4: its preStop hook (drain.sh of the Helm
chart), with the flags of its Deployment, on a real Envoy.

Excludes: the kubelet, which runs the hook before SIGTERM, and kube-proxy. For the manifests see tests/manifests.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.http import Connection
from tests.support.objects import certificate, config_map, ingress, key, path, rule, secret, service, tls
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

HOOK = Path(__file__).parents[2] / "k8s" / "chart" / "xds-ingress" / "files" / "drain.sh"
HOST = {"Host": "shop.example.com"}
CLIENTS = 4
HELD_SECONDS = 3
"""After one second of drain, the hook asks twice in this time."""

pytestmark = needs_envoy


@dataclass(slots=True)
class Client:
    """A client that keeps its connection as long as Envoy does, and reconnects until the load balancer sends it
    elsewhere.
    """

    url: str
    elsewhere: asyncio.Event
    sent: int = 0
    asked_to_go: int = 0

    async def run(self) -> None:
        """
        Raises:
            aiohttp.ClientError: a request was lost.
        """
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector, headers=HOST, raise_for_status=True) as session:
            while not (await self._get(session) and self.elsewhere.is_set()):
                pass

    async def _get(self, session: aiohttp.ClientSession) -> bool:
        """Whether the answer ends the connection."""
        async with session.get(self.url) as answer:
            await answer.read()
        goes = answer.headers.get("Connection") == "close"
        self.sent += 1
        self.asked_to_go += goes
        return goes


async def start_hook(running: Site) -> asyncio.subprocess.Process:
    ports = (str(running.envoy.admin), str(running.proxy.https_port))
    return await asyncio.create_subprocess_exec("bash", HOOK, "1", *ports)


async def until_all(clients: list[Client], condition: Callable[[Client], bool]) -> None:
    while not all(condition(client) for client in clients):
        await asyncio.sleep(0.01)


async def test_no_request_is_lost_when_an_envoy_goes(tmp_path: Path) -> None:
    objects = (ingress("shop", rule("shop.example.com", path("/", "web"))), service("web"))
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices) as running:
        url, elsewhere = f"http://127.0.0.1:{running.proxy.http_port}/", asyncio.Event()
        clients = [Client(url, elsewhere) for _ in range(CLIENTS)]
        async with (
            aiohttp.ClientSession(headers=HOST) as session,
            session.ws_connect(url) as long_request,
            asyncio.TaskGroup() as load,
        ):
            for client in clients:
                load.create_task(client.run())
            await until_all(clients, lambda client: client.sent > 0)
            assert not any(client.asked_to_go for client in clients)
            hook = await start_hook(running)
            # The second time on a new connection: a draining Envoy still accepts connections.
            await until_all(clients, lambda client: client.asked_to_go >= 2)
            elsewhere.set()
            assert (await running.envoy.get("/ready")).strip() == "LIVE"
            await long_request.send_str("still there")
            assert await long_request.receive_str() == "still there"
            assert hook.returncode is None, "it waits for the last request"
        assert await hook.wait() == 0
        running.envoy.process.send_signal(signal.SIGTERM)
        assert await running.envoy.process.wait() == 0


async def test_the_hook_waits_for_connections_of_a_tcp_port_and_not_for_idle_ones_of_https(tmp_path: Path) -> None:
    """A client of a database can't be asked to go; one of HTTP opens another connection."""
    tcp_port, name = free_port(), "shop.example.com"
    objects = (
        ingress("shop", rule(name, path("/", "web")), tls=[tls(name, secret="shop")]),
        secret("shop", certificate(name)),
        service("web"),
        config_map("tcp-services", **{str(tcp_port): "default/web:80"}),
    )
    layer4 = Layer4Options(config_maps={Transport.TCP: key("tcp-services")})
    translate = TranslateOptions(layer4=layer4)
    async with (
        echoes([service("web")]) as slices,
        site(tmp_path, *objects, *slices, translate=translate) as running,
    ):
        held = await Connection.open(tcp_port)
        idle = await Connection.open(running.proxy.https_port, tls=True, sni=name)
        for each in (held, idle):
            assert (await each.get(name)).backend == "web"
        hook = await start_hook(running)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hook.wait(), HELD_SECONDS)
        late = await Connection.open(tcp_port)  # by a load balancer that has not noticed yet
        for each in (held, late):
            assert (await each.get(name)).backend == "web"
            each.close()
        assert await asyncio.wait_for(hook.wait(), WAIT_LIMIT_SECONDS) == 0
        idle.close()
