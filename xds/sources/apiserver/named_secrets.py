"""The Secrets that Ingresses name, in TLS entries and in annotations, and those that objects of the Gateway API name.

Annotations may want any key of a Secret, others a few. So a Secret that no annotation names is kept without its
other keys: neither memory nor the content is wasted. When an annotation begins to name such a Secret, the Secret is
looked up again.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec

from xds.kube.change import Change
from xds.kube.objects import Ingress, KubeObject, Secret
from xds.kube.references import AnnotatedObjects, no_annotated_objects, references
from xds.kube.referrers import NamedByGateways, named_objects
from xds.kube.wire import Found
from xds.problems.problem import Key, ObjectRef
from xds.sources.apiserver.named_objects import NamedObjects, Names

_NONE: Final = frozenset[Key]()


class NamedSecrets(NamedObjects):
    """Tracks the Secrets that referrers name.

    Args:
        names: Returns the Secrets that a referrer names.
        annotated: Returns those that annotations name.
        always: Secrets to track although no referrer names them.
    """

    def __init__(self, names: Names, annotated: Names, always: Iterable[Key] = ()) -> None:
        super().__init__(Secret, names, always)
        self._annotated = annotated
        self._whole: Counter[Key] = Counter()
        self._whole_by_referrer: dict[ObjectRef, frozenset[Key]] = {}

    def expect(self, changes: Iterable[Change]) -> list[Key]:
        changes = list(changes)
        begun = super().expect(changes)
        is_begun = set(begun)
        for referrer, keys in self._naming(changes, self._annotated).items():
            before = self._whole_by_referrer.get(referrer, _NONE)
            for key in keys - before:
                if not self._whole[key] and key not in is_begun:
                    begun.append(key)
                self._whole[key] += 1
            if keys or before:
                self._whole_by_referrer[referrer] = before | keys
        return begun

    def release(self, changes: Iterable[Change]) -> list[Change]:
        """Drop the Secrets that no referrer names after these changes, and the content that no annotation names.

        Returns:
            The changes that follow.
        """
        changes = list(changes)
        found = super().release(changes)
        for referrer, keys in self._naming(changes, self._annotated).items():
            for key in self._whole_by_referrer.pop(referrer, _NONE) - keys:
                self._whole[key] -= 1
                if not self._whole[key]:
                    del self._whole[key]
                    found += self._shortened(key)
            if keys:
                self._whole_by_referrer[referrer] = keys
        return found

    def _shortened(self, key: Key) -> list[Change]:
        tracked = self._objects.get(key)
        return self.replace(self._kept(tracked)) if tracked else []

    def _found(self, event: Found) -> list[Change]:
        if isinstance(event.result, Secret):
            event = replace(event, result=self._kept(event.result))
        return super()._found(event)

    def _kept(self, found: KubeObject) -> KubeObject:
        if not isinstance(found, Secret) or found.data is None or found.key in self._whole:
            return found
        data = found.data.without_others
        return found if data is found.data else msgspec.structs.replace(found, data=data)


def named_secrets(
    always: Iterable[Key] = (),
    annotated: AnnotatedObjects = no_annotated_objects,
    namespace: str = "",
    named: NamedByGateways = named_objects,
) -> NamedSecrets:
    """Return a tracker of the Secrets that referrers name, and of those always named.

    Args:
        always: The Secrets that are always named.
        annotated: Returns the objects that the annotations of an Ingress name.
        namespace: Of the Secrets; empty for all namespaces.
        named: Returns the objects that an object of the Gateway API names.
    """

    def within(keys: frozenset[Key]) -> frozenset[Key]:
        return frozenset(key for key in keys if key.namespace == namespace) if namespace and keys else keys

    def by_annotations(of: KubeObject) -> frozenset[Key]:
        objects = annotated(of) if isinstance(of, Ingress) else frozenset()
        return within(frozenset(each.key for each in objects if each.kind == Secret.kind)) if objects else _NONE

    def names(of: KubeObject) -> frozenset[Key]:
        if not isinstance(of, Ingress):
            return within(frozenset(each.key for each in named(of) if each.kind == Secret.kind))
        secrets = within(references(of, no_annotated_objects).secrets)
        keys = by_annotations(of)
        return secrets | keys if keys else secrets

    return NamedSecrets(names, by_annotations, always)


def always_named(keys: Iterable[Key]) -> NamedSecrets:
    """Return a tracker of Secrets that no referrer names."""
    return NamedSecrets(lambda _: _NONE, lambda _: _NONE, keys)
