"""A `Plane` with a real Envoy in front of real backends: objects in, traffic out."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.http import Reply, get
from tests.support.objects import slice_of
from tests.support.plane import Plane
from xds.controlplane.pipeline import Pipeline
from xds.kube.objects import KubeObject, Service
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions


@dataclass(slots=True)
class Site:
    """A control plane with one Envoy. `apply` and `delete` return when Envoy has acknowledged the change."""

    plane: Plane
    proxy: ProxyOptions
    envoy: Envoy

    @property
    def pipeline(self) -> Pipeline:
        return self.plane.pipeline

    async def apply(self, *objects: KubeObject) -> None:
        self.plane.apply(*objects)
        await self.settled()

    async def delete(self, *objects: KubeObject) -> None:
        self.plane.delete(*objects)
        await self.settled()

    async def get(
        self,
        authority: str,
        path: str = "/",
        *,
        tls: bool = False,
        sni: str = "",
        method: str = "GET",
        **headers: str,
    ) -> Reply:
        port = self.proxy.https_port if tls else self.proxy.http_port
        return await get(port, authority, path, tls=tls, sni=sni, method=method, **headers)

    @property
    def rejections(self) -> list[str]:
        """Envoy's NACK messages."""
        types = (each for status in self.plane.ads.proxies() for each in status.stream.types)
        return [each.last_rejection.message for each in types if each.last_rejection]

    async def settled(self) -> None:
        """Until Envoy has been told everything, and has answered."""
        while not self._is_settled():
            await asyncio.sleep(0.005)

    def _is_settled(self) -> bool:
        types = [each for status in self.plane.ads.proxies() for each in status.stream.types]
        return len(types) >= 2 and all(each.settled for each in types)


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    *objects: KubeObject,
    translate: TranslateOptions | Callable[[ProxyOptions], TranslateOptions] | None = None,
    sotw: bool = False,
    proxy: ProxyOptions | None = None,
    stats_port: int | None = None,
    max_memory_bytes: int | None = None,
    all_stats: bool = False,
) -> AsyncIterator[Site]:
    """A site with these objects from the start. The listeners' ports are free ones."""
    options = dataclasses.replace(
        proxy or ProxyOptions(), listener_address="127.0.0.1", http_port=free_port(), https_port=free_port()
    )
    translated = translate(options) if callable(translate) else translate
    async with (
        Plane(*objects, translate=translated, proxy=options) as plane,
        running_envoy(
            plane.address,
            folder,
            sotw=sotw,
            stats_port=stats_port,
            max_memory_bytes=max_memory_bytes,
            all_stats=all_stats,
        ) as envoy,
    ):
        await envoy.until_ready()
        running = Site(plane, options, envoy)
        await running.settled()
        yield running


@contextlib.asynccontextmanager
async def echoes(services: Iterable[Service]) -> AsyncIterator[list[KubeObject]]:
    """An echo backend for each Service, which answers with its name: yields the EndpointSlices."""
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
