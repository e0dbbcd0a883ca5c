"""A case of tests/cases: manifests through `xds serve --from` and a real Envoy, and the output of a shell script."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio

from tests.support.case_backends import BACKENDS
from tests.support.envoy import free_port, running_envoy
from tests.support.name_server import name_server
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.api.v1 import debug_pb2, debug_pb2_grpc

CASES: Final = Path(__file__).parent.parent / "cases"
ROOT: Final = CASES.parent.parent
XDS: Final = (sys.executable, "-m", "xds")

EXPOSED: Final = {"19000": "PORT_A", "19001": "PORT_B"}
"""TCP ports of ConfigMaps and Services in manifests, each with its variable in request.sh."""

ANY: Final = "…"
"""In a line of `expected`: any text, also none."""


@dataclass(frozen=True, slots=True)
class Case:
    """A folder of tests/cases. README.md there describes the files."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def manifest(self) -> str:
        return (self.folder / "manifest.yaml").read_text()

    @property
    def flags(self) -> list[str]:
        return (self.folder / "flags").read_text().split()

    @property
    def expected(self) -> str:
        lines = (self.folder / "expected").read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith("#"))

    def is_expected(self, output: str) -> bool:
        pattern = ".*".join(map(re.escape, self.expected.split(ANY)))
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def cases() -> list[Case]:
    return [Case(file.parent) for file in sorted(CASES.glob("*/manifest.yaml"))]


async def output(case: Case, folder: Path) -> str:
    """The standard output of the case's request.sh. The script runs after Envoy has acknowledged everything."""
    manifests = folder / "manifests"
    manifests.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        manifest = case.manifest
        for port, backend in BACKENDS.items():
            if port in manifest:
                manifest = manifest.replace(port, str(await stack.enter_async_context(backend())))
        exposed = {name: free_port() for port, name in EXPOSED.items() if port in manifest}
        for port, name in EXPOSED.items():
            manifest = manifest.replace(port, str(exposed.get(name)))
        (manifests / "manifest.yaml").write_text(manifest)
        ports = {"HTTP": free_port(), "HTTPS": free_port()}
        server = await stack.enter_async_context(_serving(case, manifests, folder / "serve.log", ports))
        dns_port = await stack.enter_async_context(name_server())
        envoy = await stack.enter_async_context(running_envoy(server, folder, dns_port=dns_port))
        await envoy.until_ready()
        await _in_sync(server)
        environment = {name: str(port) for name, port in (ports | exposed).items()} | {"XDS_SERVER": server}
        return await _run(case.folder / "request.sh", environment)


@contextlib.asynccontextmanager
async def _serving(case: Case, manifests: Path, log: Path, ports: Mapping[str, int]) -> AsyncIterator[str]:
    """Yields the address of a control plane."""
    listeners = ("--listener-address", "127.0.0.1", "--http-port", str(ports["HTTP"]), "--https-port")
    addresses = (*listeners, str(ports["HTTPS"]), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ui", "off")
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *(*XDS, "serve", "--from", str(manifests), "--log-format", "json", *addresses, *case.flags), stderr=written
        )

    def serving() -> str:
        if process.returncode is not None:
            raise RuntimeError(f"xds serve ended with {process.returncode}:\n{log.read_text()}")
        found = re.search(r'^\{.*"event": ?"serving".*\}$', log.read_text(), re.MULTILINE)
        return str(json.loads(found[0])["address"]) if found else ""

    try:
        await until(lambda: bool(serving()))
        yield serving()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _in_sync(server: str) -> None:
    """Wait until the proxy has acknowledged every resource."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS), grpc.aio.insecure_channel(server) as channel:
        stub = debug_pb2_grpc.DebugServiceStub(channel)
        while True:
            answer = await stub.ListProxies(debug_pb2.ListProxiesRequest(), wait_for_ready=True)
            types = [each for proxy in answer.proxies for each in proxy.types]
            if len(types) > 1 and all(each.in_sync for each in types):
                return
            await asyncio.sleep(0.01)


async def _run(script: Path, environment: Mapping[str, str]) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XDS_")}
    more = {"PYTHONPATH": str(ROOT), "PY": sys.executable, "XDS": " ".join(XDS)}
    process = await asyncio.create_subprocess_exec(
        *("sh", str(script)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**inherited, **more, **environment},
    )
    out, _ = await process.communicate()
    return out.decode()
