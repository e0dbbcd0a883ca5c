"""The path of a field in a Kubernetes object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import total_ordering
from typing import Final, NamedTuple, TypeAlias

from xds.problems.text import shown


class MapKey(NamedTuple):
    """A key of a map: of annotations, or of a Secret's data."""

    name: str


Part: TypeAlias = str | int | MapKey
"""The name of a field, an index in a list from 0, or a key of a map."""


@total_ordering
@dataclass(frozen=True, slots=True)
class FieldPath:
    """The path of a field, as its parts. An empty path is the whole object, and false."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, *parts: Part) -> "FieldPath":
        return cls(parts)

    def child(self, *parts: Part) -> "FieldPath":
        return FieldPath(self.parts + parts)

    def within(self) -> "Iterator[FieldPath]":
        """The path itself, and then each field around it, from the inside out."""
        return (FieldPath(self.parts[:length]) for length in range(len(self.parts), 0, -1))

    @property
    def names(self) -> str:
        """The names of fields alone, as `kubectl explain` wants its argument."""
        return ".".join(part for part in self.parts if isinstance(part, str))

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __lt__(self, other: "FieldPath") -> bool:
        try:
            return self.parts < other.parts
        except TypeError:  # the first parts that differ are of different types
            return [_rank(part) for part in self.parts] < [_rank(part) for part in other.parts]

    def __str__(self) -> str:
        """The path as `kubectl explain` and the API server's messages write it: spec.rules[0].host."""
        return "".join(map(_text, self.parts)).removeprefix(".")


WHOLE_OBJECT: Final = FieldPath()


def _rank(part: Part) -> tuple[int, int, str]:
    match part:
        case int():
            return (0, part, "")
        case str():
            return (1, 0, part)
        case MapKey(name):
            return (2, 0, name)


def _text(part: Part) -> str:
    match part:
        case int():
            return f"[{part}]"
        case str():
            return f".{part}"
        case MapKey(name):
            return f"[{name}]" if _PLAIN_KEY.fullmatch(name) else f"[{shown(name)}]"


_PLAIN_KEY: Final = re.compile("[-._A-Za-z0-9]+")
"""A key of a Secret's or ConfigMap's data. Source: https://kubernetes.io/docs/concepts/configuration/secret/"""
