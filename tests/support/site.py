"""The whole path in one process but the source: objects in, a real Envoy and real backends out."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.http import Reply, get
from tests.support.objects import slice_of
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.objects import KINDS, KubeObject, Service
from xds.kube.state import KubeState
from xds.metrics import Metrics
from xds.pipeline import Pipeline
from xds.resources.options import ProxyOptions
from xds.server.ads import OPTIONS, AdsService
from xds.translate.translator import TranslateOptions


@dataclass(slots=True)
class Site:
    """A control plane with one Envoy. `apply` and `delete` return when Envoy has acknowledged what they changed."""

    pipeline: Pipeline
    ads: AdsService
    proxy: ProxyOptions
    envoy: Envoy

    async def apply(self, *objects: KubeObject) -> None:
        await self._change([Applied(each) for each in objects])

    async def delete(self, *objects: KubeObject) -> None:
        await self._change([Deleted(type(each), each.key) for each in objects])

    async def get(self, authority: str, path: str = "/", *, tls: bool = False, sni: str = "", **headers: str) -> Reply:
        port = self.proxy.https_port if tls else self.proxy.http_port
        return await get(port, authority, path, tls=tls, sni=sni, **headers)

    @property
    def rejections(self) -> list[str]:
        """What Envoy refused, in its words."""
        types = (each for status in self.ads.proxies() for each in status.stream.types)
        return [each.rejected.message for each in types if each.rejected]

    async def _change(self, changes: Iterable[Change]) -> None:
        publish(self.pipeline, self.ads, changes)
        await self.settled()

    async def settled(self) -> None:
        """Until Envoy has been told everything, and has answered."""
        while not self._is_settled():
            await asyncio.sleep(0.005)

    def _is_settled(self) -> bool:
        types = [each for status in self.ads.proxies() for each in status.stream.types]
        return len(types) >= 2 and not any(each.in_flight or each.waiting for each in types)


def publish(pipeline: Pipeline, ads: AdsService, changes: Iterable[Change]) -> None:
    now = asyncio.get_running_loop().time()
    revision = pipeline.apply([Batch(tuple(changes), now)], now)
    if revision is not None:
        ads.publish(revision)


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    *objects: KubeObject,
    translate: TranslateOptions | None = None,
    sotw: bool = False,
    proxy: ProxyOptions | None = None,
) -> AsyncIterator[Site]:
    """A site whose objects are these from the start. The listeners' ports are free ones."""
    translate = translate or TranslateOptions()
    options = dataclasses.replace(
        proxy or ProxyOptions(), listener_address="127.0.0.1", http_port=free_port(), https_port=free_port()
    )
    state = KubeState(claim_classless=True, default_tls_secret=translate.default_tls_secret)
    pipeline = Pipeline(state, translate, options)
    ads = AdsService(pipeline.store, Metrics(), asyncio.get_running_loop().time)
    server = grpc.aio.server(options=OPTIONS)
    ads.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    publish(pipeline, ads, [*map(Applied, objects), *map(Listed, KINDS)])
    try:
        async with running_envoy(f"127.0.0.1:{port}", folder, sotw=sotw) as envoy:
            await envoy.until_ready()
            running = Site(pipeline, ads, options, envoy)
            await running.settled()
            yield running
    finally:
        ads.close()
        await server.stop(None)


@contextlib.asynccontextmanager
async def echoes(services: Iterable[Service]) -> AsyncIterator[list[KubeObject]]:
    """An echo backend for each Service, which answers with its name: yields their EndpointSlices."""
    async with contextlib.AsyncExitStack() as stack:
        slices: list[KubeObject] = []
        for service in services:
            port = await stack.enter_async_context(echo(service.metadata.name))
            slices.append(_slice(service, port))
        yield slices


def _slice(service: Service, port: int) -> KubeObject:
    name, namespace = service.metadata.name, service.metadata.namespace
    ports = [{"name": each.name, "port": port} for each in service.spec.ports or ()]
    return slice_of(name, "127.0.0.1", ports=ports, ns=namespace)
