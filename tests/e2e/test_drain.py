"""The end of an Envoy without a lost request or a cut connection of layer 4: its preStop hook (drain.sh of the Helm
chart), with the flags of its Deployment, on a real Envoy.

Excludes: the kubelet, which runs the hook before SIGTERM, and kube-proxy. For the manifests see tests/manifests.
"""

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.http import Connection, unverified
from tests.support.objects import certificate, config_map, ingress, key, path, rule, secret, service, slice_of, tls
from tests.support.raw_backends import TcpClient, tcp_backend
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

HOOK = Path(__file__).parents[2] / "k8s" / "chart" / "xds-ingress" / "files" / "drain.sh"
HOST = {"Host": "shop.example.com"}
CLIENTS = 4
HELD_SECONDS = 2.5
"""After a second of drain, the hook asks each second."""

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


def client_hello(name: str) -> bytes:
    """The first bytes of a TLS connection to a server of the name."""
    sent = ssl.MemoryBIO()
    connection = unverified().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return sent.read()


async def test_the_hook_waits_for_connections_of_layer_4_and_not_for_idle_ones_of_https(tmp_path: Path) -> None:
    """A client of a database can't be asked to go; one of HTTP opens another connection."""
    shop, db, tcp_port = "shop.example.com", "db.example.com", free_port()
    passed = {"xds-ingress.dev/ssl-passthrough": "true"}
    objects = (
        ingress("shop", rule(shop, path("/", "web")), tls=[tls(shop, secret="shop")]),
        secret("shop", certificate(shop)),
        service("web"),
        ingress("db", rule(db, path("/", "db")), annotations=passed),
        service("db"),
        config_map("tcp-services", **{str(tcp_port): "default/db:80"}),
    )
    layer4 = Layer4Options(config_maps={Transport.TCP: key("tcp-services")})
    translate = TranslateOptions(layer4=layer4, passes_tls=True)
    async with (
        tcp_backend("db") as backend,
        echoes([service("web")]) as slices,
        site(
            tmp_path,
            *objects,
            *slices,
            slice_of("db", backend.address[0], ports=[backend.address[1]]),
            translate=translate,
        ) as running,
        TcpClient(tcp_port) as raw,
        TcpClient(running.proxy.https_port) as passing,
    ):
        idle = await Connection.open(running.proxy.https_port, tls=True, sni=shop)
        assert (await idle.get(shop)).backend == "web"
        passing.writer.write(hello := client_hello(db))
        assert (await raw.line(), await passing.line()) == ("db", "db")
        assert await passing.reader.readexactly(len(hello)) == hello

        hook = await start_hook(running)
        await still_runs(hook)
        async with TcpClient(tcp_port) as late:  # by a load balancer that has not noticed yet
            assert await late.line() == "db"
        assert await raw.ask(b"commit") == b"commit"
        raw.writer.close()
        await still_runs(hook)
        assert await passing.ask(b"commit") == b"commit"
        passing.writer.close()
        assert await asyncio.wait_for(hook.wait(), WAIT_LIMIT_SECONDS) == 0
        idle.close()


async def still_runs(hook: asyncio.subprocess.Process) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hook.wait(), HELD_SECONDS)
