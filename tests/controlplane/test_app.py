"""`xds serve` as a process: readiness, shutdown, errors at the start, and metrics.

Covers the wiring of source, pipeline and servers, with and without proxies. Excludes cases that need a source held back
by the test (test_app_in_process.py), other commands (tests/cli), reading the folder (tests/sources) and the content of
responses (tests/features).
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from grpc import StatusCode

from tests.support.ads_client import CDS, EDS, LDS, RDS, AdsClient, DeltaClient, SotwClient
from tests.support.followed import save
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.protocol.messages import Variant

WEB = "default/web/80"

WATCH_ENDS_SECONDS = 60.0
"""Longest time until a watch ends after its server has stopped answering; 20 s on an idle machine."""

INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: default}
spec:
  rules:
  - host: web.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ports: [{port: 80}]}
"""


def slice_manifest(*addresses: str) -> str:
    endpoints = ", ".join(f"{{addresses: [{address}]}}" for address in addresses)
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: default, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{endpoints}]
ports: [{{port: 8080}}]
"""


class Serve:
    """A running `xds serve`, with the log lines read so far in `logs`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.logs: list[dict[str, Any]] = []
        self._clients = contextlib.AsyncExitStack()

    @property
    def address(self) -> str:
        return str(self.logged("serving")["address"])

    @property
    def admin(self) -> str:
        return str(self.logged("admin_listening")["address"])

    def logged(self, event: str) -> dict[str, Any]:
        return next(line for line in self.logs if line["event"] == event)

    def has_logged(self, event: str) -> bool:
        return any(line["event"] == event for line in self.logs)

    async def read_logs(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.logs.append(json.loads(line))

    async def get(self, path: str) -> tuple[int, str]:
        return await get(self.admin, path)

    async def until_ready(self) -> None:
        while (await self.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.005)

    async def metric(self, name: str) -> float:
        """The value of a sample, named with labels as in /metrics."""
        _, text = await self.get("/metrics")
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))

    def client(self, variant: Variant, node: str = "envoy-1") -> AdsClient:
        client = (DeltaClient if variant is Variant.DELTA else SotwClient)(self.address, node)
        self._clients.push_async_callback(client.close)
        return client.open()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), WAIT_LIMIT_SECONDS)

    async def close(self) -> None:
        await self._clients.aclose()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


async def get(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as answer:
        return answer.status, await answer.text()


def flags(folder: Path, listen: str = "127.0.0.1:0", admin: str = "127.0.0.1:0") -> list[str]:
    return ["--from", str(folder), "--listen", listen, "--admin", admin, "--ui", "off", "--log-format", "json"]


@contextlib.asynccontextmanager
async def serving(folder: Path, *, plaintext: bool = False, **addresses: str) -> AsyncIterator[Serve]:
    """Run a server until ready."""
    more = ["--allow-plaintext"] if plaintext else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xds", "serve", *flags(folder, **addresses), *more), stderr=asyncio.subprocess.PIPE
    )
    serve = Serve(process)
    reading = asyncio.create_task(serve.read_logs())
    try:
        await until(lambda: serve.has_logged("serving") or reading.done())
        await serve.until_ready()
        yield serve
    finally:
        await serve.close()
        await reading


async def start_error(folder: Path, **addresses: str) -> str:
    """The one line of a server that can't start, which exits with 3."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "xds",
            "serve",
            *flags(folder, **addresses),
            "--log-level",
            "error",
            "--allow-plaintext",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WAIT_LIMIT_SECONDS)
    lines = [line for line in err.decode().splitlines() if not _is_from_grpc(line)]
    assert (process.returncode, out, len(lines)) == (3, b"", 1), err.decode()
    return lines[0]


def _is_from_grpc(line: str) -> bool:
    """Whether gRPC's C core logged the line, e.g. `E0000 00:00:1700000000.000000 1 chttp2_server.cc:1045] ...`."""
    return ".cc:" in line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    return folder


@pytest.fixture
def site(folder: Path) -> Path:
    """A folder with one Ingress, its Service and its endpoints."""
    (folder / "web.yaml").write_text(INGRESS)
    (folder / "endpoints.yaml").write_text(slice_manifest("10.0.0.1"))
    return folder


async def follow(client: AdsClient) -> AdsClient:
    """Subscribe to all resources of the site, and accept the responses."""
    for type_, asked, expected in (
        (CDS, (), (WEB,)),
        (EDS, (WEB,), (WEB,)),
        (LDS, (), ("http",)),
        (RDS, ("http@3",), ("http@3",)),
    ):
        await client.subscribe(type_, *asked)
        await client.accept(type_, *expected)
    return client


async def test_all_addresses_are_those_of_both_families(folder: Path) -> None:
    async with serving(folder, listen="[::]:0", admin="[::]:0", plaintext=True) as serve:
        admin, port = (each.rpartition(":")[2] for each in (serve.admin, serve.address))
        for host, peer in (("127.0.0.1", "ipv4:127.0.0.1:"), ("[::1]", "ipv6:[::1]:")):
            assert await get(f"{host}:{admin}", "/readyz") == (200, "ok\n")
            client = DeltaClient(f"{host}:{port}", host).open()
            await client.subscribe(LDS)
            await client.accept(LDS, "http")
            await until(lambda peer=peer: any(each.startswith(peer) for each in connected(serve)))  # type: ignore[misc]
            await client.close()


def connected(serve: Serve) -> list[str]:
    """The peers in the log, which comes a moment after the answers."""
    return [str(line["peer"]) for line in serve.logs if line["event"] == "proxy_connected"]


async def test_a_watch_of_a_server_that_hangs_ends_with_an_error(folder: Path) -> None:
    async with serving(folder) as serve:
        watch = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xds", "snapshot", "watch", "--server", serve.address),
            stderr=asyncio.subprocess.PIPE,
        )
        assert watch.stderr
        await watch.stderr.readline()
        serve.process.send_signal(signal.SIGSTOP)
        _, err = await asyncio.wait_for(watch.communicate(), WATCH_ENDS_SECONDS)
        text = f"xds: the server at {serve.address} has stopped answering; see its log\n"
        assert (watch.returncode, err.decode()) == (3, text)


async def test_an_empty_folder_is_served(folder: Path) -> None:
    async with serving(folder) as serve:
        client = serve.client(Variant.DELTA)
        await client.subscribe(LDS)
        await client.accept(LDS, "http")
        await client.subscribe(CDS)
        await client.accept(CDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_stops_the_server_and_ends_streams_with_ok(site: Path, number: signal.Signals) -> None:
    async with serving(site) as serve:
        clients = [await follow(serve.client(variant, str(variant))) for variant in Variant]
        assert await serve.stop(number) == 0
        for client in clients:
            assert await client.expect_end() == (StatusCode.OK, "")
    assert serve.logged("stopping")["proxies"] == 2


async def test_a_signal_before_the_first_list_stops_the_server(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xds", "serve", *flags(folder)), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    await process.stderr.readline()
    process.terminate()
    await asyncio.wait_for(process.communicate(), WAIT_LIMIT_SECONDS)
    assert process.returncode == 0


async def test_a_changed_file_reaches_proxies_and_the_convergence_metric(site: Path) -> None:
    async with serving(site) as serve:
        client = await follow(serve.client(Variant.DELTA))
        await client.expect_nothing()
        assert await serve.metric("xds_ingress_convergence_seconds_count") == 0
        save(site / "endpoints.yaml", slice_manifest("10.0.0.2"))
        received = await client.accept(EDS, WEB)
        assert "10.0.0.2" in str(received.content(WEB))
        await client.expect_nothing()
        assert await serve.metric("xds_ingress_convergence_seconds_count") == 1
        assert 0 < await serve.metric("xds_ingress_convergence_seconds_sum") < WAIT_LIMIT_SECONDS
        assert await serve.metric("xds_ingress_snapshot_revision") == 2


async def test_metrics_count_resources_proxies_problems_and_answers(site: Path) -> None:
    async with serving(site) as serve:
        client = await follow(serve.client(Variant.DELTA))
        save(site / "endpoints.yaml", slice_manifest("10.0.0.2"))
        await client.reject(EDS, WEB)
        await client.expect_nothing()
        expected = {
            "xds_ingress_proxies_connected": 1,
            'xds_ingress_resources{type="cds"}': 1,
            'xds_ingress_resources{type="eds"}': 1,
            'xds_ingress_resources{type="lds"}': 1,
            'xds_ingress_resources{type="rds"}': 1,
            'xds_ingress_resources{type="sds"}': 0,
            'xds_ingress_pushes_total{type="eds"}': 2,
            'xds_ingress_acks_total{type="eds"}': 1,
            'xds_ingress_nacks_total{type="eds"}': 1,
            'xds_ingress_nacks_total{type="rds"}': 0,
        }
        assert {name: await serve.metric(name) for name in expected} == expected
        (site / "broken.yaml").write_text("kind: [")
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while await serve.metric('xds_ingress_problems{level="error",reason="MalformedFile"}') != 1:
                await asyncio.sleep(0.005)
        await client.close()
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while await serve.metric("xds_ingress_proxies_connected"):
                await asyncio.sleep(0.005)


async def test_a_reconnect_after_a_restart_gets_no_response(site: Path) -> None:
    """Versions are the same in each life of a server."""
    async with serving(site) as serve:
        old = await follow(serve.client(Variant.DELTA))
    async with serving(site) as serve:
        client = serve.client(Variant.DELTA)
        assert isinstance(client, DeltaClient)
        for type_ in (CDS, EDS, LDS, RDS):
            names = ("*",) if type_ in (CDS, LDS) else tuple(old.versions(type_))
            await client.subscribe(type_, *names, known=old.versions(type_))
        await client.expect_nothing()


async def test_a_restarted_server_binds_the_same_port(site: Path) -> None:
    """Waiting proxies reconnect to the old address."""
    async with serving(site) as serve:
        address = serve.address
    async with serving(site, listen=address) as again:
        assert again.address == address
        await follow(again.client(Variant.SOTW))


@pytest.mark.parametrize("flag", ["listen", "admin"])
async def test_a_port_in_use_is_an_error_of_one_line(folder: Path, flag: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = await start_error(folder, **{flag: f"127.0.0.1:{port}"})
    assert line.startswith(f"xds: can't listen on 127.0.0.1:{port}: ")
    assert line.endswith(f"choose another with --{flag}")
    assert "in use" in line


async def test_two_servers_never_share_a_port(folder: Path) -> None:
    """By default gRPC shares the port, and splits the connections."""
    async with serving(folder) as serve:
        assert "in use" in await start_error(folder, listen=serve.address)


async def test_an_address_of_another_host_is_an_error_of_one_line(folder: Path) -> None:
    assert "203.0.113.1:18000" in await start_error(folder, listen="203.0.113.1:18000")


async def test_a_missing_folder_is_an_error_of_one_line(folder: Path) -> None:
    missing = folder / "missing"
    assert str(missing) in await start_error(missing)


async def test_a_unix_socket_serves_proxies_and_is_never_taken_over(site: Path, tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"
    async with serving(site, listen=f"unix:{path}") as serve:
        assert serve.address == f"unix:{path}"
        await follow(serve.client(Variant.DELTA))
        assert "a server answers there" in await start_error(site, listen=f"unix:{path}")
        await follow(serve.client(Variant.SOTW, "still there"))


async def test_the_socket_of_a_dead_server_is_taken_over(site: Path, tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(site, listen=f"unix:{path}") as serve:
        await follow(serve.client(Variant.DELTA))


async def test_an_abstract_unix_socket_serves_proxies(site: Path, tmp_path: Path) -> None:
    name = f"xds-{tmp_path.name}-{time.monotonic_ns()}"
    async with serving(site, listen=f"unix:@{name}") as serve:
        client = DeltaClient(f"unix-abstract:{name}", "envoy-1").open()
        await follow(client)
        await client.close()
        assert "a server answers there" in await start_error(site, listen=f"unix:@{name}")
        assert serve.process.returncode is None


@pytest.mark.parametrize("path", ["missing/xds.sock", "x" * 200], ids=["no such folder", "too long"])
async def test_an_impossible_unix_socket_is_an_error_of_one_line(folder: Path, tmp_path: Path, path: str) -> None:
    assert "choose another with --listen" in await start_error(folder, listen=f"unix:{tmp_path / path}")
