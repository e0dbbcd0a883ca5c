"""The world of loaded cases: Kubernetes objects, backends, names in DNS, certificates."""

import base64
import contextlib
import copy
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.rows.backend import Backend
from tests.rows.case import Case
from tests.support.authority import Authority, Issued

CLASS: Final = "envoy"
DEFAULT_CERTIFICATE: Final = ("ingress-nginx", "default")
_DEFAULT_COMMON_NAME: Final = "Kubernetes Ingress Controller Fake Certificate"
"""That of the certificate that ingress-nginx makes where none is given."""
_DNS_PORT: Final = 53
_TTL_SECONDS: Final = 5
_ENDPOINT_PORT: Final = 8080
_API_VERSIONS: Final = {
    "Ingress": "networking.k8s.io/v1",
    "IngressClass": "networking.k8s.io/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}

Object = dict[str, Any]


class NameServer:
    """A records of Services, and of hosts that a case declares; other names don't exist.

    Attributes:
        addresses: By name in lower case.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", _DNS_PORT))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            with contextlib.suppress(IndexError, UnicodeDecodeError, struct.error):
                self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        """Source: https://www.rfc-editor.org/rfc/rfc1035#section-4.1"""
        at, labels = 12, []
        while size := query[at]:
            labels.append(query[at + 1 : at + 1 + size].decode())
            at += 1 + size
        (kind,) = struct.unpack(">H", query[at + 1 : at + 3])
        address = self.addresses.get(".".join(labels).lower())
        record = b""
        if address and kind == 1:
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, _TTL_SECONDS, 4) + socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0) + query[12 : at + 5] + record


class World:
    """Everything beside the product, of the cases of one batch.

    Args:
        folder: For certificates.
        names: Is given the names of the cases.

    Attributes:
        objects: To serve.
    """

    def __init__(self, folder: Path, names: NameServer) -> None:
        self.objects: list[Object] = []
        self._folder = folder
        self._names = names
        self._backends: list[Backend] = []
        self._of_case: dict[str, Backend] = {}
        self._authorities: dict[str, Authority] = {}
        self._endpoints = self._services = 0
        namespace, name = DEFAULT_CERTIFICATE
        issued = Authority().issue("ingress.local", common_name=_DEFAULT_COMMON_NAME)
        self._add(_secret({"name": name}, namespace, "kubernetes.io/tls", _pair(issued)), 0)

    def load(self, case: Case) -> None:
        """Add the objects of a case, and start its backends."""
        wave = 0
        self._authorities, self._of_case = {}, {}
        for namespace in case.namespaces.values():
            self._add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, 0)
        for written in case.data["objects"]:
            if written.get("kind") == "@wait":
                wave += 1
            for each in self._expanded(case, written):
                self._add(each, wave)

    def close(self) -> None:
        for backend in self._backends:
            backend.close()
        self._names.addresses.clear()

    def _add(self, each: Object, wave: int) -> None:
        each["metadata"].setdefault("creationTimestamp", f"2026-01-01T00:{wave:02d}:00Z")
        self.objects.append(each)

    def _expanded(self, case: Case, written: Object) -> Iterator[Object]:
        kind = written["kind"]
        metadata = written.get("metadata") or {}
        namespace = written.get("namespace") or metadata.get("namespace") or "default"
        namespace = case.namespaces.get(namespace, namespace)
        match kind:
            case "@wait":
                return
            case "@ca":
                yield self._ca(case, written, namespace)
            case "@tls":
                hosts = written["hosts"]
                authority = self._authorities[written["ca"]] if written.get("ca") else Authority()
                issued = authority.issue(*hosts, common_name=written.get("cn") or hosts[0])
                yield _secret(written, namespace, "kubernetes.io/tls", _pair(issued))
            case "@backend":
                yield from self._backend(written, namespace)
            case "@host":
                self._names.addresses[written["name"].lower()] = self._of_case[written["backend"]].address
            case _:
                yield self._object(case, copy.deepcopy(written), namespace)

    def _ca(self, case: Case, written: Object, namespace: str) -> Object:
        name = written["name"]
        authority = self._authorities[name] = Authority(name)
        for client in written.get("clients", ()):
            common_name = client if isinstance(client, str) else client["cn"]
            issued = authority.issue(common_name=common_name)
            stem = f"{case.namespace}-{name}-{common_name}".replace("/", "-").replace(" ", "-")
            files = (self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
            files[0].write_bytes(issued.certificate)
            files[1].write_bytes(issued.private_key)
            case.clients |= {str(client): files, common_name: files, f"{name}/{common_name}": files}
        data = {written.get("key", "ca.crt"): authority.pem}
        if server := written.get("cert"):
            names = [server] if isinstance(server, str) else server
            data |= _pair(authority.issue(*names, common_name=names[0]))
        return _secret(written, namespace, "Opaque", data)

    def _object(self, case: Case, each: Object, namespace: str) -> Object:
        kind = each["kind"]
        each = _replaced(case, each)
        each.setdefault("apiVersion", _API_VERSIONS.get(kind, "v1"))
        metadata = each.setdefault("metadata", {})
        if kind == "Namespace":
            metadata["name"] = case.namespaces.get(metadata["name"], metadata["name"])
        elif kind not in ("IngressClass", "Node"):
            metadata["namespace"] = namespace
        if kind == "Secret":
            text = {name: _base64(value.encode()) for name, value in (each.pop("stringData", None) or {}).items()}
            each["data"] = (each.get("data") or {}) | text
            each.setdefault("type", "Opaque")
        spec = each.get("spec") or {}
        if kind == "Service" and spec.get("type") != "ExternalName" and "clusterIP" not in spec:
            spec["clusterIP"] = self._service_address()
            self._names.addresses[f"{metadata['name']}.{namespace}.svc.cluster.local"] = spec["clusterIP"]
        if kind == "Ingress" and metadata.get("annotations"):
            pairs = metadata["annotations"].items()
            metadata["annotations"] = {name: v if isinstance(v, str) else json.dumps(v) for name, v in pairs}
        return each

    def _backend(self, written: Object, namespace: str) -> Iterator[Object]:
        """A Service with an EndpointSlice. The servers run, also at the Service's own address."""
        name, options = written["name"], written.get("options") or {}
        port, port_name = written.get("port", 80), written.get("port_name", "http")
        tls = self._server_tls(name, namespace, options)
        service_address = self._service_address()
        addresses = []
        for number in range(1, options.get("endpoints", 1) + 1):
            own = options | options.get("per_endpoint", {}).get(str(number), {})
            backend = Backend(name if number == 1 else f"{name}-{number}", own, self._endpoint_address(), tls)
            addresses.append(backend.address)
            self._backends.append(backend)
            self._of_case.setdefault(name, backend)
            down = options.get("down") or ()
            if down is not True and number not in down:
                _listen(backend, is_tls=tls is not None)
                if number == 1:
                    _listen_as_service(backend, service_address, port, is_tls=tls is not None)
        domain = f"{name}.{namespace}"
        for suffix in ("", ".svc", ".svc.cluster.local"):
            self._names.addresses[domain + suffix] = service_address
        yield _service(written, namespace, service_address, port_name)
        if not options.get("no_endpoints"):
            not_ready = options.get("not_ready") or []
            yield _slice(name, namespace, port_name, addresses, not_ready)

    def _server_tls(self, name: str, namespace: str, options: Object) -> ssl.SSLContext | None:
        if not options.get("tls"):
            return None
        asked = options["tls"] if isinstance(options["tls"], dict) else {}
        hosts = asked.get("hosts") or [f"{name}.{namespace}.svc", f"{name}.default.svc.cluster.local"]
        authority = self._authorities[asked["ca"]] if asked.get("ca") else Authority()
        issued = authority.issue(*hosts, common_name=hosts[0])
        file = self._folder / f"{namespace}-{name}.pem"
        file.write_bytes(issued.certificate + issued.private_key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if options.get("h2"):
            context.set_alpn_protocols(["h2"])
        if asked.get("client_ca"):
            context.load_verify_locations(cadata=self._authorities[asked["client_ca"]].pem.decode())
            required = asked.get("require_client", True)
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context

    def _endpoint_address(self) -> str:
        self._endpoints += 1
        return f"10.244.{self._endpoints // 250}.{self._endpoints % 250 + 1}"

    def _service_address(self) -> str:
        self._services += 1
        return f"10.96.{100 + self._services // 250}.{self._services % 250 + 1}"


def _listen(backend: Backend, *, is_tls: bool) -> None:
    backend.listen(backend.address, _ENDPOINT_PORT)
    backend.listen(backend.address, 80, plain=True)
    if is_tls:
        backend.listen(backend.address, 443)


def _listen_as_service(backend: Backend, address: str, port: int, *, is_tls: bool) -> None:
    """Listen as kube-proxy would, with the first endpoint behind."""
    for each in {port, 80, 443 if is_tls else 80}:
        backend.listen(address, each, plain=each == 80 and port != 80)


def _service(written: Object, namespace: str, address: str, port_name: str) -> Object:
    protocol = {"appProtocol": written["app_protocol"]} if written.get("app_protocol") else {}
    port = {"name": port_name, "port": written.get("port", 80), "targetPort": _ENDPOINT_PORT, **protocol}
    metadata = {"name": written["name"], "namespace": namespace, "annotations": written.get("annotations") or {}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": address, "ports": [port]},
    }


def _slice(name: str, namespace: str, port_name: str, addresses: list[str], not_ready: list[int]) -> Object:
    endpoints = [
        {"addresses": [address], "conditions": {"ready": number not in not_ready}}
        for number, address in enumerate(addresses, 1)
    ]
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": port_name, "port": _ENDPOINT_PORT, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def _secret(written: Object, namespace: str, kind: str, data: dict[str, bytes]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": written["name"], "namespace": namespace},
        "type": written.get("type", kind),
        "data": {name: _base64(value) for name, value in data.items()},
    }


def _pair(issued: Issued) -> dict[str, bytes]:
    return {"tls.crt": issued.certificate, "tls.key": issued.private_key}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _replaced(case: Case, value: Any) -> Any:
    """A part of an object with the class and the namespaces of the run."""
    if isinstance(value, str):
        return case.renamed(value).replace("@class", CLASS)
    if isinstance(value, dict):
        return {name: _replaced(case, each) for name, each in value.items()}
    return [_replaced(case, each) for each in value] if isinstance(value, list) else value
