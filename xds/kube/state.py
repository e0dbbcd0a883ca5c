"""The Kubernetes objects that exist, and the part of the traffic that each change makes stale."""

from collections.abc import Container, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

from msgspec import structs

from xds.kube.change import Applied, Change, Deleted, Listed, Reported
from xds.kube.gateway_objects import GATEWAY_KINDS, Gateway, GatewayClass
from xds.kube.ingress_class import ClassClaim, ClassOptions, IngressClasses
from xds.kube.kinds import KINDS, KINDS_BY_NAME
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, IngressRule, KubeObject, Secret, Service
from xds.kube.references import (
    ASKED_HOST,
    AnnotatedObjects,
    ConfigAsked,
    ConfigReferences,
    Index,
    ReferenceIndex,
    no_annotated_objects,
    no_config_asked,
    no_config_references,
    references,
)
from xds.kube.stale import NOTHING_STALE, Stale
from xds.problems.problem import Key, ObjectRef, Problem

DEFAULT_CLASSES: Final = ClassOptions()

_NEWEST: Final = datetime.max.replace(tzinfo=UTC)

_T = TypeVar("_T", bound=KubeObject)


def seniority(of: KubeObject) -> tuple[datetime, Key]:
    """Return the sort key that decides conflicts: the oldest object wins, then the first by namespace and name.

    An object without creationTimestamp counts as newest. Source: the Gateway API's rule for conflicts, which
    ingress2gateway adopts for Ingress, https://gateway-api.sigs.k8s.io/guides/api-design/#conflicts
    """
    created = of.metadata.creation_timestamp or _NEWEST
    return (created if created.tzinfo else created.replace(tzinfo=UTC), of.key)


def why_first(winner: KubeObject, other: KubeObject) -> str:
    """Why the first object wins a conflict, to follow its name in a message."""
    (begun, _), (other_begun, _) = seniority(winner), seniority(other)
    if winner.ref == other.ref:
        return f"the same {winner.kind}, where the first entry counts"
    if begun == other_begun:
        return "which comes first by namespace and name"
    if other_begun == _NEWEST:
        return "which has a creationTimestamp, and so counts as older"
    return f"which is older (created {begun:%Y-%m-%dT%H:%M:%SZ})"


def _with_addresses(new: Gateway, old: Gateway) -> Gateway:
    """Leave a Gateway that was deleted and created again its addresses, which its new status has not recorded yet."""
    is_same = new.metadata.uid == old.metadata.uid
    return new if is_same or new.status.addresses else structs.replace(new, status=old.status)


class KubeState:
    """The objects that exist. `apply` takes a change; `settle` follows the last of the changes that belong together.

    An Ingress is ours by its class, or while it is held: see `ingress_class`.

    Args:
        classes: Which IngressClasses are ours.
        claim_classless: Whether an Ingress without class is ours while no IngressClass exists.
        default_tls_secret: The Secret of `--default-tls-secret`, in use although no Ingress names it.
        default_service: The Service of `--default-backend`, in use although no Ingress names it.
        config_maps: The ConfigMaps that flags name. A change of one is reported as `Stale.config_maps`.
        config_references: Tells the ConfigMaps that such a ConfigMap names, whose changes are reported likewise.
        config_asked: Tells the Services and hosts of the authorizer that such a ConfigMap names. A change of one makes
            the traffic of all Ingresses stale.
        annotated: Tells the Secrets and ConfigMaps that annotations name. A change of one makes the Ingresses stale.
    """

    def __init__(
        self,
        classes: ClassOptions = DEFAULT_CLASSES,
        *,
        claim_classless: bool = False,
        default_tls_secret: Key | None = None,
        default_service: Key | None = None,
        config_maps: frozenset[Key] = frozenset(),
        config_references: ConfigReferences = no_config_references,
        config_asked: ConfigAsked = no_config_asked,
        annotated: AnnotatedObjects = no_annotated_objects,
    ) -> None:
        self._default_tls_secret = default_tls_secret
        self._default_service = default_service
        self._config_maps = config_maps
        self._config_references = config_references
        self._config_asked = config_asked
        self._annotated = annotated
        self._objects: dict[type[KubeObject], dict[Key, KubeObject]] = {kind: {} for kind in KINDS}
        self._listed: set[type[KubeObject]] = set()
        self._slices: Index[Key] = Index()
        self._ours = ReferenceIndex()
        self._classes = IngressClasses(self._objects[IngressClass], classes, claim_classless=claim_classless)
        self._reported: tuple[Problem, ...] = ()

    @property
    def synced(self) -> bool:
        """Whether every kind is listed. Before, a missing object may still arrive."""
        return len(self._listed) == len(KINDS)

    @property
    def reported(self) -> tuple[Problem, ...]:
        """The problems of the source, and of IngressClasses that Ingresses are held for."""
        return *self._reported, *self._classes.problems

    @property
    def held(self) -> int:
        """Number of Ingresses that stay served although their class turned away."""
        return self._classes.held

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of known objects by kind."""
        return {kind.kind: len(objects) for kind, objects in self._objects.items()}

    def apply(self, change: Change) -> Stale:
        """Apply a change, and return the stale units: none for an equal object, or for an unused one."""
        return Stale.union(self.steps(change))

    def steps(self, change: Change) -> Iterable[Stale]:
        """Apply a change in steps, as one IngressClass can decide over all Ingresses. To be exhausted."""
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
        """Release the held Ingresses, unless no other Ingress uses an existing Service, or an existing Secret.

        In steps, to be exhausted.
        """
        before = self._classes.problems
        hold = bool(self._classes.held) and self._only_held_are_left()
        for key in self._classes.settle(hold=hold):
            yield self._ingress_changed(key)
        if self._classes.problems != before:
            yield Stale(reported=True)

    def everything(self) -> Stale:
        """Return the traffic of all Ingresses of ours, but for TLS."""
        return Stale(frozenset(self._ours.by_host), frozenset(self._ours), default_backend=True)

    def find(self, about: ObjectRef) -> KubeObject | None:
        """Return the object, used or not; None for an object that doesn't exist."""
        kind = KINDS_BY_NAME.get(about.kind)
        return self._objects[kind].get(Key(about.namespace, about.name)) if kind else None

    def service(self, key: Key) -> Service | None:
        return self._get(Service, key)

    def secret(self, key: Key) -> Secret | None:
        return self._get(Secret, key)

    def config_map(self, key: Key) -> ConfigMap | None:
        """Return the ConfigMap, which may have a `fault`; None for one that doesn't exist.

        A source reads a ConfigMap only while an annotation of an Ingress (see `annotated`), or a flag, names it.
        """
        return self._get(ConfigMap, key)

    def ingress(self, key: Key) -> Ingress | None:
        """Return the Ingress, if ours."""
        return self._get(Ingress, key) if key in self._ours else None

    def services(self) -> Iterator[Service]:
        """Return every Service, used or not, in no order."""
        return self._each(Service, list(self._objects[Service]))

    def ingresses(self) -> list[Ingress]:
        """Return every Ingress, ours or not, in no order."""
        return list(self._each(Ingress, list(self._objects[Ingress])))

    @property
    def all_ingresses(self) -> Mapping[Key, Ingress]:
        """Every Ingress, ours or not: a view, not a copy."""
        return cast("Mapping[Key, Ingress]", self._objects[Ingress])

    def all_of(self, kind: type[_T]) -> Mapping[Key, _T]:
        """Return every object of a kind: a view, not a copy."""
        return cast("Mapping[Key, _T]", self._objects[kind])

    def service_of_slice(self, key: Key) -> Key | None:
        """Return the Service of an EndpointSlice; None for an unknown slice, and for a slice without Service."""
        found = self._get(EndpointSlice, key)
        return found.service if found else None

    def slices(self, service: Key) -> Iterator[EndpointSlice]:
        """Return the EndpointSlices of a Service in the order of names."""
        return self._each(EndpointSlice, sorted(self._slices[service]))

    def ingresses_of_host(self, host: str) -> list[Ingress]:
        """Return the Ingresses of ours with a rule for exactly this host (empty: for no host), the senior first."""
        return self._senior_first(self._ours.by_host[host])

    def keys_of_host(self, host: str) -> Set[Key]:
        """Return the Ingresses of ours with a rule for exactly this host (empty: for no host): a view, not a copy."""
        return self._ours.by_host[host]

    def keys_of_service(self, service: Key) -> Set[Key]:
        """Return the Ingresses of ours with this Service as a backend: a view, not a copy."""
        return self._ours.by_service[service]

    @property
    def keys_with_tls(self) -> Set[Key]:
        """The Ingresses of ours with TLS entries: a view, not a copy."""
        return self._ours.with_tls

    def rules(self, ingress: Ingress, host: str) -> Iterator[tuple[int, IngressRule]]:
        """Return the rules of an Ingress of ours for exactly this host, each with its index."""
        rules = ingress.spec.rules or ()
        return ((index, rules[index]) for index in self._ours[ingress.key].rules.get(host, ()))

    def ingresses_of_service(self, service: Key) -> list[Ingress]:
        """Return the Ingresses of ours with this Service as a backend, the senior first."""
        return self._senior_first(self._ours.by_service[service])

    def ingresses_of_secret(self, secret: Key) -> list[Ingress]:
        """Return the Ingresses of ours with this Secret in a TLS entry, the senior first."""
        return self._senior_first(self._ours.by_secret[secret])

    def ingresses_of_object(self, about: ObjectRef) -> list[Ingress]:
        """Return the Ingresses of ours whose annotations name the Secret or ConfigMap, the senior first."""
        return self._senior_first(self._ours.by_object[about])

    def ingresses_with_default_backend(self) -> list[Ingress]:
        return self._senior_first(self._ours.with_default_backend)

    def ingresses_with_tls(self) -> list[Ingress]:
        return self._senior_first(self._ours.with_tls)

    @property
    def has_passthrough(self) -> bool:
        """Whether an Ingress of ours asks for TLS passthrough."""
        return bool(self._ours.with_passthrough)

    @property
    def keys_with_passthrough(self) -> Set[Key]:
        """The Ingresses of ours that ask for TLS passthrough: a view, not a copy."""
        return self._ours.with_passthrough

    def ingresses_with_passthrough(self) -> list[Ingress]:
        """Return the Ingresses of ours that ask for TLS passthrough, the senior first."""
        return self._senior_first(self._ours.with_passthrough)

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
        if isinstance(old, Gateway) and isinstance(new, Gateway):
            new = _with_addresses(new, old)
        if old == new:
            return ()
        if new is None:
            del objects[key]
        else:
            objects[key] = new
        if kind is IngressClass:
            return self._class_changed(key, deleted=new is None)
        if kind in GATEWAY_KINDS:
            return (Stale(gateway=frozenset((ObjectRef(kind.kind, *key),))),)
        stale = self._stale(kind, key, old, new)
        if kind in (Service, Secret, ConfigMap) and self._objects[GatewayClass]:
            stale = Stale.union((stale, Stale(gateway=frozenset((ObjectRef(kind.kind, *key),)))))
        return (stale,)

    def _stale(self, kind: type[KubeObject], key: Key, old: KubeObject | None, new: KubeObject | None) -> Stale:
        if kind is Ingress:
            before, after = (each if isinstance(each, Ingress) else None for each in (old, new))
            self._classes.ingress_replaced(key, before, after)
            return self._ingress_changed(key)
        if kind is Service:
            changed = Stale(default_backend=key == self._default_service, services=frozenset((key,)))
            users = self._ours.by_service[key]
            if self._ours.with_passthrough and self._ours.may_change_passthrough([*map(self._ours.__getitem__, users)]):
                changed = replace(changed, tls=True)
            if self._asks_all(ObjectRef(Service.kind, *key)):
                return Stale.union((changed, self.everything()))
            return Stale.union((changed, self._users_of(users)))
        if kind is Secret:
            tls = bool(self._ours.by_secret[key]) or key == self._default_tls_secret
            return Stale.union((Stale(tls=True) if tls else NOTHING_STALE, self._annotated_changed(kind, key)))
        if kind is ConfigMap:
            flagged = Stale(config_maps=frozenset((key,))) if self._is_flagged(key) else NOTHING_STALE
            return Stale.union((flagged, self._annotated_changed(kind, key)))
        if kind is EndpointSlice:
            return self._slice_changed(key, old, new)
        raise TypeError(f"no rule for a change of {kind.__name__}")

    def _ingress_changed(self, key: Key) -> Stale:
        ingress = self._get(Ingress, key)
        served = ingress is not None and self._classes.served(ingress)
        after = references(ingress, self._annotated) if ingress is not None and served else None
        touched = self._ours.replace(key, after)
        if not touched:
            return NOTHING_STALE
        return self._and_asking(
            Stale(
                hosts=frozenset[str]().union(*(refs.hosts for refs in touched)),
                ingresses=frozenset((key,)),
                default_backend=any(refs.default_backend for refs in touched),
                tls=(touched[0].tls != touched[1].tls if len(touched) > 1 else bool(touched[0].tls))
                or self._ours.may_change_passthrough(touched),
            )
        )

    def _and_asking(self, stale: Stale) -> Stale:
        """Add the traffic of Ingresses whose authorizer is at a stale host."""
        if any(self._asks_all(ObjectRef(ASKED_HOST, "", host)) for host in stale.hosts):
            return Stale.union((stale, self.everything()))
        if not self._ours.by_asked_host:
            return stale
        asking = frozenset(key for host in stale.hosts for key in self._ours.by_asked_host[host])
        return Stale.union((stale, self._traffic_of(asking))) if asking else stale

    def _asks_all(self, about: ObjectRef) -> bool:
        """Whether the authorizer of all Ingresses is at the Service or host."""
        return any(about in self._config_asked(each) for each in self._each(ConfigMap, self._config_maps))

    def _class_changed(self, ingress_class: Key, *, deleted: bool) -> Iterator[Stale]:
        for ingress in self._each(Ingress, list(self._objects[Ingress])):
            was_served = ingress.key in self._ours
            served = self._classes.class_replaced(ingress, ingress_class, deleted=deleted, was_served=was_served)
            yield self._ingress_changed(ingress.key) if served != was_served else NOTHING_STALE

    def _only_held_are_left(self) -> bool:
        """Whether held Ingresses are the only users of all existing Services, or of all existing Secrets, in use."""
        secrets = self._objects[Secret]
        return self._have_all(self._ours.by_service, self._objects[Service]) or (
            self._default_tls_secret not in secrets and self._have_all(self._ours.by_secret, secrets)
        )

    def _have_all(self, users: Index[Key], existing: Container[Key]) -> bool:
        used = [users[key] for key in users if key in existing]
        return bool(used) and all(map(self._classes.are_held, used))

    def _is_flagged(self, config_map: Key) -> bool:
        """Whether a flag names the ConfigMap, or a ConfigMap that a flag names does."""
        named = self._each(ConfigMap, self._config_maps)
        return config_map in self._config_maps or any(config_map in self._config_references(each) for each in named)

    def _annotated_changed(self, kind: type[KubeObject], key: Key) -> Stale:
        return self._users_of(self._ours.by_object[ObjectRef(kind.kind, *key)])

    def _users_of(self, users: Set[Key]) -> Stale:
        """Return the traffic of the Ingresses that use an object."""
        return self._and_asking(self._traffic_of(users)) if users else NOTHING_STALE

    def _traffic_of(self, users: Set[Key]) -> Stale:
        return Stale(
            hosts=self._ours.hosts_of(users),
            ingresses=frozenset(users),
            default_backend=any(self._ours[user].default_backend for user in users),
        )

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
        """Tell whether the Ingress is served, and why."""
        return self._classes.claim(ingress)
