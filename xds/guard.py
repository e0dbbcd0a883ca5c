"""Never withdraw the world: what would leave nothing of a type is held, unless the source accounts for it."""

from collections.abc import Iterable
from typing import Final

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, IngressClass, Secret, Service
from xds.kube.problem import ObjectRef, Problem
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceKey, Store

GUARDED: Final = (ResourceType.CLUSTER, ResourceType.SECRET)
"""The types whose names begin with the namespace of the objects that they are made of. All routing hangs on them."""

_SOURCES: Final = (Ingress, Service, Secret)

Resources = dict[ResourceKey, Resource | None]


class Guard:
    """Lets changes through, or keeps them until a later one accounts for what they withdraw.

    A resource that goes is accounted for by a change or deletion of an Ingress, Service or Secret in its namespace, or
    by the deletion of an IngressClass.
    """

    def __init__(self) -> None:
        self._held: dict[ResourceKey, Resource | None] = {}
        self._namespaces: set[str] = set()
        self._classes: set[str] = set()
        self._class_deleted = False
        self.problems: list[Problem] = []

    @property
    def holds(self) -> bool:
        """Whether something is being held."""
        return bool(self._held)

    def returned(self, backends: Iterable[str]) -> None:
        """The clusters of these backends, and their endpoints, are wanted as they were."""
        for name in backends:
            self._held.pop((ResourceType.CLUSTER, name), None)
            self._held.pop((ResourceType.ENDPOINTS, name), None)

    def admit(self, built: Resources, changes: Iterable[Change], store: Store) -> Resources | None:
        """What may become part of the snapshot, with what was held before; None: nothing for now."""
        for change in changes:
            self._take_account(change)
        wanted = {**self._held, **built}
        withdrawn = [type_ for type_ in GUARDED if self._withdraws_all(type_, wanted, store)]
        self.problems = [self._problem(type_, len(store.resources(type_))) for type_ in withdrawn]
        if withdrawn:
            self._held = wanted
            return None
        self._held = {}
        self._namespaces.clear()
        self._classes.clear()
        self._class_deleted = False
        return wanted

    def _take_account(self, change: Change) -> None:
        match change:
            case Applied(object=IngressClass() as changed):
                self._classes.add(changed.key.name)
            case Applied(object=changed) if isinstance(changed, _SOURCES):
                self._namespaces.add(changed.key.namespace)
            case Deleted(kind=kind) if kind is IngressClass:
                self._class_deleted = True
            case Deleted(kind=kind, key=key) if kind in _SOURCES:
                self._namespaces.add(key.namespace)

    def _withdraws_all(self, type_: ResourceType, wanted: Resources, store: Store) -> bool:
        existing = store.resources(type_)
        if not existing or self._class_deleted:
            return False
        return (
            all(wanted.get((type_, name), existing) is None for name in existing)  # ends at the first, most of the time
            and any(name.partition("/")[0] not in self._namespaces for name in existing)
        )

    def _problem(self, type_: ResourceType, count: int) -> Problem:
        named = sorted(self._classes)
        about = ObjectRef("IngressClass", "", named[0]) if named else ObjectRef("Snapshot", "", type_.short)
        what = "cluster" if type_ is ResourceType.CLUSTER else "certificate"
        every = "every" if count > 1 else "the only"
        undo = f"Undo the last change of IngressClass {named[0]}" if named else "Undo the last change"
        return Problem(
            about,
            "WithdrawalHeld",
            f"a change would withdraw {every} {what} ({count}), and no deletion or change of an Ingress, Service or "
            "Secret accounts for it; what was there is served on, with its endpoints",
            f"{undo}; if it is meant, delete the Ingresses, or restart the server.",
        )
