"""`xds serve` on a folder of manifests, and an Envoy with ports of TCP and UDP in front of servers that come and go."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import msgspec
import yaml

from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.objects import endpoint, manifest, service, slice_of
from tests.support.release import TODAY
from tests.support.rolling import START_LIMIT_SECONDS, is_ready
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.kube.objects import ConfigMap, Endpoint, KubeObject, Metadata
from xds.traffic.layer4 import Transport

NS: Final = "default"

FLAGS: Final = tuple(
    part for transport in Transport for part in (f"--{transport}-services-configmap", f"{NS}/{transport}-services")
)


@dataclass(slots=True)
class Exposed:
    """A control plane with one Envoy.

    Attributes:
        folder: Its folder `manifests` holds the objects.
        listen: The address for xDS, also of later processes.
        admin: The address of the admin port.
        http_port: Of Envoy.
        https_port: Of Envoy.
        arguments: Further flags of `xds serve`.
        envoy: The proxy.
    """

    folder: Path
    listen: str
    admin: str
    http_port: int
    https_port: int
    arguments: tuple[str, ...]
    envoy: Envoy = field(init=False)
    _process: asyncio.subprocess.Process | None = None

    def put(self, name: str, *objects: KubeObject) -> None:
        """Write a file of manifests, as a whole."""
        file = self.folder / "manifests" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(yaml.safe_dump_all([json.loads(json.dumps(manifest(each))) for each in objects]))
        unfinished.rename(file)

    def remove(self, name: str) -> None:
        (self.folder / "manifests" / f"{name}.yaml").unlink()

    def expose(self, transport: Transport, entries: dict[int | str, str]) -> None:
        """Write the ConfigMap of a protocol."""
        data = {str(port): entry for port, entry in entries.items()}
        self.put(f"{transport}-services", ConfigMap(Metadata(f"{transport}-services", NS), data))

    # The process.

    async def start(self) -> None:
        """Start `xds serve`, until it is ready."""
        self._process = await TODAY.start(
            *("serve", "--from", str(self.folder / "manifests"), "--listen", self.listen, "--admin", self.admin),
            *("--http-port", str(self.http_port), "--https-port", str(self.https_port)),
            *("--listener-address", "127.0.0.1", "--ui", "off", *self.arguments),
            log=self.folder / "serve.log",
        )
        async with asyncio.timeout(START_LIMIT_SECONDS):
            while not await is_ready(self.admin):
                assert self._process.returncode is None, self.log
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End `xds serve` as `kill -9` does."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def problems(self) -> list[pb.Problem]:
        async with grpc.aio.insecure_channel(self.listen) as channel:
            answer = await debug_pb2_grpc.DebugServiceStub(channel).ListProblems(pb.ListProblemsRequest())
            return list(answer.problems)

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    # What Envoy has.

    async def is_listening(self, *listeners: str) -> None:
        """Until Envoy has just these listeners of TCP and UDP ports, such as `tcp/9000`."""
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while (found := await self.listeners()) != set(listeners):
                assert self.envoy.process.returncode is None, (found, self.envoy.log)
                await asyncio.sleep(0.005)

    async def listeners(self) -> set[str]:
        names = json.loads(await self.envoy.get("/listeners?format=json")).get("listener_statuses", [])
        return {name for each in names if (name := each["name"]).partition("/")[0] in tuple(Transport)}

    async def has(self, name: str, endpoints: dict[str, str]) -> None:
        """Wait until each cluster of a Service has just these endpoints: their health by HOST:PORT."""
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while any(found != endpoints for found in await self._endpoints(name)):
                await asyncio.sleep(0.005)

    async def _endpoints(self, name: str) -> list[dict[str, str]]:
        statuses = json.loads(await self.envoy.get("/clusters?format=json")).get("cluster_statuses", [])
        clusters = [each["name"] for each in statuses if each["name"].startswith(f"{NS}/{name}/")]
        return [await self.envoy.endpoints(cluster) for cluster in clusters] or [{"": "no cluster"}]


@dataclass(slots=True)
class Pods:
    """A Service and its endpoints, all on one port. Each change is written, and waited for until Envoy has it.

    Attributes:
        ready: Addresses of endpoints that get connections.
        draining: Addresses of endpoints that end, and serve.
    """

    world: Exposed
    name: str
    port: int
    protocols: tuple[str, ...] = ("TCP",)
    ready: list[str] = field(default_factory=list)
    draining: list[str] = field(default_factory=list)

    def write(self, *addresses: str, expose: str = "") -> None:
        """The Service with its annotation, and ready endpoints, without a wait."""
        self.ready = list(addresses)
        ports = [{"name": each.lower(), "port": self.port, "protocol": each} for each in self.protocols]
        built = service(self.name, *ports)
        meta = msgspec.structs.replace(built.metadata, annotations={"xds-ingress.dev/expose": expose} if expose else {})
        self.world.put(self.name, msgspec.structs.replace(built, metadata=meta))
        self._write_slice()

    async def join(self, address: str) -> None:
        await self._become([*self.ready, address], self.draining)

    async def drain(self, address: str) -> None:
        await self._become([each for each in self.ready if each != address], [*self.draining, address])

    async def leave(self, address: str) -> None:
        ready, draining = ([each for each in of if each != address] for of in (self.ready, self.draining))
        await self._become(ready, draining)

    async def roll(self, address: str) -> None:
        """Let an endpoint drain and leave, and come back."""
        await self.drain(address)
        await self.leave(address)
        await self.join(address)

    async def _become(self, ready: Iterable[str], draining: Iterable[str]) -> None:
        self.ready, self.draining = list(ready), list(draining)
        self._write_slice()
        healths = {f"{each}:{self.port}": "HEALTHY" for each in self.ready}
        healths |= {f"{each}:{self.port}": "DRAINING" for each in self.draining}
        await self.world.has(self.name, healths)

    def _write_slice(self) -> None:
        ports = [{"name": each.lower(), "port": self.port, "protocol": each} for each in self.protocols]
        members = (*map(endpoint, self.ready), *map(_ending, self.draining))
        self.world.put(f"{self.name}-1", slice_of(self.name, *members, ports=ports))


def _ending(address: str) -> Endpoint:
    return endpoint(address, ready=False, serving=True, terminating=True)


@contextlib.asynccontextmanager
async def exposed(folder: Path, *arguments: str) -> AsyncIterator[Exposed]:
    """A control plane with `FLAGS` and further ones, that `run` starts."""
    listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    world = Exposed(folder, listen, admin, free_port(), free_port(), (*FLAGS, *arguments))
    (folder / "manifests").mkdir()
    try:
        yield world
    finally:
        await world.kill()


@contextlib.asynccontextmanager
async def running(world: Exposed, *, sotw: bool = False) -> AsyncIterator[Envoy]:
    """`xds serve` and its Envoy, until the latter is ready."""
    await world.start()
    async with running_envoy(world.listen, world.folder, sotw=sotw) as envoy:
        world.envoy = envoy
        async with asyncio.timeout(START_LIMIT_SECONDS):
            await envoy.until_ready()
        yield envoy
