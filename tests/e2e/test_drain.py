"""The end of an Envoy without a lost request: its preStop hook (drain.sh of the Helm chart), with the flags of its
Deployment, on a real Envoy under load.

Excludes: the kubelet, which runs the hook before SIGTERM, and kube-proxy. For the manifests see tests/manifests.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.envoy import needs_envoy
from tests.support.objects import ingress, path, rule, service
from tests.support.site import Site, echoes, site

HOOK = Path(__file__).parents[2] / "k8s" / "chart" / "xds-ingress" / "files" / "drain.sh"
HOST = {"Host": "shop.example.com"}
CLIENTS = 4

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
    return await asyncio.create_subprocess_exec("bash", HOOK, "1", str(running.envoy.admin))


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
