"""The kubelet's part: pods that run, become ready, terminate and end. The real EndpointSlice controller makes endpoints
of them.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.cluster.control_plane import NODE, Cluster


def addresses() -> Iterator[str]:
    """Addresses that are local in the namespace of `netns`, and that the API server accepts in an EndpointSlice."""
    return (f"192.0.2.{host}" for host in range(2, 255))


@dataclass(slots=True)
class Pod:
    """A pod of a Service. Its methods return when the API server has the change; endpoints follow later.

    Args:
        ports: By name, for a named `targetPort`.
    """

    cluster: Cluster
    namespace: str
    name: str
    address: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)

    async def start(self, *, ready: bool = True) -> None:
        """Create the pod, running and with its address."""
        ports = [{"name": name, "containerPort": port} for name, port in self.ports.items()]
        containers = [{"name": "main", "image": "none", "ports": ports}]
        metadata = {"name": self.name, "labels": dict(self.labels)}
        spec = {"nodeName": NODE, "containers": containers, "automountServiceAccountToken": False}
        await self.cluster.request("POST", self._collection, {"metadata": metadata, "spec": spec})
        await self.set_ready(ready)

    async def set_ready(self, ready: bool) -> None:
        """Set the result of the readiness probe."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        addresses = {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        status = {"phase": "Running", "conditions": conditions, **addresses}
        await self.cluster.request("PATCH", f"{self._path}/status", {"status": status})

    async def terminate(self, *, grace: int = 30) -> None:
        """Delete the pod, which runs on until `end`: its endpoint is terminating, and serving if ready."""
        await self.cluster.request("DELETE", self._path, {"gracePeriodSeconds": grace})

    async def end(self) -> None:
        """Remove the pod at once."""
        await self.cluster.request("DELETE", self._path, {"gracePeriodSeconds": 0})

    @property
    def _collection(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self.name}"


def slices_path(namespace: str, service: str) -> str:
    """The path of the EndpointSlices of a Service."""
    query = f"labelSelector=kubernetes.io/service-name%3D{service}"
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?{query}"


def states(slices: Any) -> dict[str, str]:
    """The endpoints of a list of slices by their addresses: `ready`, `serving` (ready, but terminating), `terminating`
    or `not ready`.
    """
    endpoints = itertools.chain.from_iterable(each["endpoints"] or () for each in slices["items"])
    return {each["addresses"][0]: _state(each["conditions"]) for each in endpoints}


def _state(conditions: Mapping[str, bool]) -> str:
    if conditions["terminating"]:
        return "serving" if conditions["serving"] else "terminating"
    return "ready" if conditions["ready"] else "not ready"


async def until_endpoints(cluster: Cluster, namespace: str, service: str, expected: Mapping[str, str]) -> None:
    """Wait until the EndpointSlices of a Service have exactly these endpoints: see `states`."""
    await cluster.until(slices_path(namespace, service), lambda found: states(found) == expected)
