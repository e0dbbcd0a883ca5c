"""The objects of the Gateway API whose Secrets and ConfigMaps are followed: those of GatewayClasses of ours.

Gateways of other controllers may be in the same cluster. The private keys of these Gateways are never kept.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from xds.kube.change import Applied, Change
from xds.kube.gateway_objects import Gateway, GatewayClass
from xds.kube.objects import KubeObject
from xds.kube.referrers import GATEWAY_REFERRERS, named_objects
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker

OwnsClass: TypeAlias = Callable[[GatewayClass], bool]
"""Whether a GatewayClass is ours."""


class GatewayReferrers:
    """Finds the Secrets and ConfigMaps that objects of the Gateway API name, where the GatewayClass is ours.

    Args:
        owns_class: Whether a GatewayClass is ours.
        trackers: Of all watches, kept current by the caller.
    """

    def __init__(self, owns_class: OwnsClass, trackers: Mapping[Scope, ObjectTracker]) -> None:
        self._owns_class = owns_class
        self._trackers = trackers
        self._classes: frozenset[str] = frozenset()

    def named(self, of: KubeObject) -> Mapping[ObjectRef, FieldPath]:
        """Return the Secrets and ConfigMaps that the object names, each with the first field.

        The class of a ListenerSet or a policy shows in other objects: these count while there is a class of ours.
        """
        match of:
            case GatewayClass():
                is_ours = of.key.name in self._classes
            case Gateway():
                is_ours = of.spec.gateway_class_name in self._classes
            case _:
                is_ours = bool(self._classes)
        return named_objects(of) if is_ours else {}

    def take_classes(self) -> list[Change]:
        """Note the classes of ours. If the classes differ, return all referrers, to be judged again."""
        trackers = self._trackers.values()
        classes = [each for tracker in trackers if tracker.kind is GatewayClass for each in tracker.objects()]
        ours = frozenset(each.key.name for each in classes if isinstance(each, GatewayClass) and self._owns_class(each))
        if ours == self._classes:
            return []
        self._classes = ours
        naming = [tracker for tracker in trackers if tracker.kind in GATEWAY_REFERRERS]
        return [Applied(each) for tracker in naming for each in tracker.objects()]
