"""`xds serve` on a real source: a process that tests kill and start again, on the same ports each time."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cluster.control_plane import Cluster, own_address
from tests.support.cluster.part import Part
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc

XDS: Final = Path(sys.executable).parent / "xds"

TYPES: Final = 5
"""Resource types that an Envoy without TLS subscribes to."""


def following(cluster: Cluster, namespace: str) -> tuple[str | Path, ...]:
    """The flags of a Replica for one namespace."""
    return "--kubeconfig", cluster.kubeconfig, "--namespace", namespace


class Replica(Part):
    """A process.

    Args:
        source: The flags of the source.
        listen: HOST:PORT, like `admin`.
        proxy: Address of the Envoy listeners.
        host: Address of both ports, if another one was there before; None: an address of its own.
    """

    def __init__(self, source: Sequence[str | Path], log: Path, proxy: str, host: str | None = None) -> None:
        self.host: Final = host or own_address()
        self.listen: Final = f"{self.host}:18000"
        self.admin: Final = f"{self.host}:18001"
        where = ("--listen", self.listen, "--admin", self.admin, "--ui", "off", "--listener-address", proxy)
        super().__init__([XDS, "serve", *source, "--log-format", "json", *where], log, self._is_ready)

    async def pushes(self) -> Mapping[str, int]:
        """Responses sent so far, by the short name of their type; types without a response are left out."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.admin}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        samples = [
            sample for family in families for sample in family.samples if sample.name == "xds_ingress_pushes_total"
        ]
        return {sample.labels["type"]: int(sample.value) for sample in samples if sample.value}

    async def proxies(self) -> list[pb.Proxy]:
        """Proxies with an open stream."""
        async with grpc.aio.insecure_channel(self.listen) as channel:
            answer = await debug_pb2_grpc.DebugServiceStub(channel).ListProxies(pb.ListProxiesRequest())
            return list(answer.proxies)

    async def problems(self) -> list[pb.Problem]:
        async with grpc.aio.insecure_channel(self.listen) as channel:
            answer = await debug_pb2_grpc.DebugServiceStub(channel).ListProblems(pb.ListProblemsRequest())
            return list(answer.problems)

    async def versions(self) -> dict[tuple[str, str], str]:
        """Wanted versions, by type URL and name."""
        async with grpc.aio.insecure_channel(self.listen) as channel:
            answer = debug_pb2_grpc.DebugServiceStub(channel).ListResources(pb.ListResourcesRequest())
            resources = [each async for message in answer for each in message.resources]
        return {(each.type_url, each.name): each.version for each in resources}

    async def has_a_proxy(self) -> bool:
        """Whether a proxy has subscribed to every type and accepted every response."""
        types = [each for proxy in await self.proxies() for each in proxy.types]
        return len(types) >= TYPES and all(each.in_sync for each in types)

    async def _is_ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://{self.admin}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
