"""Services, EndpointSlices and Ingresses by number: `web-7` is the Service behind `host-7.example.com`."""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

ENDPOINTS: Final = 10
NAMESPACE: Final = "bench"
IN_A_FILE: Final = 1000
MEMORY: Final = "/dev/shm"

Object = dict[str, Any]
Annotations: TypeAlias = Callable[[int], Mapping[str, str]]

_GATEWAY_API: Final = "gateway.networking.k8s.io/v1"

NO_ANNOTATIONS: Final[Mapping[str, str]] = {}


def unannotated(number: int) -> Mapping[str, str]:
    del number
    return NO_ANNOTATIONS


def service(number: int) -> Object:
    return service_named(f"web-{number}")


def service_named(name: str) -> Object:
    """A Service without a selector, which the EndpointSlice controller leaves alone."""
    spec = {"clusterIP": "None", "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(name), "spec": spec}


def endpoint_slice(number: int, first: str = "") -> Object:
    """Of ENDPOINTS endpoints; the address of the first can be chosen."""
    network = f"10.{number >> 8}.{number & 255}"
    addresses = [f"{network}.{host}" for host in range(1, ENDPOINTS + 1)]
    if first:
        addresses[0] = first
    name = f"web-{number}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**_metadata(f"{name}-1"), "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}, "nodeName": "node-1"} for address in addresses
        ],
    }


def ingress(
    number: int, path: str = "/", *, shared: str = "", annotations: Mapping[str, str] = NO_ANNOTATIONS
) -> Object:
    """An Ingress, with a second path `/shared` if a shared Service is named."""
    paths = [_path(path, f"web-{number}")]
    if shared:
        paths.append(_path("/shared", shared))
    rule = {"host": f"host-{number}.example.com", "http": {"paths": paths}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _metadata(f"web-{number}") | ({"annotations": dict(annotations)} if annotations else {}),
        "spec": {"ingressClassName": "envoy", "rules": [rule]},
    }


def _path(path: str, service: str) -> Object:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}


def cluster_name(number: int) -> str:
    """Of the Envoy cluster."""
    return f"{NAMESPACE}/web-{number}/80"


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE}


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where Linux has one: the cost of a disk says nothing about the server."""
    return tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None)


class Site:
    """A folder with `count` Ingresses, Services and EndpointSlices. Objects that will change have their own files, so
    that a change is one small file.

    Attributes:
        flags: Of the server.

    Args:
        moving: Numbers of the EndpointSlices that will change.
        edited: Numbers of the Ingresses that will change.
        annotations: Of an Ingress, by number.
    """

    flags: tuple[str, ...] = ()

    def __init__(
        self,
        folder: Path,
        count: int,
        moving: Sequence[int] = (),
        edited: Sequence[int] = (),
        annotations: Annotations = unannotated,
    ) -> None:
        self.folder = folder
        self._annotations = annotations
        folder.mkdir(exist_ok=True)
        numbers = range(count)
        self._fill("services", map(service, numbers))
        self._fill("slices", (endpoint_slice(number) for number in numbers if number not in moving))
        self._fill("ingresses", (self._ingress(number) for number in numbers if number not in edited))
        for number in moving:
            self.move(number, "")
        for number in edited:
            self.edit(number, "/")

    def move(self, number: int, first: str) -> None:
        """The first endpoint gets another address."""
        self._write(f"slice-{number}", endpoint_slice(number, first))

    def edit(self, number: int, path: str) -> None:
        """The Ingress has another path."""
        self._write(f"ingress-{number}", self._ingress(number, path))

    def _ingress(self, number: int, path: str = "/") -> Object:
        return ingress(number, path, annotations=self._annotations(number))

    def _fill(self, name: str, objects: Iterable[Object]) -> None:
        items = list(objects)
        for start in range(0, len(items), IN_A_FILE):
            self._write(f"{name}-{start}", {"apiVersion": "v1", "kind": "List", "items": items[start:][:IN_A_FILE]})

    def _write(self, name: str, content: Object) -> None:
        """By a rename, as careful editors do."""
        new = self.folder / f".{name}.tmp"
        new.write_text(json.dumps(content))
        new.replace(self.folder / f"{name}.json")


class GatewaySite(Site):
    """A folder with an HTTPRoute in place of each Ingress, and the Gateway."""

    flags = ("--gateway-address", "192.0.2.1")

    def __init__(self, folder: Path, count: int, moving: Sequence[int] = (), edited: Sequence[int] = ()) -> None:
        super().__init__(folder, count, moving, edited)
        self._write("gateway", {"apiVersion": "v1", "kind": "List", "items": _gateway()})

    def _ingress(self, number: int, path: str = "/") -> Object:
        return http_route(number, path)


def http_route(number: int, path: str = "/") -> Object:
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": [{"name": f"web-{number}", "port": 80}],
    }
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": [f"host-{number}.example.com"], "rules": [rule]}
    return {"apiVersion": _GATEWAY_API, "kind": "HTTPRoute", "metadata": _metadata(f"web-{number}"), "spec": spec}


def _gateway() -> list[Object]:
    controller = {"controllerName": "xds-ingress.dev/gateway-controller"}
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    spec = {"gatewayClassName": "ours", "listeners": listeners}
    return [
        {"apiVersion": _GATEWAY_API, "kind": "GatewayClass", "metadata": {"name": "ours"}, "spec": controller},
        {"apiVersion": _GATEWAY_API, "kind": "Gateway", "metadata": _metadata("edge"), "spec": spec},
    ]
