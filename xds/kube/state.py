"""What we know: the objects that exist, and what a change to them makes stale."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from xds.kube.change import Applied, Change, Deleted, Listed, Reported
from xds.kube.objects import (
    KINDS,
    EndpointSlice,
    Ingress,
    IngressClass,
    IngressRule,
    Key,
    KubeObject,
    Secret,
    Service,
)
from xds.kube.problem import ObjectRef, Problem, shown
from xds.kube.references import Index, ReferenceIndex, references

CONTROLLER: Final = "xds-ingress.dev/controller"
"""`spec.controller` of the IngressClasses that are ours."""

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
DEFAULT_CLASS_ANNOTATION: Final = "ingressclass.kubernetes.io/is-default-class"

_NEWEST: Final = datetime.max.replace(tzinfo=UTC)

_BY_NAME: Final = {kind.kind: kind for kind in KINDS}

_T = TypeVar("_T", Ingress, IngressClass, Service, EndpointSlice, Secret)


@dataclass(frozen=True, slots=True)
class Stale:
    """What must be looked at again. Hosts are in lower case; the keys name objects that an Ingress of ours uses.

    But `endpoints` are of all Services: who uses them may be among the changes that still wait.
    """

    hosts: frozenset[str] = frozenset()
    ingresses: frozenset[Key] = frozenset()
    services: frozenset[Key] = frozenset()
    secrets: frozenset[Key] = frozenset()
    endpoints: frozenset[Key] = frozenset()
    default_backend: bool = False
    tls: bool = False
    reported: bool = False

    @classmethod
    def union(cls, stales: Iterable["Stale"]) -> "Stale":
        stales = [stale for stale in stales if stale is not FRESH]
        if len(stales) < 2:
            return stales[0] if stales else FRESH
        return cls(
            hosts=frozenset[str]().union(*(stale.hosts for stale in stales)),
            ingresses=frozenset[Key]().union(*(stale.ingresses for stale in stales)),
            services=frozenset[Key]().union(*(stale.services for stale in stales)),
            secrets=frozenset[Key]().union(*(stale.secrets for stale in stales)),
            endpoints=frozenset[Key]().union(*(stale.endpoints for stale in stales)),
            default_backend=any(stale.default_backend for stale in stales),
            tls=any(stale.tls for stale in stales),
            reported=any(stale.reported for stale in stales),
        )


FRESH: Final = Stale()
"""Nothing became stale."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether an Ingress is ours, and why: what could follow "for"."""

    ours: bool
    why: str


def seniority(ingress: Ingress) -> tuple[datetime, Key]:
    """Sorts the oldest first, then by namespace and name: who wins where two Ingresses say different things.

    An object without creationTimestamp counts as newest. Source: the Gateway API's rule for conflicts, which
    ingress2gateway adopts for Ingress, https://gateway-api.sigs.k8s.io/guides/api-design/#conflicts
    """
    created = ingress.metadata.creation_timestamp or _NEWEST
    return (created if created.tzinfo else created.replace(tzinfo=UTC), ingress.key)


class KubeState:
    """Holds the objects that the source said exist. `apply` is the only way to change it.

    Args:
        ingress_class: The class name that is ours where no IngressClass object of the name exists.
        claim_classless: Whether an Ingress without a class is ours when no IngressClass exists at all.
        default_tls_secret: The Secret of `--default-tls-secret`, which is used without an Ingress naming it.
    """

    def __init__(
        self, ingress_class: str = "envoy", *, claim_classless: bool = False, default_tls_secret: Key | None = None
    ) -> None:
        self._ingress_class = ingress_class
        self._claim_classless = claim_classless
        self._default_tls_secret = default_tls_secret
        self._objects: dict[type[KubeObject], dict[Key, KubeObject]] = {kind: {} for kind in KINDS}
        self._listed: set[type[KubeObject]] = set()
        self._slices: Index[Key] = Index()
        self._ours = ReferenceIndex()
        self._reported: tuple[Problem, ...] = ()

    @property
    def synced(self) -> bool:
        """Whether every kind has been listed: until then absence means nothing."""
        return len(self._listed) == len(KINDS)

    @property
    def reported(self) -> tuple[Problem, ...]:
        """What the source itself could not honour."""
        return self._reported

    def apply(self, change: Change) -> Stale:
        """Take note of one change, and answer what it makes stale: nothing, if it is equal or nothing uses it."""
        return Stale.union(self.steps(change))

    def steps(self, change: Change) -> Iterable[Stale]:
        """`apply` bit by bit, as one IngressClass can make all Ingresses ours. To be gone through to its end."""
        match change:
            case Applied(object=new):
                return self._replace(type(new), new.key, new)
            case Deleted(kind=kind, key=key):
                return self._replace(kind, key, None)
            case Listed(kind=kind):
                self._listed.add(kind)
                return ()
            case Reported(problems=problems):
                self._reported = problems
                return (Stale(reported=True),)

    def find(self, about: ObjectRef) -> KubeObject | None:
        """The object, if it exists; of any kind, and whether or not something uses it."""
        kind = _BY_NAME.get(about.kind)
        return self._objects[kind].get(Key(about.namespace, about.name)) if kind else None

    def service(self, key: Key) -> Service | None:
        return self._get(Service, key)

    def secret(self, key: Key) -> Secret | None:
        return self._get(Secret, key)

    def ingress(self, key: Key) -> Ingress | None:
        """The Ingress, if it is ours."""
        return self._get(Ingress, key) if key in self._ours else None

    def ingresses(self) -> list[Ingress]:
        """All there are, ours or not, in no order."""
        return list(self._each(Ingress, list(self._objects[Ingress])))

    def service_of_slice(self, key: Key) -> Key | None:
        """Whose endpoints the EndpointSlice of this name holds; None if there is no such slice, or it is nobody's."""
        found = self._get(EndpointSlice, key)
        return found.service if found else None

    def slices(self, service: Key) -> Iterator[EndpointSlice]:
        """The EndpointSlices of a Service, by name."""
        return self._each(EndpointSlice, sorted(self._slices[service]))

    def ingresses_of_host(self, host: str) -> list[Ingress]:
        """Those of ours that have a rule for exactly this host (NO_HOST: for none), the senior first."""
        return self._senior_first(self._ours.by_host[host])

    def rules(self, ingress: Ingress, host: str) -> Iterator[tuple[int, IngressRule]]:
        """The rules that an Ingress of ours has for exactly this host, each with its place."""
        rules = ingress.spec.rules or ()
        return ((index, rules[index]) for index in self._ours[ingress.key].rules.get(host, ()))

    def ingresses_of_service(self, service: Key) -> list[Ingress]:
        """Those of ours that name this Service, the senior first."""
        return self._senior_first(self._ours.by_service[service])

    def ingresses_of_secret(self, secret: Key) -> list[Ingress]:
        """Those of ours whose TLS entries name this Secret, the senior first."""
        return self._senior_first(self._ours.by_secret[secret])

    def ingresses_with_default_backend(self) -> list[Ingress]:
        return self._senior_first(self._ours.with_default_backend)

    def ingresses_with_tls(self) -> list[Ingress]:
        return self._senior_first(self._ours.with_tls)

    def _senior_first(self, keys: Iterable[Key]) -> list[Ingress]:
        return sorted(self._each(Ingress, keys), key=seniority)

    def _each(self, kind: type[_T], keys: Iterable[Key]) -> Iterator[_T]:
        return filter(None, (self._get(kind, key) for key in keys))

    def _get(self, kind: type[_T], key: Key) -> _T | None:
        found = self._objects[kind].get(key)
        return found if isinstance(found, kind) else None

    def _replace(self, kind: type[KubeObject], key: Key, new: KubeObject | None) -> Iterable[Stale]:
        objects = self._objects[kind]
        old = objects.get(key)
        if old == new:
            return ()
        if new is None:
            del objects[key]
        else:
            objects[key] = new
        return self._classes_changed() if kind is IngressClass else (self._stale(kind, key, old, new),)

    def _stale(self, kind: type[KubeObject], key: Key, old: KubeObject | None, new: KubeObject | None) -> Stale:
        if kind is Ingress:
            return self._ingress_changed(key)
        if kind is Service:
            return self._service_changed(key)
        if kind is Secret:
            return self._secret_changed(key)
        return self._slice_changed(key, old, new)

    def _ingress_changed(self, key: Key) -> Stale:
        ingress = self._get(Ingress, key)
        after = references(ingress) if ingress is not None and self._is_ours(ingress) else None
        touched = self._ours.replace(key, after)
        if not touched:
            return FRESH
        return Stale(
            hosts=frozenset[str]().union(*(refs.hosts for refs in touched)),
            ingresses=frozenset((key,)),
            default_backend=any(refs.default_backend for refs in touched),
            tls=touched[0].tls != touched[1].tls if len(touched) > 1 else bool(touched[0].tls),
        )

    def _classes_changed(self) -> Iterator[Stale]:
        for ingress in self._each(Ingress, list(self._objects[Ingress])):
            turned = self._is_ours(ingress) != (ingress.key in self._ours)
            yield self._ingress_changed(ingress.key) if turned else FRESH

    def _service_changed(self, key: Key) -> Stale:
        users = self._ours.by_service[key]
        if not users:
            return FRESH
        return Stale(
            hosts=self._ours.hosts_of(users),
            ingresses=frozenset(users),
            services=frozenset((key,)),
            default_backend=any(self._ours[user].default_backend for user in users),
        )

    def _secret_changed(self, key: Key) -> Stale:
        if not self._ours.by_secret[key] and key != self._default_tls_secret:
            return FRESH
        return Stale(secrets=frozenset((key,)), tls=True)

    def _slice_changed(self, key: Key, old: KubeObject | None, new: KubeObject | None) -> Stale:
        touched = set()
        if isinstance(old, EndpointSlice) and old.service:
            self._slices.discard(old.service, key)
            touched.add(old.service)
        if isinstance(new, EndpointSlice) and new.service:
            self._slices.add(new.service, key)
            touched.add(new.service)
        return Stale(endpoints=frozenset(touched)) if touched else FRESH

    def claim(self, ingress: Ingress) -> Claim:
        """Whether the Ingress is for this controller, and why.

        Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
        """
        name = ingress.spec.ingress_class_name or ingress.annotations.get(CLASS_ANNOTATION)
        classes = self._objects[IngressClass]
        if not name:
            return self._claim_of_classless(classes.values())
        named = classes.get(Key("", name))
        if isinstance(named, IngressClass):
            ours = _is_controlled_by_us(named)
            return Claim(ours, f"its class {shown(name)} has the controller {shown(named.spec.controller)}")
        ours = name == self._ingress_class
        there = f"its class is {shown(name)}, there is no IngressClass of that name"
        return Claim(ours, there if ours else f"{there}, and ours is {shown(self._ingress_class)}")

    def _claim_of_classless(self, classes: Collection[KubeObject]) -> Claim:
        if not classes:
            known = "it has no class, and there is no IngressClass"
            return Claim(self._claim_classless, known)
        ours = any(_is_controlled_by_us(each) and _is_default(each) for each in classes)
        return Claim(ours, f"it has no class, and the default IngressClass is {'' if ours else 'not '}ours")

    def _is_ours(self, ingress: Ingress) -> bool:
        return self.claim(ingress).ours


def _is_controlled_by_us(ingress_class: KubeObject) -> bool:
    return isinstance(ingress_class, IngressClass) and ingress_class.spec.controller == CONTROLLER


def _is_default(ingress_class: KubeObject) -> bool:
    return ingress_class.annotations.get(DEFAULT_CLASS_ANNOTATION) == "true"
