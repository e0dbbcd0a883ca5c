"""The place of the field that a problem names, in the text that the object came from."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import yaml

from xds.kube.decode import decode, located_items
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.documents import Malformed, Parsed, parse_yaml
from xds.sources.folder.endpoints import mirrored
from xds.sources.folder.json_documents import parse_json
from xds.sources.folder.manifests import texts
from xds.sources.folder.marks import Node, Position, descend, nodes, of_field, repeated_keys

_TEMPLATE: Final = re.compile(r"\{\{|\{%|\$\{")


@dataclass(frozen=True, slots=True)
class Text:
    """The contents of a file, or of standard input."""

    raw: bytes
    is_json: bool


@dataclass(frozen=True, slots=True)
class _Item:
    """An object in a document.

    Attributes:
        line: The first line of the document.
        results: The objects, or the problems, that decoding the item gives.
    """

    line: int
    node: Node
    results: tuple[ObjectRef | Problem, ...]

    def concerns(self, problem: Problem) -> bool:
        for each in self.results:
            if isinstance(each, ObjectRef):
                if each == problem.object:
                    return True
            elif (each.reason, each.field, each.message) == (problem.reason, problem.field, problem.message):
                return True
        return False


class Positions:
    """Finds places in texts. A document is read again when its first problem is looked up.

    Args:
        contents: The texts, by path.
    """

    def __init__(self, contents: Mapping[str, Text]) -> None:
        self._contents = contents
        self._pieces: dict[str, list[tuple[int, bytes]]] = {}
        self._items: dict[tuple[str, int], list[_Item]] = {}

    def find(self, path: str, line: int, problem: Problem) -> Position:
        """The place of a problem.

        Args:
            path: The file.
            line: The first line of the document, or the line of a mistake of the text.
            problem: Whose field is looked up.
        """
        if path not in self._contents:
            return Position(line)
        first, text = self._piece(path, line)
        match problem.reason:
            case Reason.MALFORMED_FILE:
                return Position(line, self._mistake(path, text, line - first + 1))
            case Reason.DUPLICATE_KEY:
                repeated = (key.position for root in nodes(text) for key, _ in repeated_keys(root))
                return next((each for each in repeated if each.line == line - first + 1), Position(0))._replace(
                    line=line, end_line=line
                )
            case Reason.UNRENDERED_TEMPLATE:
                return _first_sign(text, line - first, first) or Position(line)
        same = [each for each in self._index(path, first, text) if each.line == line and each.concerns(problem)]
        if not same:
            return Position(line)
        node = same[-1 if problem.reason is Reason.DUPLICATE_OBJECT else 0].node
        found = of_field(node, problem.field)
        shift = first - 1
        return found._replace(line=found.line + shift, end_line=found.end_line and found.end_line + shift)

    def text_of(self, path: str, line: int) -> bytes:
        """The text of the document in this line; of standard input, `# Source: …` may name a template."""
        return self._piece(path, line)[1] if path in self._contents else b""

    def _piece(self, path: str, line: int) -> tuple[int, bytes]:
        """The piece of a file with this line, with its first line."""
        if path not in self._pieces:
            text = self._contents[path]
            try:
                self._pieces[path] = list(texts(text.raw, is_json=text.is_json))
            except Malformed:  # too many pieces
                self._pieces[path] = [(1, text.raw)]
        pieces = self._pieces[path]
        return pieces[bisect_right(pieces, line, key=lambda each: each[0]) - 1]

    def _mistake(self, path: str, text: bytes, line: int) -> int:
        """The column of the mistake in this line of a piece; 0: unknown."""
        try:
            for _ in (parse_json if self._contents[path].is_json else parse_yaml)(text):
                pass
        except Malformed as malformed:
            return malformed.column if malformed.line == line else 0
        return 0

    def _index(self, path: str, first: int, text: bytes) -> list[_Item]:
        if (path, first) not in self._items:
            try:
                parsed = _json(text) if self._contents[path].is_json else parse_yaml(text)
                self._items[path, first] = list(_items(parsed, text, first))
            except (Malformed, yaml.YAMLError, msgspec.DecodeError, RecursionError, ValueError):
                self._items[path, first] = []  # such as several JSON values in a file
        return self._items[path, first]


def _json(raw: bytes) -> Iterator[Parsed]:
    """The only value of a JSON text, in one part."""
    value = msgspec.json.decode(raw)
    yield Parsed(1 + raw[: len(raw) - len(raw.lstrip())].count(b"\n"), value)


def _items(parsed: Iterator[Parsed], text: bytes, first: int) -> Iterator[_Item]:
    for document, root in zip(parsed, nodes(text), strict=True):
        for path, item in located_items(document.value):
            node, _ = descend(root, path)
            results = (decode(each) for each in mirrored(item))
            found = tuple(each if isinstance(each, Problem) else each.ref for each in results if each is not None)
            yield _Item(document.line + first - 1, node, found)


def _first_sign(text: bytes, skipped: int, first: int) -> Position | None:
    """The first part of a template behind the skipped lines of a piece with this first line."""
    for number, line in enumerate(text.decode(errors="replace").split("\n")):
        if number >= skipped and (found := _TEMPLATE.search(line)):
            return Position(number + first, found.start() + 1)
    return None
