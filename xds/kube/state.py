"""What we know: the objects that exist, and what a change to them makes stale."""

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from xds.kube.change import Applied, Change, Deleted, Listed, Reported
from xds.kube.held_ingresses import HeldIngresses
from xds.kube.objects import KINDS, EndpointSlice, Ingress, IngressClass, IngressRule, KubeObject, Secret, Service
from xds.kube.references import Index, ReferenceIndex, references
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown

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
        stales = [stale for stale in stales if stale is not NOTHING_STALE]
        if len(stales) < 2:
            return stales[0] if stales else NOTHING_STALE
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


NOTHING_STALE: Final = Stale()
"""Nothing became stale."""


@dataclass(frozen=True, slots=True)
class ClassClaim:
    """Whether an Ingress is ours, and why: what could follow "for". `held`: it isn't, and is served on."""

    ours: bool
    why: str
    held: bool = False

    @property
    def served(self) -> bool:
        return self.ours or self.held


def seniority(ingress: Ingress) -> tuple[datetime, Key]:
    """Sorts the oldest first, then by namespace and name: who wins where two Ingresses say different things.

    An object without creationTimestamp counts as newest. Source: the Gateway API's rule for conflicts, which
    ingress2gateway adopts for Ingress, https://gateway-api.sigs.k8s.io/guides/api-design/#conflicts
    """
    created = ingress.metadata.creation_timestamp or _NEWEST
    return (created if created.tzinfo else created.replace(tzinfo=UTC), ingress.key)


class KubeState:
    """Holds the objects that the source said exist. `apply` is the only way to change it; `settle` follows when the
    changes that belong together are applied.

    An Ingress counts as ours also while an IngressClass alone has turned it away, and it is held: see `settle`.

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
        self._unsettled: set[Key] = set()
        self._turned = HeldIngresses()
        self._held: tuple[Problem, ...] = ()
        self._reported: tuple[Problem, ...] = ()

    @property
    def synced(self) -> bool:
        """Whether every kind has been listed: until then absence means nothing."""
        return len(self._listed) == len(KINDS)

    @property
    def reported(self) -> tuple[Problem, ...]:
        """What the source itself could not honour, and what is held."""
        return *self._reported, *self._held

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

    def settle(self) -> Iterator[Stale]:
        """Let the Ingresses go that an IngressClass has turned away, or hold them: if without them no Service, or no
        Secret, that exists would be used. To be gone through to its end.

        One that is deleted, or gets another class, or whose class is deleted, goes at once; and so does one that wasn't
        served yet, with this class, when this was last called.
        """
        self._unsettled.clear()
        if not self._is_needed():
            for key in self._turned.release():
                yield self._ingress_changed(key)
        before, self._held = self._held, self._turned.problems
        if self._held != before:
            yield Stale(reported=True)

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

    def held_by(self, ingress: Key) -> ObjectRef | None:
        """The IngressClass that has turned the Ingress away, which is served on; None: it isn't held."""
        by = self._turned.by(ingress)
        return ObjectRef("IngressClass", *by) if by else None

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
        if kind is IngressClass:
            return self._classes_changed(key, gone=new is None)
        return (self._stale(kind, key, old, new),)

    def _stale(self, kind: type[KubeObject], key: Key, old: KubeObject | None, new: KubeObject | None) -> Stale:
        if kind is Ingress:
            if old is None or new is None or _class_named_by(old) != _class_named_by(new):
                self._turned.discard(key)
                self._unsettled.add(key)
            return self._ingress_changed(key)
        if kind is Service:
            return self._service_changed(key)
        if kind is Secret:
            return self._secret_changed(key)
        return self._slice_changed(key, old, new)

    def _ingress_changed(self, key: Key) -> Stale:
        ingress = self._get(Ingress, key)
        after = references(ingress) if ingress is not None and self._counts(ingress) else None
        if after is not None and key not in self._ours:
            self._unsettled.add(key)
        touched = self._ours.replace(key, after)
        if not touched:
            return NOTHING_STALE
        return Stale(
            hosts=frozenset[str]().union(*(refs.hosts for refs in touched)),
            ingresses=frozenset((key,)),
            default_backend=any(refs.default_backend for refs in touched),
            tls=touched[0].tls != touched[1].tls if len(touched) > 1 else bool(touched[0].tls),
        )

    def _classes_changed(self, changed: Key, *, gone: bool) -> Iterator[Stale]:
        for ingress in self._each(Ingress, list(self._objects[Ingress])):
            self._turn(ingress, changed, gone=gone)
            counts = self._counts(ingress)
            yield self._ingress_changed(ingress.key) if counts != (ingress.key in self._ours) else NOTHING_STALE

    def _turn(self, ingress: Ingress, by: Key, *, gone: bool) -> None:
        """Take note of what the class that changed, or is gone, says of the Ingress."""
        key = ingress.key
        if self._claim(ingress).ours or (gone and self._turned.by(key) == by):
            self._turned.discard(key)
        elif key in self._ours and key not in self._unsettled and not gone:
            self._turned.add(key, by)

    def _counts(self, ingress: Ingress) -> bool:
        return ingress.key in self._turned or self._claim(ingress).ours

    def _is_needed(self) -> bool:
        """Whether those that were turned away are the only ones to use a Service, or the only ones to use a Secret."""
        secrets = self._objects[Secret]
        return bool(self._turned) and (
            self._have_all(self._ours.by_service, self._objects[Service])
            or (self._default_tls_secret not in secrets and self._have_all(self._ours.by_secret, secrets))
        )

    def _have_all(self, users: Index[Key], existing: Container[Key]) -> bool:
        used = [users[key] for key in users if key in existing]
        return bool(used) and all(map(self._turned.has_all, used))

    def _service_changed(self, key: Key) -> Stale:
        users = self._ours.by_service[key]
        if not users:
            return NOTHING_STALE
        return Stale(
            hosts=self._ours.hosts_of(users),
            ingresses=frozenset(users),
            services=frozenset((key,)),
            default_backend=any(self._ours[user].default_backend for user in users),
        )

    def _secret_changed(self, key: Key) -> Stale:
        if not self._ours.by_secret[key] and key != self._default_tls_secret:
            return NOTHING_STALE
        return Stale(secrets=frozenset((key,)), tls=True)

    def _slice_changed(self, key: Key, old: KubeObject | None, new: KubeObject | None) -> Stale:
        touched = set()
        if isinstance(old, EndpointSlice) and old.service:
            self._slices.discard(old.service, key)
            touched.add(old.service)
        if isinstance(new, EndpointSlice) and new.service:
            self._slices.add(new.service, key)
            touched.add(new.service)
        return Stale(endpoints=frozenset(touched)) if touched else NOTHING_STALE

    def claim(self, ingress: Ingress) -> ClassClaim:
        """Whether the Ingress is for this controller, and why.

        Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
        """
        found = self._claim(ingress)
        if ingress.key not in self._turned:
            return found
        return replace(found, why=f"{found.why}; it is served on, since its withdrawal is held", held=True)

    def _claim(self, ingress: Ingress) -> ClassClaim:
        name = _class_named_by(ingress)
        classes = self._objects[IngressClass]
        if not name:
            return self._claim_of_classless(classes.values())
        named = classes.get(Key("", name))
        if isinstance(named, IngressClass):
            ours = _is_controlled_by_us(named)
            return ClassClaim(ours, f"its class {shown(name)} has the controller {shown(named.spec.controller)}")
        ours = name == self._ingress_class
        there = f"its class is {shown(name)}, there is no IngressClass of that name"
        return ClassClaim(ours, there if ours else f"{there}, and ours is {shown(self._ingress_class)}")

    def _claim_of_classless(self, classes: Collection[KubeObject]) -> ClassClaim:
        if not classes:
            known = "it has no class, and there is no IngressClass"
            return ClassClaim(self._claim_classless, known)
        ours = any(_is_controlled_by_us(each) and _is_default(each) for each in classes)
        return ClassClaim(ours, f"it has no class, and the default IngressClass is {'' if ours else 'not '}ours")


def _class_named_by(ingress: KubeObject | None) -> str | None:
    if not isinstance(ingress, Ingress):
        return None
    return ingress.spec.ingress_class_name or ingress.annotations.get(CLASS_ANNOTATION)


def _is_controlled_by_us(ingress_class: KubeObject) -> bool:
    return isinstance(ingress_class, IngressClass) and ingress_class.spec.controller == CONTROLLER


def _is_default(ingress_class: KubeObject) -> bool:
    return ingress_class.annotations.get(DEFAULT_CLASS_ANNOTATION) == "true"
