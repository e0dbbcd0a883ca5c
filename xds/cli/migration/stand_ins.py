"""Objects in place of absent ones, so that the rest of an Ingress is judged."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from xds.kube.objects import (
    ConfigMap,
    Ingress,
    IngressBackend,
    KubeObject,
    Metadata,
    Secret,
    SecretData,
    Service,
    ServicePort,
    ServiceSpec,
)
from xds.kube.references import AnnotatedObjects, References, references
from xds.migrate.ports import NamedPort
from xds.problems.problem import Key, ObjectRef

_NOBODY: Final = b"stand-in:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""A password file with a user whose password nobody knows."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """Objects that the input has not.

    Attributes:
        objects: The stand-ins.
        users: Of each Ingress the references to stand-ins.
    """

    objects: list[KubeObject] = field(default_factory=list)
    users: dict[Key, tuple[ObjectRef, ...]] = field(default_factory=dict)


def stand_ins(
    ingresses: Iterable[Ingress],
    annotated: AnnotatedObjects,
    present: frozenset[ObjectRef],
    whole: frozenset[type[KubeObject]],
    flagged: Iterable[ObjectRef] = (),
    *,
    exposed: Iterable[NamedPort] = (),
) -> StandIns:
    """Stand-ins for the references of Ingresses to objects that the input has not.

    Args:
        ingresses: Of ingress-nginx.
        annotated: Tells the objects that annotations name.
        present: The objects of the input.
        whole: Kinds of which an object that isn't there doesn't exist.
        flagged: Objects that flags, or ingress-nginx's ConfigMap, name.
        exposed: Ports that entries of TCP and UDP name.
    """
    found, ports = StandIns(), dict[Key, set[tuple[str, str]]]()
    kinds = {kind.kind for kind in whole}

    def is_absent(about: ObjectRef) -> bool:
        return about not in present and about.kind not in kinds

    made = {each: None for each in flagged if is_absent(each)}
    for each in exposed:
        about = ObjectRef(Service.kind, *each.service)
        if is_absent(about):
            made[about] = None
            ports.setdefault(each.service, set()).add((each.port, each.transport.upper()))
    for ingress in ingresses:
        named = tuple(sorted(filter(is_absent, _references(references(ingress, annotated)))))
        if named:
            found.users[ingress.key] = named
            made.update(dict.fromkeys(named))
            for service in (backend.service for backend in _backends(ingress) if backend.service):
                ports.setdefault(Key(ingress.key.namespace, service.name), set()).add((str(service.port), "TCP"))
    found.objects.extend(_made(each, ports.get(each.key, set())) for each in made)
    return found


def _references(found: References) -> Iterator[ObjectRef]:
    yield from (ObjectRef(Service.kind, *key) for key in found.services)
    yield from (ObjectRef(Secret.kind, *key) for key in found.secrets)
    yield from found.objects


def _backends(ingress: Ingress) -> Iterator[IngressBackend]:
    spec = ingress.spec
    yield from (path.backend for rule in spec.rules or () for path in rule.paths)
    if spec.default_backend:
        yield spec.default_backend


def _made(about: ObjectRef, ports: set[tuple[str, str]]) -> KubeObject:
    metadata = Metadata(about.name, about.namespace)
    if about.kind == Secret.kind:
        return Secret(metadata, _credentials())
    if about.kind == ConfigMap.kind:
        return ConfigMap.of(metadata, {})
    numbers = sorted((int(each), protocol) for each, protocol in ports if each.isdecimal())
    names = sorted((each, protocol) for each, protocol in ports if not each.isdecimal() and each)
    listed = (
        *(ServicePort(number, f"{protocol.lower()}-{number}", protocol) for number, protocol in numbers),
        *(ServicePort(index, name, protocol) for index, (name, protocol) in enumerate(names, 60_000)),
    )
    return Service(metadata, ServiceSpec(ports=listed or (ServicePort(80),), cluster_ip="192.0.2.1"))


@cache
def _credentials() -> SecretData:
    """A certificate, its key and its authority, which nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SecretData(certificate, private, ca_crt=certificate, others={"auth": _NOBODY})
