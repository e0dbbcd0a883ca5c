"""The marks of a YAML text: where each value and each key stands.

For messages about a few fields: `documents` reads values without marks, which is faster. JSON is read as YAML.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from xds.problems.field_path import FieldPath, MapKey, Part

MERGE: Final = "<<"
"""Source: https://yaml.org/type/merge.html"""


class Position(NamedTuple):
    """A part of a text. Lines and columns count from 1, columns in characters.

    Attributes:
        end_line: 0: unknown, as are lines and columns of all other places with 0.
        end_column: Of the first character behind.
    """

    line: int
    column: int = 0
    end_line: int = 0
    end_column: int = 0


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place.

    Attributes:
        text: Of a scalar or a key; None for a list or mapping.
        items: Of a list.
        entries: Of a mapping: keys and values, in the order of the text.
    """

    position: Position
    text: str | None = None
    items: list["Node"] = field(default_factory=list)
    entries: list[tuple["Node", "Node"]] = field(default_factory=list)

    def entry(self, name: str) -> "tuple[Node, Node] | None":
        """The last entry of the name, which counts, else one of the merged mappings (`<<`)."""
        pending, seen = [self], set[int]()
        while pending:
            mapping = pending.pop()
            if id(mapping) in seen:
                continue
            seen.add(id(mapping))
            for entry in reversed(mapping.entries):
                if entry[0].text == name:
                    return entry
            merged = (each for key, value in mapping.entries if key.text == MERGE for each in value.items or [value])
            pending += reversed(list(merged))
        return None


def repeated_keys(root: Node) -> Iterator[tuple[Node, Node]]:
    """Each key of a mapping that the mapping has already, with the first key of the name."""
    pending, seen = [root], set[int]()
    while pending:
        node = pending.pop()
        if id(node) in seen:  # by an alias
            continue
        seen.add(id(node))
        first: dict[str, Node] = {}
        for key, value in node.entries:
            if key.text is not None and key.text != MERGE and first.setdefault(key.text, key) is not key:
                yield key, first[key.text]
            pending.append(value)
        pending += node.items


def nodes(raw: bytes) -> Iterator[Node]:
    """The root of each document of a text that `documents` can read.

    Raises:
        yaml.YAMLError: the text is JSON that is no YAML.
    """
    composer = _Composer()
    parser = yaml.CSafeLoader(raw)
    for event in iter(parser.get_event, None):
        composer.take(event)
        if isinstance(event, yaml.DocumentEndEvent) and composer.root is not None:
            yield composer.root


def descend(root: Node, parts: tuple[Part, ...]) -> tuple[Node, Position]:
    """The value at the end of a path, or of as much of the path as exists, and the place that names the value.

    The place of a value in a mapping is its key, with the value where both stand in one line.
    """
    node, position = root, Position(root.position.line, root.position.column)
    for part in parts:
        match part:
            case int(index):
                if index >= len(node.items):
                    break
                node = node.items[index]
                position = node.position if node.text is not None else Position(*node.position[:2])
            case str(name) | MapKey(name):
                found = node.entry(name)
                if found is None:
                    break
                key, node = found
                position = _of_entry(key, node)
    return node, position


def of_field(root: Node, path: FieldPath) -> Position:
    """The place of a field, or of the innermost field around that exists."""
    return descend(root, path.parts)[1]


def _of_entry(key: Node, value: Node) -> Position:
    start, end = key.position, value.position
    is_in_line = value.text is not None and end.line == end.end_line == start.line
    return start._replace(end_line=end.end_line, end_column=end.end_column) if is_in_line else start


@dataclass(slots=True)
class _Open:
    """A list or mapping before its end."""

    node: Node
    is_mapping: bool
    key: Node | None = None


class _Composer:
    """Builds nodes from libyaml's events without recursion, and lets an anchor be defined again."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._steps: dict[type, Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._begin,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
        }

    def take(self, event: yaml.Event) -> None:
        if step := self._steps.get(type(event)):
            step(event)

    def _begin(self, _: yaml.DocumentStartEvent) -> None:
        self.root, self._anchors = None, {}

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._add(self._named(event, Node(_position(event), event.value)))

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._add(self._anchors.get(event.anchor or "") or Node(_position(event)))

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        node = self._named(event, Node(_position(event)))
        self._open.append(_Open(node, isinstance(event, yaml.MappingStartEvent)))

    def _end(self, _: yaml.CollectionEndEvent) -> None:
        self._add(self._open.pop().node)

    def _named(self, event: yaml.NodeEvent, node: Node) -> Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        around = self._open[-1]
        if not around.is_mapping:
            around.node.items.append(node)
        elif around.key is None:
            around.key = node
        else:
            around.node.entries.append((around.key, node))
            around.key = None


def _position(event: yaml.Event) -> Position:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:  # events of a text have both
        return Position(1)
    return Position(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
