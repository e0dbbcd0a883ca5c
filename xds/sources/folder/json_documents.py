"""Parsing of JSON: text becomes plain values, each with its first line."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from xds.sources.folder.documents import MAX_DOCUMENTS, Malformed, Parsed

JSON_ITEMS_CHUNK: Final = 20
"""Items of a List in JSON that are decoded in one call: a call holds up all other threads."""


def parse_json(raw: bytes) -> Iterator[Parsed]:
    """Parse a sequence of JSON values, as kubectl does. A long List comes as several short Lists.

    Raises:
        Malformed: the text, or its rest after some values, is not JSON.
    """
    start = _after_space(raw, 0)
    line = 1 + raw.count(b"\n", 0, start)
    if (whole := _json_list(raw)) is not None:
        yield from (Parsed(line, part) for part in _short_lists(whole, raw))
        return
    while start < len(raw):
        value, end = _json_value(raw, start)
        yield Parsed(line, value)
        end = _after_space(raw, end)
        line += raw.count(b"\n", start, end)
        start = end


_SPACE = re.compile(rb"[ \t\r\n]*")


def _after_space(raw: bytes, at: int) -> int:
    match = _SPACE.match(raw, at)
    return match.end() if match else at


class _List(msgspec.Struct, rename="camel"):
    """A Kubernetes List with undecoded items: decoding all in one call would hold up other threads."""

    kind: str
    items: list[msgspec.Raw]
    api_version: object = None


def _json_list(raw: bytes) -> _List | None:
    """Return the List in the text; None for any other text."""
    try:
        found = msgspec.json.decode(raw, type=_List)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if found.kind.endswith("List") and len(found.items) <= MAX_DOCUMENTS else None


def _short_lists(whole: _List, raw: bytes) -> Iterator[object]:
    for start in range(0, len(whole.items), JSON_ITEMS_CHUNK):
        try:
            items = [msgspec.json.decode(item) for item in whole.items[start:][:JSON_ITEMS_CHUNK]]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            _json_value(raw, 0)  # raises Malformed with the line
            raise
        yield {"kind": whole.kind, "apiVersion": whole.api_version, "items": items}


_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_AT_BYTE = re.compile(r" \(byte (\d+)\)")


def _json_value(raw: bytes, start: int) -> tuple[object, int]:
    rest = memoryview(raw)[start:]
    try:
        return msgspec.json.decode(rest), len(raw)
    except RecursionError:
        raise Malformed(1 + raw.count(b"\n", 0, start), "nested too deep") from None
    except UnicodeDecodeError:
        raise Malformed(1 + raw.count(b"\n", 0, start), "not UTF-8") from None
    except msgspec.DecodeError as error:
        text = str(error)
    if trailing := _TRAILING.search(text):
        size = int(trailing[1]) - 1  # msgspec counts the first wrong character
        return msgspec.json.decode(rest[:size]), start + size
    where = _AT_BYTE.search(text)
    offset = start + int(where[1]) if where else len(raw)
    raise Malformed(1 + raw.count(b"\n", 0, offset), _AT_BYTE.sub("", text).removeprefix("JSON is malformed: "))
