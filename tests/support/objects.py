"""Short makers for Kubernetes objects, with real certificates, and the way from objects to a Translator.

The namespace is `default` unless given.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Change, Listed
from xds.kube.ingress_class import CONTROLLER, DEFAULT_CLASS_ANNOTATION
from xds.kube.kinds import KINDS
from xds.kube.objects import (
    ConfigMap,
    Endpoint,
    EndpointSlice,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressRule,
    IngressTLS,
    KubeObject,
    Metadata,
    Secret,
    SecretData,
    Service,
)
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Key, Problem
from xds.problems.registry import ProblemRegistry
from xds.resources.options import ProxyOptions
from xds.steps import finish
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.gateway.options import NO_GATEWAYS, GatewayOptions
from xds.translate.layer4.options import NO_LAYER4, Layer4Options
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership
from xds.translate.translator import Translator

NS = "default"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def key(name: str, ns: str = NS) -> Key:
    return Key(ns, name)


def born(day: int) -> datetime:
    """A creationTimestamp: the smaller the older."""
    return EPOCH + timedelta(days=day)


def metadata(name: str, ns: str = NS, **fields: Any) -> dict[str, Any]:
    return {"name": name, "namespace": ns, **{name: value for name, value in fields.items() if value is not None}}


# Ingresses


def backend(text: str) -> IngressBackend:
    """`web` (port 80), `web:8080`, `web:http` (by name), or `bucket!` for a resource backend."""
    if text.endswith("!"):
        resource = {"apiGroup": "k8s.example.com", "kind": "StorageBucket", "name": text.removesuffix("!")}
        return msgspec.convert({"resource": resource}, IngressBackend)
    name, _, port = text.partition(":")
    by = {"name": port} if port and not port.isdigit() else {"number": int(port or 80)}
    return msgspec.convert({"service": {"name": name, "port": by}}, IngressBackend)


def path(text: str | None, to: str = "web", type_: str = "Prefix") -> HTTPIngressPath:
    return HTTPIngressPath(path_type=type_, backend=backend(to), path=text)


def exact(text: str, to: str = "web") -> HTTPIngressPath:
    return path(text, to, "Exact")


def specific(text: str | None, to: str = "web") -> HTTPIngressPath:
    return path(text, to, "ImplementationSpecific")


def rule(host: str | None, *paths: HTTPIngressPath) -> IngressRule:
    """A rule; without paths, a rule without `http`."""
    built = {"host": host, "http": {"paths": [msgspec.to_builtins(each) for each in paths]} if paths else None}
    return msgspec.convert(built, IngressRule)


def tls(*hosts: str, secret: str | None = None) -> IngressTLS:
    return IngressTLS(hosts=hosts or None, secret_name=secret)


def ingress(
    name: str,
    *rules: IngressRule,
    ns: str = NS,
    created: int | None = None,
    class_name: str | None = "envoy",
    default: str | None = None,
    tls: Iterable[IngressTLS] | None = None,
    annotations: dict[str, str] | None = None,
) -> Ingress:
    spec = {
        "ingressClassName": class_name,
        "rules": [msgspec.to_builtins(each) for each in rules] or None,
        "tls": [msgspec.to_builtins(each) for each in tls] if tls is not None else None,
        "defaultBackend": msgspec.to_builtins(backend(default)) if default else None,
    }
    created_at = None if created is None else born(created)
    meta = metadata(name, ns, creationTimestamp=created_at, annotations=annotations)
    return msgspec.convert({"metadata": meta, "spec": spec}, Ingress)


def ingress_class(name: str = "envoy", controller: str = CONTROLLER, *, default: bool = False) -> IngressClass:
    annotations = {DEFAULT_CLASS_ANNOTATION: "true"} if default else None
    meta = metadata(name, "", annotations=annotations)
    return msgspec.convert({"metadata": meta, "spec": {"controller": controller}}, IngressClass)


# Services and endpoints


def service(
    name: str = "web",
    *ports: int | str | dict[str, Any],
    ns: str = NS,
    day: int | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Service:
    """A port is a number, `name:number`, or the fields as in a manifest; 80 where none is given.

    Args:
        day: Of the creation, see `born`; None: unknown.
    """
    built = {"ports": [_service_port(port) for port in ports or (80,)], **spec}
    fields = {"creationTimestamp": born(day)} if day else {}
    return msgspec.convert({"metadata": metadata(name, ns, annotations=annotations, **fields), "spec": built}, Service)


def external(name: str, dns: str, *ports: int | str | dict[str, Any], ns: str = NS) -> Service:
    return service(name, *ports, ns=ns, type="ExternalName", externalName=dns)


def _service_port(port: int | str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(port, str):
        name, _, number = port.partition(":")
        return {"name": name, "port": int(number)}
    return {"port": port} if isinstance(port, int) else port


def endpoint(
    *addresses: str,
    ready: bool | None = True,
    serving: bool | None = None,
    terminating: bool | None = None,
    zone: str | None = None,
) -> Endpoint:
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    return msgspec.convert({"addresses": addresses, "conditions": conditions, "zone": zone}, Endpoint)


def slice_of(
    service: str | None,
    *endpoints: Endpoint | str,
    name: str = "",
    ns: str = NS,
    ports: Iterable[int | str | dict[str, Any]] = (8080,),
    address_type: str = "IPv4",
) -> EndpointSlice:
    """An EndpointSlice of a Service, called `<service>-1` where no name is given. Text is a ready address."""
    labels = {"kubernetes.io/service-name": service} if service else None
    built = [endpoint(each) if isinstance(each, str) else each for each in endpoints]
    fields = {
        "metadata": metadata(name or f"{service}-1", ns, labels=labels),
        "addressType": address_type,
        "endpoints": [msgspec.to_builtins(each) for each in built],
        "ports": [_service_port(port) for port in ports],
    }
    return msgspec.convert(fields, EndpointSlice)


# Certificates


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    chain: bytes
    key: bytes = field(repr=False)


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FOREVER = datetime(2125, 1, 1, tzinfo=UTC)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@functools.cache
def certificate(
    *hosts: str, kind: str = "p256", begins: datetime = LONG_AGO, until: datetime = FOREVER, serial: int = 1
) -> Pair:
    """A self-signed certificate for the hosts, cached by arguments. Another `serial` gives another certificate."""
    private = _private_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (hosts or ("test",))[0][:64])])
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts or ("test",)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(serial).not_valid_before(begins).not_valid_after(until)
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = builder.add_extension(names, critical=False).sign(private, algorithm)
    return Pair(signed.public_bytes(serialization.Encoding.PEM), _pem(private))


def encrypted(pair: Pair) -> Pair:
    """The pair with a private key that needs a passphrase."""
    private = serialization.load_pem_private_key(pair.key, None)
    return Pair(
        pair.chain,
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        ),
    )


def _private_key(kind: str) -> PrivateKey:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind]())


_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}


def _pem(private: PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def secret(name: str, pair: Pair | None = None, *, ns: str = NS) -> Secret:
    """Without a pair: a good certificate for the host `test`."""
    pair = pair or certificate()
    return secret_of(name, pair.chain, pair.key, ns=ns)


def secret_of(
    name: str, chain: bytes | None, private_key: bytes | None, *, staple: bytes | None = None, ns: str = NS
) -> Secret:
    """A Secret with exactly these bytes, valid or not."""
    data = {"tls.crt": chain, "tls.key": private_key, "tls.ocsp-staple": staple}
    present = {name: value for name, value in data.items() if value is not None}
    # msgspec takes bytes unchanged from Python, and base64 only from JSON.
    return msgspec.convert({"metadata": metadata(name, ns), "data": present}, Secret)


def authorities(name: str, pem: bytes | None = None, *, revoked: bytes | None = None, ns: str = NS) -> Secret:
    """A Secret with certificates of authorities, and lists of revoked certificates. Without: some authority."""
    pem = certificate("authority").chain if pem is None else pem
    return Secret(Metadata(name, ns), SecretData(ca_crt=pem, others={"ca.crl": revoked} if revoked is not None else {}))


def password_file(content: str | bytes, name: str = "users", *, ns: str = NS) -> Secret:
    """A Secret with a password file."""
    content = content.encode() if isinstance(content, str) else content
    return Secret(Metadata(name, ns), SecretData(others={"auth": content}))


def password_map(name: str = "users", *, ns: str = NS, **hashes: str) -> Secret:
    """A Secret whose keys are users."""
    return Secret(Metadata(name, ns), SecretData(others={user: text.encode() for user, text in hashes.items()}))


def config_map(name: str, *, ns: str = NS, **data: str) -> ConfigMap:
    """A ConfigMap, with underscores for the hyphens of its keys."""
    return ConfigMap(Metadata(name, ns), {key.replace("_", "-"): value for key, value in data.items()})


# From objects to traffic


class World:
    """A fully listed state, and a Translator kept in step with it."""

    def __init__(
        self,
        *objects: KubeObject,
        allow_external_name: bool = False,
        default_tls_secret: str | None = None,
        claim_classless: bool = False,
        ignored_annotations: frozenset[str] = frozenset(),
        is_compatible: bool = False,
        allow_cross_namespace: bool = False,
        has_tracer: bool = False,
        has_authz: bool = False,
        nginx_configmap: Key | None = None,
        default_service: Key | None = None,
        max_regex_size: int = DEFAULT_MAX_REGEX_SIZE,
        host_ownership: HostOwnership = HostOwnership.SHARED,
        published: Key | None = None,
        passes_tls: bool = False,
        layer4: Layer4Options = NO_LAYER4,
        gateway: GatewayOptions = NO_GATEWAYS,
        now: datetime = NOW,
    ) -> None:
        self.now = now
        default = key(default_tls_secret) if default_tls_secret else None
        options = TranslateOptions(
            allow_external_name,
            default,
            ignored_annotations,
            is_compatible,
            allow_cross_namespace=allow_cross_namespace,
            has_tracer=has_tracer,
            has_authz=has_authz,
            nginx_configmap=nginx_configmap,
            default_service=default_service,
            max_regex_size=max_regex_size,
            host_ownership=host_ownership,
            published=published,
            passes_tls=passes_tls,
            layer4=layer4,
            gateway=gateway,
        )
        self.state = KubeState(
            claim_classless=claim_classless,
            default_tls_secret=default,
            default_service=options.default_service,
            annotated=options.annotated,
            config_maps=options.config_maps,
            config_references=options.config_references,
            config_asked=options.config_asked,
        )
        self.registry = ProblemRegistry()
        self.traffic = Translator(self.state, options, self.registry)
        self.apply(*(Listed(kind) for kind in KINDS))
        self.add(*objects)

    def apply(self, *changes: Change) -> None:
        stale = Stale.union([self.state.apply(change) for change in changes])
        finish(self.traffic.update(stale, self.now))
        self.traffic.publish()

    def add(self, *objects: KubeObject) -> None:
        self.apply(*(Applied(each) for each in objects))

    @property
    def problems(self) -> list[Problem]:
        for backend in self.traffic.backends.values():
            self.traffic.localities(backend)
        return self.registry.problems

    def reasons(self) -> list[tuple[str, str]]:
        """Object name and reason of each problem."""
        return [(each.object.name, each.reason) for each in self.problems]

    def problem(self, reason: str) -> Problem:
        """The only problem of the reason."""
        found = [each for each in self.problems if each.reason == reason]
        assert len(found) == 1, self.problems
        return found[0]


def pipeline(
    *objects: KubeObject,
    translate: TranslateOptions | None = None,
    proxy: ProxyOptions | None = None,
    claim_classless: bool = False,
) -> Pipeline:
    """A pipeline fed the objects in one batch, with every kind listed."""
    translate = translate or TranslateOptions()
    state = KubeState(
        claim_classless=claim_classless,
        default_tls_secret=translate.default_tls_secret,
        default_service=translate.default_service,
        config_maps=translate.config_maps,
        config_references=translate.config_references,
        config_asked=translate.config_asked,
        annotated=translate.annotated,
    )
    built = Pipeline(state, translate, proxy or ProxyOptions())
    changes: list[Change] = [*(Applied(each) for each in objects), *(Listed(kind) for kind in KINDS)]
    feed(built, *changes)
    return built


def feed(to: Pipeline, *changes: Change) -> None:
    to.apply([Batch(changes, 0.0)], 0.0)


# From objects to manifests


def manifest(each: KubeObject) -> dict[str, Any]:
    """The object as a document of JSON or YAML, fit for a folder."""
    fields = _present(msgspec.to_builtins(each))
    if isinstance(each, Secret):
        fields["data"] = fields.get("data", {}) | fields.get("data", {}).pop("others", {})
    return {"apiVersion": each.api_version, "kind": each.kind, **fields}


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list | tuple) else value
