"""The Kubernetes kinds that routing needs: of each the fields in use, under their Kubernetes names.

Fields are camelCase on the wire. Decoding checks types; further rules of the API server are checked where a field is
used. Kubernetes also writes an absent list as null, so every list may be None.

To add a kind, write its class here (kinds of the Gateway API: `gateway_objects`) and put the class into `kinds.KINDS`:
the decoders, the object tables, the watches and their paths read everything from the class. Nothing is served before
every kind is listed, so each API server must be able to list the kind, unless its objects are watched one by one
(`watched_alone`) or a cluster may lack the kind (`optional`). `KubeState` needs a rule for the part of the traffic that
a change makes stale. A kind that asks for routes also needs references (`references`), a class claim (`ingress_class`),
the origin in a route's metadata (`xds.resources.routes`), statuses (`xds.reporting`) and facts (`xds.explain`).

Source: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from datetime import datetime
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct, field

from xds.problems.problem import Key, ObjectRef


class Part(Struct, frozen=True, rename="camel"):
    """A part of an object: any level of its fields."""


class Metadata(Part, frozen=True):
    name: str
    namespace: str = ""
    uid: str = ""
    creation_timestamp: Annotated[datetime, Meta(tz=True)] | None = None  # aware, so that any two can be compared
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class KubeObject(Part, frozen=True):
    """A Kubernetes object of any kind.

    Attributes:
        kind: The kind's name in manifests.
        api_version: The served version with its group, `networking.k8s.io/v1`; `v1` for the core group.
        plural: The kind's name in paths of the API and in RBAC rules.
        namespaced: False for a kind whose objects belong to no namespace.
        name_is_label: Whether names are DNS labels, as Service names are; names of other kinds are DNS subdomains.
        watched_alone: Whether each object has a watch of its own while an Ingress or a flag names the object. Such a
            kind is never listed as a whole, so that rights to single objects suffice.
        older_versions: Versions with equal fields, which are read from folders too, and from API servers without
            `api_version`.
        optional: Whether a cluster may lack the kind, or the rights to it, which is no fault of the source.
    """

    kind: ClassVar[str]
    api_version: ClassVar[str]
    plural: ClassVar[str]
    namespaced: ClassVar[bool] = True
    name_is_label: ClassVar[bool] = False
    watched_alone: ClassVar[bool] = False
    older_versions: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[bool] = False

    metadata: Metadata

    @classmethod
    def group(cls) -> str:
        """The API group; empty for the core group."""
        return cls.api_version.rpartition("/")[0]

    @classmethod
    def collection(cls, namespace: str = "") -> str:
        """The path of the kind's collection on an API server; without a namespace, that of all namespaces."""
        root = f"/apis/{cls.api_version}" if cls.group() else f"/api/{cls.api_version}"
        return f"{root}/namespaces/{namespace}/{cls.plural}" if namespace else f"{root}/{cls.plural}"

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
    def hostname(self) -> str:
        """The host in lower case; empty for a rule without host."""
        return (self.host or "").lower()

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


class Ingress(KubeObject, frozen=True):
    kind: ClassVar[str] = "Ingress"
    api_version: ClassVar[str] = "networking.k8s.io/v1"
    plural: ClassVar[str] = "ingresses"

    spec: IngressSpec = IngressSpec()


class IngressClassSpec(Part, frozen=True):
    controller: str = ""


class IngressClass(KubeObject, frozen=True):
    kind: ClassVar[str] = "IngressClass"
    api_version: ClassVar[str] = "networking.k8s.io/v1"
    plural: ClassVar[str] = "ingressclasses"
    namespaced: ClassVar[bool] = False

    spec: IngressClassSpec = IngressClassSpec()


class ServicePort(Part, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    target_port: int | str | None = None

    @property
    def target_number(self) -> int | None:
        """The number of the port at the endpoints; None if the Service names the port, or leaves it open."""
        return self.target_port if isinstance(self.target_port, int) and 0 < self.target_port <= 65535 else None


class ServiceSpec(Part, frozen=True):
    type: str = "ClusterIP"
    external_name: str | None = None
    ports: tuple[ServicePort, ...] | None = None
    cluster_ip: str | None = field(default=None, name="clusterIP")
    session_affinity: str | None = None


class LoadBalancerIngress(Part, frozen=True):
    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Part, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] | None = None


class ServiceStatus(Part, frozen=True):
    """The part of `status` that is read: the addresses of a load balancer."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(KubeObject, frozen=True):
    kind: ClassVar[str] = "Service"
    api_version: ClassVar[str] = "v1"
    plural: ClassVar[str] = "services"
    name_is_label: ClassVar[bool] = True

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


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


class EndpointSlice(KubeObject, frozen=True):
    kind: ClassVar[str] = "EndpointSlice"
    api_version: ClassVar[str] = "discovery.k8s.io/v1"
    plural: ClassVar[str] = "endpointslices"

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


TLS_KEYS: Final = ("tls.crt", "tls.key", "tls.ocsp-staple", "ca.crt")
"""Of the data of a Secret, in the order of SecretData's fields."""


class SecretData(Part, frozen=True, omit_defaults=True):
    """The content of a Secret: certificate, private key, OCSP response, authorities, and the other keys. Never printed.

    Attributes:
        others: Of an API server's Secrets, only those that an annotation names have them.
    """

    tls_crt: bytes | None = field(default=None, name="tls.crt")
    tls_key: bytes | None = field(default=None, name="tls.key")
    tls_ocsp_staple: bytes | None = field(default=None, name="tls.ocsp-staple")
    ca_crt: bytes | None = field(default=None, name="ca.crt")
    others: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[str, bytes]) -> "SecretData":
        """The content with these values by key."""
        others = {name: value for name, value in values.items() if name not in TLS_KEYS}
        crt, key, staple, authorities = map(values.get, TLS_KEYS)
        return cls(crt, key, staple, authorities, others)

    @property
    def without_others(self) -> "SecretData":
        return SecretData(self.tls_crt, self.tls_key, self.tls_ocsp_staple, self.ca_crt) if self.others else self

    @property
    def all(self) -> dict[str, bytes]:
        """The values by key."""
        known = (self.tls_crt, self.tls_key, self.tls_ocsp_staple, self.ca_crt)
        return {key: value for key, value in zip(TLS_KEYS, known, strict=True) if value is not None} | self.others

    def __repr__(self) -> str:
        return "SecretData([redacted])"


class Secret(KubeObject, frozen=True):
    kind: ClassVar[str] = "Secret"
    api_version: ClassVar[str] = "v1"
    plural: ClassVar[str] = "secrets"

    data: SecretData | None = None

    def __repr__(self) -> str:
        # kubectl's last-applied annotation repeats the data.
        return f"Secret({self.key}, [redacted])"


MAX_CONFIG_MAP_BYTES: Final = 256 * 1024
"""Keys and values of a ConfigMap together. Larger ones hold files, and no options."""


class ConfigMap(KubeObject, frozen=True):
    """A ConfigMap, without annotations and labels: kubectl's last-applied annotation repeats the data.

    Attributes:
        data: None if the content isn't known: `fault` then tells why.
        fault: Why the content can't be read, or can't be read at the moment; empty: the content is current.
    """

    kind: ClassVar[str] = "ConfigMap"
    api_version: ClassVar[str] = "v1"
    plural: ClassVar[str] = "configmaps"
    watched_alone: ClassVar[bool] = True

    data: dict[str, str] | None = None
    fault: str = ""

    @classmethod
    def of(cls, metadata: Metadata, data: dict[str, str] | None) -> "ConfigMap":
        """The ConfigMap with this content, or with a fault if the content is too large."""
        kept = Metadata(metadata.name, metadata.namespace, metadata.uid)
        content = data or {}
        if sum(len(key) + len(value) for key, value in content.items()) > MAX_CONFIG_MAP_BYTES:
            return cls(kept, None, f"it holds more than {MAX_CONFIG_MAP_BYTES // 1024} KiB")
        return cls(kept, content)
