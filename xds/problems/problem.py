"""Bad input as a value: made in the pure stages, shown by the edges."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.reasons import Reason


class Key(NamedTuple):
    """Names an object within its kind. `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Names a Kubernetes object; with kind `File`, a file of the source folder."""

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A part of an object that is not served as written.

    Attributes:
        reason: Why, in a word.
        message: Why, in a sentence that says what happens instead.
        remedy: What to do, in a sentence.
        field: The part; WHOLE_OBJECT where no field is to blame.
        location: `FILE:LINE` or `FILE` where the object comes from a folder; else empty.
    """

    object: ObjectRef
    reason: Reason
    message: str
    remedy: str
    field: FieldPath = WHOLE_OBJECT
    location: str = ""


def by_annotation(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """The problems of annotations, by full name."""
    found: dict[str, list[Problem]] = {}
    for each in problems:
        match each.field.parts:
            case ("metadata", "annotations", MapKey(name), *_):
                found.setdefault(name, []).append(each)
    return found
