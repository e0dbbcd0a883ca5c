"""Statuses of the Gateway API as patches: our conditions and entries are merged into the status that an object has.

Foreign conditions, entries of other controllers and the order of the lists stay. A patch is bound to the version of the
object that was read.

Source: https://gateway-api.sigs.k8s.io/reference/spec/, where each status has notes for implementors.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from xds.kube.gateway_objects import GROUP, ParentReference
from xds.translate.gateway.options import CONTROLLER
from xds.translate.gateway.status import (
    MAX_ANCESTORS,
    ClassStatus,
    Condition,
    GatewayStatus,
    ListenerSetStatus,
    ListenerStatus,
    ParentStatus,
    PolicyStatus,
    RouteStatus,
    WantedStatus,
)

Document: TypeAlias = Mapping[str, Any]
"""A JSON object."""

IsOurs: TypeAlias = Callable[[ParentReference], bool]
"""Whether an entry under our controller name is of this installation."""

OWN_CONDITIONS: Final = frozenset(
    (
        "Accepted",
        "Programmed",
        "ResolvedRefs",
        "PartiallyInvalid",
        "Conflicted",
        "OverlappingTLSConfig",
        "InsecureFrontendValidationMode",
        "SupportedVersion",
    )
)
"""The types of conditions that are removed once they are no longer wanted."""

# https://gateway-api.sigs.k8s.io/reference/spec/#routestatus and #gatewaystatus
MAX_PARENTS: Final = 32
MAX_ADDRESSES: Final = 16

MAX_MESSAGE_LENGTH: Final = 32768

_STATUSES: Final = {True: "True", False: "False", None: "Unknown"}


def status_patch(
    found: Document, wanted: WantedStatus | None, at: str, is_ours: IsOurs = lambda _: True
) -> dict[str, Any] | None:
    """The merge patch that an object needs; None: the status is as wanted.

    Args:
        found: The object with its status.
        wanted: None: the object isn't ours, or no longer.
        at: The time of conditions that turn.
        is_ours: Tells entries of this installation from those of another with the same controller name.
    """
    metadata, status = found["metadata"], found.get("status") or {}
    generation = metadata.get("generation") or 0
    if wanted is not None and wanted.generation > generation:
        return None  # deleted and created again since the translation: the next one follows
    changes = _changes(status, wanted, _Merge(wanted.generation if wanted else 0, generation, at), is_ours)
    changed = {name: value for name, value in changes.items() if (value or None) != (status.get(name) or None)}
    if not changed:
        return None
    return {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": changed}


def _changes(status: Document, wanted: WantedStatus | None, merge: "_Merge", is_ours: IsOurs) -> dict[str, Any]:
    """The fields of the status that are ours."""
    match wanted:
        case ClassStatus(_, conditions, features):
            names = [{"name": each} for each in sorted(features)]
            return {"conditions": merge.conditions(status, conditions), "supportedFeatures": names}
        case GatewayStatus():
            return {
                "conditions": merge.conditions(status, wanted.conditions),
                "listeners": merge.listeners(status, wanted.listeners),
                "addresses": [{"type": each.type, "value": each.value} for each in wanted.addresses[:MAX_ADDRESSES]],
                "attachedListenerSets": wanted.attached_listener_sets,
            }
        case ListenerSetStatus(_, conditions, listeners):
            return {
                "conditions": merge.conditions(status, conditions),
                "listeners": merge.listeners(status, listeners),
            }
        case RouteStatus(_, parents):
            return {"parents": merge.parents(status.get("parents") or (), parents, is_ours)}
        case PolicyStatus(_, ancestors):
            return {"ancestors": merge.ancestors(status.get("ancestors") or (), ancestors, is_ours)}
        case None:
            return {
                "parents": merge.parents(status.get("parents") or (), (), is_ours),
                "ancestors": merge.ancestors(status.get("ancestors") or (), (), is_ours),
            }


class _Merge:
    """Merges into what the API server stores.

    Args:
        generation: The one that was translated.
        newest: The one that the object has.
        at: The time of conditions that turn.
    """

    def __init__(self, generation: int, newest: int, at: str) -> None:
        self._generation = generation
        self._newest = newest
        self._at = at

    def conditions(self, before: Document, wanted: Iterable[Condition]) -> list[Document]:
        """The conditions of an object, a listener or an entry, in the order of the status. New conditions are last."""
        left = {each.type: each for each in wanted}
        merged = []
        for stored in before.get("conditions") or ():
            condition = left.pop(stored["type"], None)
            if self._is_newer(stored):
                merged.append(stored)
            elif condition is not None:
                merged.append(self._condition(condition, stored))
            elif stored["type"] not in OWN_CONDITIONS:
                merged.append(stored)
        return merged + [self._condition(each, {}) for each in left.values()]

    def listeners(self, before: Document, wanted: Iterable[ListenerStatus]) -> list[Document]:
        stored = {each["name"]: each for each in before.get("listeners") or ()}
        return [
            {
                "name": each.name,
                "supportedKinds": [{"group": kind.group, "kind": kind.kind} for kind in each.supported_kinds],
                "attachedRoutes": each.attached_routes,
                "conditions": self.conditions(stored.get(each.name, {}), each.conditions),
            }
            for each in wanted
        ]

    def parents(self, before: Iterable[Document], wanted: Iterable[ParentStatus], is_ours: IsOurs) -> list[Document]:
        return self._entries(before, wanted, is_ours, "parentRef")[:MAX_PARENTS]

    def ancestors(self, before: Iterable[Document], wanted: Iterable[ParentStatus], is_ours: IsOurs) -> list[Document]:
        return self._entries(before, wanted, is_ours, "ancestorRef")[:MAX_ANCESTORS]

    def _entries(
        self, before: Iterable[Document], wanted: Iterable[ParentStatus], is_ours: IsOurs, field: str
    ) -> list[Document]:
        """Our entries as wanted, and foreign entries as found, in the order of the status. New entries are last."""
        left = {each.parent: each for each in wanted}
        merged = []
        for stored in before:
            parent = _reference(stored[field])
            if stored.get("controllerName") != CONTROLLER:
                merged.append(stored)
            elif (entry := left.pop(parent, None)) is not None:
                merged.append(self._entry(entry, field, stored))
            elif not is_ours(parent):
                merged.append(stored)
        return merged + [self._entry(each, field, {}) for each in left.values()]

    def _entry(self, entry: ParentStatus, field: str, stored: Document) -> Document:
        return {
            field: _document(entry.parent),
            "controllerName": CONTROLLER,
            "conditions": self.conditions(stored, entry.conditions),
        }

    def _is_newer(self, stored: Document) -> bool:
        """Whether another replica translated a newer generation of the same object."""
        return self._generation < (stored.get("observedGeneration") or 0) <= self._newest

    def _condition(self, wanted: Condition, stored: Document) -> Document:
        status = _STATUSES[wanted.status]
        return {
            "type": wanted.type,
            "status": status,
            "observedGeneration": self._generation,
            "lastTransitionTime": stored["lastTransitionTime"] if stored.get("status") == status else self._at,
            "reason": wanted.reason,
            "message": wanted.message[:MAX_MESSAGE_LENGTH],
        }


def _reference(found: Document) -> ParentReference:
    return ParentReference(
        found["name"],
        found.get("group", GROUP),
        found.get("kind", "Gateway"),
        found.get("namespace", ""),
        found.get("sectionName", ""),
        found.get("port"),
    )


def _document(parent: ParentReference) -> Document:
    optional = {"namespace": parent.namespace, "sectionName": parent.section_name, "port": parent.port}
    return {
        "group": parent.group,
        "kind": parent.kind,
        "name": parent.name,
        **{name: value for name, value in optional.items() if value},
    }
