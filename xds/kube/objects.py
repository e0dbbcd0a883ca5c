"""The Kubernetes objects that matter here, with their own field names (camelCase on the wire) and nothing else.

Decoding checks the types; what the API server would validate beyond that is checked where it is used. Kubernetes
writes absent lists as null too, so every list may be None.

Source: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from datetime import datetime
from typing import Annotated, ClassVar, TypeAlias

from msgspec import Meta, Struct, field

from xds.problems.problem import Key, ObjectRef


class Part(Struct, frozen=True, rename="camel"):
    """A part of an object."""


class Metadata(Part, frozen=True):
    name: str
    namespace: str = ""
    uid: str = ""
    creation_timestamp: Annotated[datetime, Meta(tz=True)] | None = None  # aware, so that any two can be compared
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Object(Part, frozen=True):
    """What all kinds share."""

    kind: ClassVar[str]

    metadata: Metadata

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations or {}


class ServiceBackendPort(Part, frozen=True):
    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return self.name or str(self.number)


class IngressServiceBackend(Part, frozen=True):
    name: str
    port: ServiceBackendPort = ServiceBackendPort()


class TypedLocalObjectReference(Part, frozen=True):
    kind: str
    name: str


class IngressBackend(Part, frozen=True):
    service: IngressServiceBackend | None = None
    resource: TypedLocalObjectReference | None = None


class HTTPIngressPath(Part, frozen=True):
    path_type: str
    backend: IngressBackend
    path: str | None = None


class HTTPIngressRuleValue(Part, frozen=True):
    paths: tuple[HTTPIngressPath, ...] | None = None


class IngressRule(Part, frozen=True):
    host: str | None = None
    http: HTTPIngressRuleValue | None = None

    @property
    def paths(self) -> tuple[HTTPIngressPath, ...]:
        return (self.http and self.http.paths) or ()


class IngressTLS(Part, frozen=True):
    hosts: tuple[str, ...] | None = None
    secret_name: str | None = None


class IngressSpec(Part, frozen=True):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] | None = None
    tls: tuple[IngressTLS, ...] | None = None


class Ingress(Object, frozen=True):
    kind: ClassVar[str] = "Ingress"

    spec: IngressSpec = IngressSpec()


class IngressClassSpec(Part, frozen=True):
    controller: str = ""


class IngressClass(Object, frozen=True):
    kind: ClassVar[str] = "IngressClass"

    spec: IngressClassSpec = IngressClassSpec()


class ServicePort(Part, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None


class ServiceSpec(Part, frozen=True):
    type: str = "ClusterIP"
    external_name: str | None = None
    ports: tuple[ServicePort, ...] | None = None


class Service(Object, frozen=True):
    kind: ClassVar[str] = "Service"

    spec: ServiceSpec = ServiceSpec()


class EndpointPort(Part, frozen=True):
    port: int | None = None
    name: str | None = None
    protocol: str | None = None


class EndpointConditions(Part, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Part, frozen=True):
    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None
    zone: str | None = None


class EndpointSlice(Object, frozen=True):
    kind: ClassVar[str] = "EndpointSlice"

    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None

    @property
    def service(self) -> Key | None:
        """The Service that owns it; None for a slice that belongs to none.

        Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#ownership
        """
        name = (self.metadata.labels or {}).get("kubernetes.io/service-name")
        return Key(self.metadata.namespace, name) if name else None


class SecretData(Part, frozen=True):
    """The two keys that TLS needs, base64 on the wire. Never printed."""

    tls_crt: bytes | None = field(default=None, name="tls.crt")
    tls_key: bytes | None = field(default=None, name="tls.key")

    def __repr__(self) -> str:
        return "SecretData([redacted])"


class Secret(Object, frozen=True):
    kind: ClassVar[str] = "Secret"

    data: SecretData | None = None

    def __repr__(self) -> str:
        # kubectl's last-applied annotation holds the data once more.
        return f"Secret({self.key}, [redacted])"


KubeObject: TypeAlias = Ingress | IngressClass | Service | EndpointSlice | Secret

KINDS: tuple[type[KubeObject], ...] = (IngressClass, Ingress, Service, EndpointSlice, Secret)
