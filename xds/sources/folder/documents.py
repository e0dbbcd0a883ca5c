"""Parsing of YAML: text becomes documents of plain values, each with its first line.

YAML is built from libyaml's events, without recursion and without PyYAML's nodes: PyYAML's composer overflows the C
stack on deep nesting (https://github.com/yaml/pyyaml/issues/482 is one of many), and nodes take hundreds of bytes a
value. Plain scalars have the meaning of Kubernetes' own tools (YAML 1.1 without dates and base-60 numbers, which are
strings in Go's YAML). Of equal keys in a mapping, the last one counts.

Source: https://yaml.org/spec/1.2.2/ and https://github.com/kubernetes-sigs/yaml
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import yaml

MAX_DEPTH: Final = 100
"""Nesting of lists and mappings. A Kubernetes object needs 12 levels."""

MAX_DOCUMENTS: Final = 50_000
"""Documents of a file, including the items of Lists."""

MAX_ALIASED_BYTES: Final = 16 * 2**20
"""Memory that aliases may add to the written text, estimated at VALUE_BYTES and the characters of each value.

A few lines of aliases can stand for gigabytes: https://en.wikipedia.org/wiki/Billion_laughs_attack
"""

VALUE_BYTES: Final = 100


class Malformed(Exception):  # noqa: N818 -- the text is, not the program
    """The text is neither YAML nor JSON, or exceeds a limit.

    Attributes:
        line: From 1.
        column: In characters, from 1; 0: unknown.
    """

    def __init__(self, line: int, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.column = column


class Parsed(NamedTuple):
    """A document.

    Attributes:
        line: The first line, from 1.
        value: Plain lists, mappings and scalars.
        aliased: Bytes that aliases added to the text up to the document's end.
    """

    line: int
    value: object
    aliased: int = 0


# `---` at the start of a line, then a space or the line's end, is a marker wherever it stands, also in a scalar
# (https://yaml.org/spec/1.2.2/#rule-c-forbidden).
_MARKER = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(rb"^%", re.MULTILINE)


def split(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut YAML text in front of each document marker. Yields each piece with its first line, from 1.

    Text with directives (%YAML, %TAG) stays in one piece.

    Raises:
        Malformed: there are more than MAX_DOCUMENTS.
    """
    marks = [] if _DIRECTIVE.search(raw) else [match.start() for match in _MARKER.finditer(raw)]
    starts = [0, *(mark for mark in marks if mark)]
    if len(starts) > MAX_DOCUMENTS:
        raise too_many(1)
    line = 1
    for start, end in pairwise([*starts, len(raw)]):
        yield line, raw[start:end]
        line += raw.count(b"\n", start, end)


def too_many(line: int) -> Malformed:
    return Malformed(line, f"more than {MAX_DOCUMENTS} documents")


def too_much_aliased(line: int) -> Malformed:
    return Malformed(line, "aliases (*) that repeat too much")


def parse_yaml(raw: bytes) -> Iterator[Parsed]:
    """Parse the documents of a YAML text.

    Raises:
        Malformed: the text is not YAML, or exceeds one of the limits above.
    """
    builder = _Builder()
    try:
        parser = yaml.CSafeLoader(raw)
        for event in iter(parser.get_event, None):
            if builder.take(event):
                yield Parsed(builder.line, builder.value, builder.aliased)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Malformed(mark.line + 1 if mark else 1, _explained(error), mark.column + 1 if mark else 0) from None
    except yaml.reader.ReaderError as error:
        before = raw[: error.position] if isinstance(error.position, int) else b""
        raise Malformed(1 + before.count(b"\n"), str(error.reason)) from None


# Remedies for messages of libyaml that don't name the usual mistake.
_HINTS = {
    "did not find expected alphabetic or numeric character": "put a value that starts with * or & in quotes",
    "found character that cannot start any token": "indent with spaces; put a value that starts with @ or ` in quotes",
    "mapping values are not allowed in this context": "check the indentation; put a value with ': ' in it in quotes",
}


def _explained(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "unknown mistake"
    return f"{problem} ({_HINTS[problem]})" if problem in _HINTS else problem


_KEY_TEXT = "a key that is a list or a mapping"


class _NoKey:
    """A placeholder for the key of a mapping: the next key is still to come, or is `<<`."""


_NO_KEY, _MERGE = _NoKey(), _NoKey()


@dataclass(slots=True)
class _Open:
    """A list or mapping before its end."""

    value: list[object] | dict[object, object]
    anchor: str | None
    before: int  # bytes of the document in front
    key: object = _NO_KEY
    merged: list[object] = field(default_factory=list)

    def put(self, value: object) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is _NO_KEY:
            self.key = value
        else:
            if self.key is _MERGE:
                self.merged.extend(value if isinstance(value, list) else [value])
            else:
                self.value[self.key] = value
            self.key = _NO_KEY

    def wants_key(self) -> bool:
        return self.key is _NO_KEY and isinstance(self.value, dict)

    def merge(self) -> None:
        """Add the keys of `<<` that the mapping lacks. Source: https://yaml.org/type/merge.html."""
        for source in self.merged:
            if isinstance(self.value, dict) and isinstance(source, dict):
                for key, value in source.items():
                    self.value.setdefault(key, value)


class _Builder:
    """Builds values from libyaml's events. Sizes are bytes as for MAX_ALIASED_BYTES, with aliases written out."""

    def __init__(self) -> None:
        self.line = 1
        self.value: object = None
        self.aliased = 0
        self._size = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._steps: dict[type, Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._begin,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
        }

    def take(self, event: yaml.Event) -> bool:
        """Add the event. Returns whether the event ended a document."""
        step = self._steps.get(type(event))
        if step is not None:
            step(event)
        return step is None and isinstance(event, yaml.DocumentEndEvent)

    def _begin(self, event: yaml.DocumentStartEvent) -> None:
        self.line, self.value, self._anchors = _line(event), None, {}

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        value: object = event.value
        if event.implicit[0]:
            merge = event.value == "<<" and self._open and self._open[-1].wants_key()
            value = _MERGE if merge else _plain(event.value)
        elif event.tag is not None and event.tag != _STRING:
            value = _plain(event.value)
            if event.tag != _TAGS.get(type(value)):
                raise _malformed(event, "a tag that Kubernetes objects have no use for")
        size = VALUE_BYTES + len(event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, size)
        self._add(value, size)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag is not None and event.tag != (_MAP if mapping else _SEQUENCE):
            raise _malformed(event, "a tag that Kubernetes objects have no use for")
        if len(self._open) >= MAX_DEPTH:
            raise _malformed(event, f"nested more than {MAX_DEPTH} deep")
        if self._open and self._open[-1].wants_key():
            raise _malformed(event, _KEY_TEXT)
        self._open.append(_Open({} if mapping else [], event.anchor, self._size))

    def _end(self, _: yaml.CollectionEndEvent) -> None:
        done = self._open.pop()
        if done.merged:
            done.merge()
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, VALUE_BYTES + self._size - done.before)
        self._add(done.value, VALUE_BYTES)

    def _alias(self, event: yaml.AliasEvent) -> None:
        found = self._anchors.get(event.anchor or "")
        if found is None:
            raise _malformed(event, "an alias (*) without an anchor (&) before it")
        value, size = found
        if isinstance(value, list | dict) and self._open and self._open[-1].wants_key():
            raise _malformed(event, _KEY_TEXT)
        self.aliased += size
        if self.aliased > MAX_ALIASED_BYTES:
            raise too_much_aliased(_line(event))
        self._add(value, size)

    def _add(self, value: object, size: int) -> None:
        self._size += size
        if self._open:
            self._open[-1].put(value)
        else:
            self.value = value


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _malformed(event: yaml.Event, message: str) -> Malformed:
    return Malformed(_line(event), message, event.start_mark.column + 1 if event.start_mark else 0)


_STRING, _MAP, _SEQUENCE = (f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))
_TAGS: dict[type, str] = {
    type_: f"tag:yaml.org,2002:{name}"
    for type_, name in ((bool, "bool"), (int, "int"), (float, "float"), (type(None), "null"))
}

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_INT = re.compile(r"[-+]?(?:0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_NUMERIC = frozenset("0123456789+-.")
_BASES = {"0b": 2, "0x": 16}
_MAX_DIGITS = 100


def _plain(text: str) -> object:
    """Return the value of a plain scalar: null, a truth value, a number or a string."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC or len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2].lower()) or (8 if digits[0] == "0" and len(digits) > 1 else 10)
    return sign * int(digits, base)
