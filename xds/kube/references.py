"""References of Ingresses to hosts, Services and other objects, indexed to find the Ingresses that a change touches."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from xds.kube.cert_manager import makes_secrets
from xds.kube.objects import ConfigMap, Ingress, IngressBackend, IngressRule, Secret, Service
from xds.problems.problem import Key, ObjectRef

_K = TypeVar("_K", bound=Hashable)

AnnotatedObjects: TypeAlias = Callable[[Ingress], frozenset[ObjectRef]]
"""Returns the objects that annotations of an Ingress name: Secrets, ConfigMaps, Services, hosts (ASKED_HOST), and
PASSTHROUGH.

The registry of annotations knows which.
"""


def no_annotated_objects(ingress: Ingress) -> frozenset[ObjectRef]:
    """Return nothing, where annotations have no effect."""
    del ingress
    return frozenset()


ConfigReferences: TypeAlias = Callable[[ConfigMap], frozenset[Key]]
"""Returns the ConfigMaps that a ConfigMap names."""


def no_config_references(config: ConfigMap) -> frozenset[Key]:
    """Return nothing, where no key names a ConfigMap."""
    del config
    return frozenset()


ASKED_HOST: Final = "Host"
"""The kind of a reference to a host whose rules decide where an authorizer is."""

PASSTHROUGH: Final = ObjectRef("Passthrough", "", "")
"""Stands for the wish that TLS connections of the hosts are passed through."""

ConfigAsked: TypeAlias = Callable[[ConfigMap], frozenset[ObjectRef]]
"""Returns the Services, and the hosts (ASKED_HOST), of the authorizer that a ConfigMap names."""


def no_config_asked(config: ConfigMap) -> frozenset[ObjectRef]:
    """Return nothing, where no key names an authorizer."""
    del config
    return frozenset()


def followed_objects(ingress: Ingress, annotated: AnnotatedObjects) -> frozenset[ObjectRef]:
    """Return the Secrets and ConfigMaps that annotations name. All Services are read, named or not."""
    objects = annotated(ingress)
    followed = (Secret.kind, ConfigMap.kind)
    return frozenset(each for each in objects if each.kind in followed) if objects else objects


@dataclass(frozen=True, slots=True)
class References:
    """The references of one Ingress.

    Attributes:
        rules: The indexes of its rules by host, in lower case.
        services: The Services of its backends, and those that its annotations name.
        secrets: The Secrets of its TLS entries.
        default_backend: Whether the Ingress has one.
        tls: Everything that decides over its TLS entries, for comparison; empty without TLS entries.
        objects: The Secrets and ConfigMaps that its annotations name.
        asked_hosts: The hosts whose rules decide where its authorizer is.
        asks_passthrough: Whether TLS connections of its hosts may be passed through.
    """

    rules: Mapping[str, tuple[int, ...]]
    services: frozenset[Key]
    secrets: frozenset[Key]
    default_backend: bool
    tls: tuple[Hashable, ...]
    objects: frozenset[ObjectRef]
    asked_hosts: frozenset[str] = frozenset()
    asks_passthrough: bool = False

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(self.rules)

    @property
    def annotated_secrets(self) -> frozenset[Key]:
        """The Secrets that its annotations name."""
        return frozenset(each.key for each in self.objects if each.kind == Secret.kind)


def references(ingress: Ingress, annotated: AnnotatedObjects) -> References:
    spec = ingress.spec
    rules = spec.rules or ()
    backends = [path.backend for rule in rules for path in rule.paths]
    if spec.default_backend:
        backends.append(spec.default_backend)
    objects = annotated(ingress)
    services = frozenset(filter(None, (_service(ingress, backend) for backend in backends)))
    if objects and (named := frozenset(each for each in objects if each.kind == Service.kind)):
        services |= {each.key for each in named}
        objects -= named
    asked = frozenset(each for each in objects if each.kind == ASKED_HOST)
    asks_passthrough = PASSTHROUGH in objects
    if asks_passthrough:
        objects -= {PASSTHROUGH}
    return References(
        rules=_by_host(rules),
        services=services,
        secrets=frozenset(Key(ingress.key.namespace, tls.secret_name) for tls in spec.tls or () if tls.secret_name),
        default_backend=spec.default_backend is not None,
        tls=_tls(ingress),
        objects=objects - asked,
        asked_hosts=frozenset(each.name for each in asked),
        asks_passthrough=asks_passthrough,
    )


def _tls(ingress: Ingress) -> tuple[Hashable, ...]:
    """Return the TLS entries, the hosts of the rules if an entry names none, and facts of the Ingress.

    The age decides conflicts, and whether a Secret of cert-manager is late.
    """
    spec = ingress.spec
    if not spec.tls:
        return ()
    entries = tuple((tuple(entry.hosts or ()), entry.secret_name) for entry in spec.tls)
    hosts = () if all(named for named, _ in entries) else tuple(rule.host for rule in spec.rules or ())
    return entries, hosts, ingress.metadata.creation_timestamp, makes_secrets(ingress)


def _by_host(rules: Iterable[IngressRule]) -> Mapping[str, tuple[int, ...]]:
    places: dict[str, tuple[int, ...]] = {}
    for index, rule in enumerate(rules):
        places[rule.hostname] = (*places.get(rule.hostname, ()), index)
    return places


def _service(ingress: Ingress, backend: IngressBackend) -> Key | None:
    return Key(ingress.key.namespace, backend.service.name) if backend.service else None


class Index(Generic[_K]):
    """A set of keys for each name; a name without keys takes no memory."""

    def __init__(self) -> None:
        self._keys: dict[_K, set[Key]] = {}

    def __getitem__(self, name: _K) -> Set[Key]:
        return self._keys.get(name, frozenset())

    def __iter__(self) -> Iterator[_K]:
        return iter(self._keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, name: _K, key: Key) -> None:
        self._keys.setdefault(name, set()).add(key)

    def discard(self, name: _K, key: Key) -> None:
        keys = self._keys[name]
        keys.discard(key)
        if not keys:
            del self._keys[name]


class ReferenceIndex:
    """The references of the Ingresses of ours, and the way back from each referent to the Ingresses."""

    def __init__(self) -> None:
        self._references: dict[Key, References] = {}
        self.by_host: Index[str] = Index()
        self.by_service: Index[Key] = Index()
        self.by_secret: Index[Key] = Index()
        self.by_object: Index[ObjectRef] = Index()
        self.by_asked_host: Index[str] = Index()
        self.by_passed_host: Index[str] = Index()
        self.with_default_backend: set[Key] = set()
        self.with_tls: set[Key] = set()
        self.with_passthrough: set[Key] = set()

    def __contains__(self, ingress: Key) -> bool:
        return ingress in self._references

    def __iter__(self) -> Iterator[Key]:
        return iter(self._references)

    def __getitem__(self, ingress: Key) -> References:
        return self._references[ingress]

    def replace(self, ingress: Key, after: References | None) -> list[References]:
        """Replace the references of an Ingress.

        Args:
            ingress: The Ingress.
            after: The new references; None for an Ingress that is deleted or not ours.

        Returns:
            The references before and after, as far as there are any.
        """
        before = self._references.pop(ingress, None)
        if before is not None:
            self._remove(ingress, before)
        if after is not None:
            self._references[ingress] = after
            self._add(ingress, after)
        return [references for references in (before, after) if references is not None]

    def may_change_passthrough(self, changed: Collection[References]) -> bool:
        """Whether a change of Ingresses can change the hosts whose TLS is passed through, or their backends.

        The rules of all Ingresses for such a host count, and those for the names that a wildcard covers.
        """
        if any(each.asks_passthrough for each in changed):
            return True
        if not self.by_passed_host:
            return False
        hosts = (host for each in changed for host in each.hosts)
        return any(self.by_passed_host[host] or self.by_passed_host[f"*.{host.partition('.')[2]}"] for host in hosts)

    def hosts_of(self, ingresses: Iterable[Key]) -> frozenset[str]:
        return frozenset[str]().union(*(self._references[ingress].hosts for ingress in ingresses))

    def _add(self, ingress: Key, references: References) -> None:
        for host in references.hosts:
            self.by_host.add(host, ingress)
        for service in references.services:
            self.by_service.add(service, ingress)
        for secret in references.secrets:
            self.by_secret.add(secret, ingress)
        for about in references.objects:
            self.by_object.add(about, ingress)
        for host in references.asked_hosts:
            self.by_asked_host.add(host, ingress)
        if references.default_backend:
            self.with_default_backend.add(ingress)
        if references.tls:
            self.with_tls.add(ingress)
        if references.asks_passthrough:
            self.with_passthrough.add(ingress)
            for host in references.hosts:
                self.by_passed_host.add(host, ingress)

    def _remove(self, ingress: Key, references: References) -> None:
        for host in references.hosts:
            self.by_host.discard(host, ingress)
        for service in references.services:
            self.by_service.discard(service, ingress)
        for secret in references.secrets:
            self.by_secret.discard(secret, ingress)
        for about in references.objects:
            self.by_object.discard(about, ingress)
        for host in references.asked_hosts:
            self.by_asked_host.discard(host, ingress)
        self.with_default_backend.discard(ingress)
        self.with_tls.discard(ingress)
        if references.asks_passthrough:
            self.with_passthrough.discard(ingress)
            for host in references.hosts:
                self.by_passed_host.discard(host, ingress)
