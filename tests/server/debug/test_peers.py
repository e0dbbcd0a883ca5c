"""The other replicas of a control plane, asked over real connections, with and without mutual TLS.

Covers: whom a replica finds, what each failure says and how long it may take. Excludes: the flag and real processes
(tests/e2e/test_replicas.py).
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.authority import SERVER_NAME, Authority, SecretMount
from tests.support.debug_server import DebugServer, services, shop
from tests.support.envoy import free_port
from xds.address import HostPort
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.cli.output import iso
from xds.protocol.messages import Node
from xds.server.debug.operators import OperatorsOnly
from xds.server.debug.peers import PEER_SECONDS, ReplicaPeers
from xds.server.debug.process_facts import ProcessFacts
from xds.server.tls import ServerTls

CA, STRANGER = Authority(), Authority("stranger")


def address(target: str) -> HostPort:
    host, _, port = target.rpartition(":")
    return HostPort(host, int(port))


@contextlib.asynccontextmanager
async def replica(name: str, tls: ServerTls | None = None, *operators: str) -> AsyncIterator[DebugServer]:
    interceptors = (OperatorsOnly(frozenset(operators)),) if operators else ()
    server = DebugServer(tls, interceptors)
    server.process = ProcessFacts(name=name)
    async with server:
        server.do(*services("a"), shop("a"))
        server.connect(Node(f"envoy-of-{name}"))
        yield server


def peers_of(server: DebugServer, *addresses: HostPort, tls: ServerTls | None = None) -> None:
    server.answers._state = replace(server.answers._state, peers=ReplicaPeers(addresses, server.process.id, tls))


@pytest.fixture
def silent() -> Iterator[HostPort]:
    """A server whose kernel takes connections, and that never reads: as a stopped process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield HostPort("127.0.0.1", listener.getsockname()[1])


async def rows(server: DebugServer) -> list[tuple[str, str]]:
    response = await server.answers.list_replicas(pb.ListReplicasRequest())
    return [(each.status.replica, each.error) for each in response.replicas]


async def test_each_replica_is_listed_once_and_this_one_first() -> None:
    async with replica("b") as one, replica("a") as other:
        peers_of(
            one, address(one.target), address(other.target), address(other.target.replace("127.0.0.1", "localhost"))
        )
        response = await one.answers.list_replicas(pb.ListReplicasRequest())
        assert [(each.status.replica, each.self) for each in response.replicas] == [("b", True), ("a", False)]
        own, found = response.replicas
        assert list(own.status.snapshot.types) == list(found.status.snapshot.types)


async def test_the_proxies_of_all_replicas_are_listed_with_their_replica() -> None:
    async with replica("a") as one, replica("b") as other:
        peers_of(one, address(other.target), HostPort("127.0.0.1", free_port()))
        response = await one.answers.list_proxies(pb.ListProxiesRequest(all_replicas=True))
        assert [(each.node_id, each.replica) for each in response.proxies] == [("envoy-of-a", "a"), ("envoy-of-b", "b")]
        assert response.replicas == 2
        assert [each.error for each in response.unreachable] == ["nothing listens there"]
        alone = await one.answers.list_proxies(pb.ListProxiesRequest())
        assert [each.node_id for each in alone.proxies] == ["envoy-of-a"]


async def test_a_replica_that_hangs_costs_two_seconds_and_no_answer_of_others(silent: HostPort) -> None:
    async with replica("a") as one, replica("b") as other:
        peers_of(one, silent, address(other.target))
        begun = time.monotonic()
        response = await one.answers.list_replicas(pb.ListReplicasRequest())
        assert time.monotonic() - begun < PEER_SECONDS + 1.5
        _, hanging, answered = response.replicas
        assert (hanging.address, hanging.error) == (str(silent), "no answer within 2 s")
        assert "NetworkPolicy" in hanging.remedy
        assert answered.status.replica == "b"


async def test_many_questions_at_once_open_one_connection_to_a_peer() -> None:
    connections: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    async with replica("a") as one:
        peers_of(one, HostPort("127.0.0.1", listener.sockets[0].getsockname()[1]))
        found = await asyncio.gather(*(rows(one) for _ in range(50)))
        assert all(each == found[0] for each in found)
        assert len(connections) == 1
        await rows(one)
        assert len(connections) == 2
    for each in connections:
        each.close()
    listener.close()


class Liar(debug_pb2_grpc.DebugServiceServicer):
    """A peer whose times don't exist."""

    def __init__(self, started_at: int) -> None:
        self._started_at = Timestamp(seconds=started_at)

    async def GetStatus(self, *_: object) -> pb.GetStatusResponse:  # noqa: N802 - of gRPC
        return pb.GetStatusResponse(replica="liar", id="liar", started_at=self._started_at)

    async def ListProxies(self, *_: object) -> pb.ListProxiesResponse:  # noqa: N802 - of gRPC
        return pb.ListProxiesResponse(proxies=[pb.Proxy(node_id="a", connected_at=Timestamp(seconds=2**62))])


@pytest.mark.parametrize(("started_at", "failed"), [(2**62, True), (0, False)])
async def test_a_peer_with_times_outside_the_calendar_spoils_no_answer(started_at: int, failed: bool) -> None:
    server = grpc.aio.server()
    debug_pb2_grpc.add_DebugServiceServicer_to_server(Liar(started_at), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with replica("a") as one:
        peers_of(one, HostPort("127.0.0.1", port))
        replicas = (await one.answers.list_replicas(pb.ListReplicasRequest())).replicas
        assert replicas[1].HasField("status") != failed
        response = await one.answers.list_proxies(pb.ListProxiesRequest(all_replicas=True))
        assert [each.node_id for each in response.proxies] == (["envoy-of-a"] if failed else ["a", "envoy-of-a"])
        assert [iso(each, "connected_at") is None for each in response.proxies][:1] == [not failed]
    await server.stop(None)


async def test_a_name_that_dns_does_not_know_is_a_row_with_a_remedy() -> None:
    async with replica("a") as one:
        peers_of(one, HostPort("peers.invalid", 18000))
        _, missing = (await one.answers.list_replicas(pb.ListReplicasRequest())).replicas
        assert missing.address == "peers.invalid:18000"
        assert "can't be resolved" in missing.error
        assert "headless Service" in missing.remedy


@pytest.mark.parametrize(
    ("names", "authority", "operators", "error", "remedy"),
    [
        ((SERVER_NAME,), CA, (SERVER_NAME,), "", ""),
        (
            (SERVER_NAME,),
            CA,
            ("someone",),
            "no name that may use the debug API",
            f"Add {SERVER_NAME} to --tls-operators",
        ),
        (("another.example",), CA, (), f"its certificate is not for {SERVER_NAME}", "one DNS name in common"),
        ((SERVER_NAME,), STRANGER, (), "not from the CA in --tls-client-ca", "a certificate of one CA"),
    ],
)
async def test_mutual_tls_between_replicas(
    tmp_path: Path, names: tuple[str, ...], authority: Authority, operators: tuple[str, ...], error: str, remedy: str
) -> None:
    own = ServerTls.load(SecretMount(tmp_path / "own", CA.issue(SERVER_NAME)).server)
    its = ServerTls.load(SecretMount(tmp_path / "its", authority.issue(*names)).server)
    async with replica("a") as one, replica("b", its, *operators) as other:
        peers_of(one, address(other.target), tls=own)
        _, found = (await one.answers.list_replicas(pb.ListReplicasRequest())).replicas
        assert error in found.error
        assert remedy in found.remedy
        assert bool(found.error) is not found.HasField("status")


async def test_replicas_with_and_without_tls_say_so(tmp_path: Path) -> None:
    tls = ServerTls.load(SecretMount(tmp_path / "own", CA.issue(SERVER_NAME)).server)
    async with replica("a") as plain, replica("b", tls) as secure:
        peers_of(plain, address(secure.target))
        peers_of(secure, address(plain.target), tls=tls)
        for server in (plain, secure):
            _, found = (await server.answers.list_replicas(pb.ListReplicasRequest())).replicas
            assert found.error
            assert found.remedy
        assert "does not use TLS" in found.error
