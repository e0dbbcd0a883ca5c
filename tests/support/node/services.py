"""The addresses of Services: the part of kube-proxy and of a cloud's load balancer. Connections are relayed to ready
endpoints, and without any to serving endpoints of terminating Pods.

Source: https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterator
from typing import Final

from tests.support.node.api import Api, Object, key

SERVICES: Final = "/api/v1/services"
SLICES: Final = "/apis/discovery.k8s.io/v1/endpointslices"

CHUNK_BYTES: Final = 65_536

_Place = tuple[str, int]
"""An address and a port."""

_log = logging.getLogger(__name__)


class Services:
    """All Services of an API server; `run` until cancelled.

    Attributes:
        services: By NAMESPACE/NAME, like `slices`.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.services: dict[str, Object] = {}
        self.slices: dict[str, Object] = {}
        self._changed = asyncio.Event()
        self._listeners: dict[_Place, asyncio.Server] = {}
        self._ports: dict[_Place, tuple[str, str]] = {}
        self._turns = itertools.count()
        self._balancers: dict[str, str] = {}
        self._free: Iterator[str] = (f"198.51.100.{host}" for host in range(1, 255))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._api.kept(SERVICES, self.services, self._changed))
            tasks.create_task(self._api.kept(SLICES, self.slices))
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._listen()
                await self._publish()

    def endpoints(self, service: str, port_name: str) -> list[_Place]:
        """Where a connection may go."""
        found = [
            (endpoint, port["port"])
            for each in self.slices.values()
            if _is_of(each, service) and each["addressType"] == "IPv4"
            for port in each.get("ports") or ()
            if (port.get("name") or "") == port_name
            for endpoint in each.get("endpoints") or ()
        ]
        ready = [each for each in found if each[0]["conditions"].get("ready")]
        serving = [each for each in found if each[0]["conditions"].get("serving")]
        return [(endpoint["addresses"][0], port) for endpoint, port in ready or serving]

    def addresses(self, service: str) -> list[str]:
        """The addresses of a Service for a name server; a headless Service has the addresses of Pods."""
        spec = self.services[service]["spec"]
        if spec.get("clusterIP") != "None":
            return [spec["clusterIP"]] if spec.get("clusterIP") else []
        every = spec.get("publishNotReadyAddresses", False)
        return [
            endpoint["addresses"][0]
            for each in self.slices.values()
            if _is_of(each, service)
            for endpoint in each.get("endpoints") or ()
            if every or endpoint["conditions"].get("ready")
        ]

    async def _listen(self) -> None:
        wanted = {place: port for service in self.services.values() for place, port in self._places(service)}
        for place in self._listeners.keys() - wanted.keys():
            self._listeners.pop(place).close()
        self._ports = wanted
        for place in wanted.keys() - self._listeners.keys():
            with contextlib.suppress(OSError):  # an address of nobody, or a port in use
                self._listeners[place] = await asyncio.start_server(self._accept, *place)

    def _places(self, service: Object) -> Iterator[tuple[_Place, tuple[str, str]]]:
        spec = service["spec"]
        addresses = [each for each in spec.get("clusterIPs") or () if each != "None" and ":" not in each]
        if spec.get("type") == "LoadBalancer":
            addresses.append(self._balancer(key(service)))
        for address, port in itertools.product(addresses, spec.get("ports") or ()):
            if port.get("protocol", "TCP") == "TCP":
                yield (address, port["port"]), (key(service), port.get("name") or "")

    def _balancer(self, service: str) -> str:
        if service not in self._balancers:
            self._balancers[service] = next(self._free)
        return self._balancers[service]

    async def _publish(self) -> None:
        """The cloud's part: the addresses of load balancers."""
        for service in list(self.services.values()):
            if service["spec"].get("type") != "LoadBalancer" or service.get("status", {}).get("loadBalancer"):
                continue
            status = {"loadBalancer": {"ingress": [{"ip": self._balancer(key(service))}]}}
            path = (
                f"/api/v1/namespaces/{service['metadata']['namespace']}/services/{service['metadata']['name']}/status"
            )
            await self._api.call("PATCH", path, {"status": status}, optional=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")[:2]
        places = self.endpoints(*self._ports.get((host, port), ("", "")))
        try:
            if not places:
                _log.info("%s:%s has no endpoint", host, port)
                return
            there = await asyncio.open_connection(*places[next(self._turns) % len(places)])
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        except OSError as error:
            _log.info("%s:%s: %r", host, port, error)
        except asyncio.CancelledError:  # the end of this process, of which asyncio would print a traceback
            pass
        finally:
            writer.close()


def _is_of(endpoint_slice: Object, service: str) -> bool:
    metadata = endpoint_slice["metadata"]
    return f"{metadata['namespace']}/{metadata['labels'].get('kubernetes.io/service-name')}" == service


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Relay one direction until the end; an error ends both directions."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()
