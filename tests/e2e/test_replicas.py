"""Two replicas of `xds serve` that ask each other over mutual TLS (`--peers`).

Covers: status and proxies of both, from either side; diagnostics; a replica that is stopped, and one that is gone.
Excludes: what each failure says (tests/server/debug/test_peers.py), and the manifests (tests/manifests).
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import yaml

from tests.support.authority import SERVER_NAME, Authority, SecretMount
from tests.support.envoy import free_port
from tests.support.objects import ingress, manifest, path, rule, service
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc

CA = Authority()


class Replica:
    """A process, and the debug API of it."""

    def __init__(self, process: asyncio.subprocess.Process, channel: grpc.aio.Channel) -> None:
        self.process = process
        self._stub = debug_pb2_grpc.DebugServiceStub(channel)

    async def replicas(self) -> list[pb.Replica]:
        answer = self._stub.ListReplicas(pb.ListReplicasRequest(), timeout=WAIT_LIMIT_SECONDS, wait_for_ready=True)
        return list((await answer).replicas)

    async def proxies(self) -> pb.ListProxiesResponse:
        request = pb.ListProxiesRequest(all_replicas=True)
        found: pb.ListProxiesResponse = await self._stub.ListProxies(request, timeout=WAIT_LIMIT_SECONDS)
        return found

    async def diagnostics(self) -> pb.GetDiagnosticsResponse:
        request = pb.GetDiagnosticsRequest()
        found: pb.GetDiagnosticsResponse = await self._stub.GetDiagnostics(request, timeout=WAIT_LIMIT_SECONDS)
        return found

    async def until_serving(self) -> None:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not (await self.replicas())[0].status.snapshot.revision.number:
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def replica(folder: Path, mount: SecretMount, own: str, *peers: str) -> AsyncIterator[Replica]:
    named = [each for peer in (own, *peers) for each in ("--peers", peer)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xds", "serve", "--from", folder, "--listen", own, "--admin", "127.0.0.1:0", "--ui"),
        *("off", "--tls-operators", SERVER_NAME, *mount.server_flags, *named),
        stderr=asyncio.subprocess.DEVNULL,
    )
    options = (("grpc.ssl_target_name_override", SERVER_NAME),)
    try:
        async with grpc.aio.secure_channel(own, CA.issue(SERVER_NAME).channel_credentials(), options) as channel:
            started = Replica(process, channel)
            await started.until_serving()
            yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Replica, Replica]]:
    folder = tmp_path / "manifests"
    folder.mkdir()
    objects = [service("web"), ingress("shop", rule("a.example.com", path("/")))]
    (folder / "shop.yaml").write_text(yaml.dump_all(map(manifest, objects)))
    one, other = (f"127.0.0.1:{free_port()}" for _ in range(2))
    mounts = [SecretMount(tmp_path / name, CA.issue(SERVER_NAME)) for name in ("one", "other")]
    async with replica(folder, mounts[0], one, other) as first, replica(folder, mounts[1], other, one) as second:
        yield first, second


async def test_replicas_know_of_each_other_and_say_which_one_does_not_answer(pair: tuple[Replica, Replica]) -> None:
    one, other = pair
    for asked in pair:
        own, found = await asked.replicas()
        assert (own.self, found.self, found.error) == (True, False, "")
        assert own.status.id != found.status.id
        versions = [[(each.type_url, each.version) for each in of.status.snapshot.types] for of in (own, found)]
        assert versions[0] == versions[1]
        assert found.status.ingresses.accepted == 1
    assert (await one.proxies()).replicas == 2
    diagnostics = await one.diagnostics()
    settings = {each.name: each.value for each in diagnostics.settings}
    assert (settings["tls-operators"], settings["http-port"]) == (SERVER_NAME, "8080")
    assert {"python", "xds-ingress", "grpcio"} <= {each.name for each in diagnostics.versions}
    assert 'xds_ingress_ingresses{state="accepted"}' in diagnostics.metrics
    assert any("revision_committed" in line for line in diagnostics.log_lines)
    other.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    _, found = await one.replicas()
    assert time.monotonic() - begun < 4
    assert (found.HasField("status"), found.error) == (False, "no answer within 2 s")
    other.process.kill()
    await asyncio.wait_for(other.process.wait(), WAIT_LIMIT_SECONDS)
    _, found = await one.replicas()
    assert (found.error, found.remedy) == ("nothing listens there", "Check the port of --peers: that of --listen.")
    proxies = await one.proxies()
    assert (proxies.replicas, [each.error for each in proxies.unreachable]) == (1, ["nothing listens there"])
