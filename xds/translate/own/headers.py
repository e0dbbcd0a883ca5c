"""request-headers and response-headers: headers that a path sets or removes."""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.headers import NO_CHANGES, HeaderChanges
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar
from xds.translate.nginx.custom_headers import MAX_HEADERS, NEVER_SET, PROTECTING
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.reader import AnnotationReader

MAX_BYTES: Final = 16 * 1024
"""Of an annotation. Each route of the Ingress repeats the headers, and so does each message."""

_LINES: Final = "lines of the form Name: value, and -Name for headers to remove"

REQUEST_HEADERS: Final = Annotation("request-headers", "headers", Grammar(_LINES, str), prefix=OWN_PREFIX)


def _protects(text: str) -> bool:
    """Whether a line sets a header that protects."""
    return any(line.partition(":")[0].strip().lower() in PROTECTING for line in text.splitlines())


RESPONSE_HEADERS: Final = Annotation(
    "response-headers", "headers", Grammar(_LINES, str), prefix=OWN_PREFIX, protects=_protects
)
ANNOTATIONS: Final = (REQUEST_HEADERS, RESPONSE_HEADERS)

_NAME: Final = re.compile(r"[A-Za-z0-9_!#$%&'*+.^`|~-]+")
"""Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""

_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")

_ROUTING: Final = frozenset({"host", "cookie"})
"""Of a request: the Host decides over SNI and virtual hosts, and has annotations of its own; Envoy joins cookies."""

_OURS: Final = ("x-envoy-", "x-forwarded-", "x-original-", "x-real-ip")
"""Beginnings of names of a request's headers that proxies tell backends about clients with, or that Envoy obeys."""


def request_headers(reader: AnnotationReader) -> HeaderChanges:
    changes = _changes(reader, REQUEST_HEADERS)
    return NO_CHANGES if isinstance(changes, Unavailable) else changes


def response_headers(reader: AnnotationReader) -> HeaderChanges | Unavailable:
    """The changes; Unavailable where a header that protects can't be set."""
    return _changes(reader, RESPONSE_HEADERS)


def _changes(reader: AnnotationReader, annotation: Annotation[str]) -> HeaderChanges | Unavailable:
    """The changes without lines that can't be used, each of which is a problem."""
    text = reader.text(annotation)
    if not text:
        return NO_CHANGES
    if len(text) > MAX_BYTES or len(text.splitlines()) > MAX_HEADERS:
        why = f"has more than {MAX_BYTES} characters or {MAX_HEADERS} lines, and none of its lines counts"
        _report(reader, annotation, why)
        return Unavailable(annotation) if annotation.protects and annotation.protects(text) else NO_CHANGES
    values: dict[str, str] = {}
    removed: set[str] = set()
    closes = False
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, value = (line[1:], "", "") if line.startswith("-") else line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if why := _why_not(name, value, line, is_request=annotation is REQUEST_HEADERS):
            _report(reader, annotation, f"has the line {shown(line)}, which is left out: {why}")
            closes |= annotation.protects is not None and annotation.protects(line)
        elif line.startswith("-"):
            removed.add(name)
        else:
            values[name] = value
    changes = HeaderChanges(tuple(sorted(values.items())), tuple(sorted(removed - values.keys())))
    return Unavailable(annotation) if closes else changes


def _why_not(name: str, value: str, line: str, *, is_request: bool) -> str:
    if ":" not in line and not line.startswith("-"):
        return "it has no colon"
    if not _NAME.fullmatch(name):
        return "the name has a character that header names don't have"
    if name in NEVER_SET or (is_request and (name in _ROUTING or name.startswith(_OURS))):
        return "no annotation changes this header"
    if not _VALUE.fullmatch(value):
        return "the value has a character that header values don't have"
    return "" if value or line.startswith("-") else "the value is empty"


def _report(reader: AnnotationReader, annotation: Annotation[str], why: str) -> None:
    remedy = f"Write {_LINES}."
    reader.report(annotation.full_name, Reason.ANNOTATION_INVALID, f"{annotation.full_name} {why}", remedy)
