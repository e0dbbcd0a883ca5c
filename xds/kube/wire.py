"""What an API server sends, as values: the events of a watch and the pages of a list, each decoded once.

The quick way decodes a line straight into the object; only what doesn't fit is looked at again, and is then a
bookmark, a Status, or an object with a `Problem`.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from xds.kube.decode import decode, is_name
from xds.kube.objects import KubeObject, Metadata, Secret
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Holds the whole object once more; nothing here reads it."""


class GarbledError(Exception):
    """What came is not what an API server says."""


@dataclass(frozen=True, slots=True)
class Found:
    """The object exists; what it is, or why that can't be told. `version` is its resourceVersion."""

    key: Key
    version: str
    what: KubeObject | Problem


@dataclass(frozen=True, slots=True)
class Gone:
    """The object exists no more; `version` is that of its end."""

    key: Key
    version: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All up to `version` has been said; with `initial`, for the first time."""

    version: str
    initial: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a watch, or the answer to a request that was refused: a Status. `code` is as in HTTP."""

    code: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `next` asks for the next one, and is empty with the last; `version` is the whole list's."""

    items: tuple[Found, ...]
    version: str
    next: str


Event: TypeAlias = Found | Gone | Bookmark | Failure


class _Metadata(Metadata, frozen=True):
    resource_version: str = ""


class _SecretMetadata(Struct, frozen=True, rename="camel"):
    """The name alone: an annotation may hold the data once more."""

    name: str
    namespace: str = ""
    resource_version: str = ""


class _AnyMetadata(Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Any(Struct, frozen=True):
    """As much of any object, of a bookmark and of a Status as one needs to know what it is."""

    metadata: _AnyMetadata = _AnyMetadata()
    code: int = 0
    reason: str = ""
    message: str = ""


class _RawEvent(Struct, frozen=True):
    type: str
    object: Raw


class _ListMetadata(Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _RawPage(Struct, frozen=True):
    items: list[Raw] | None = None
    metadata: _ListMetadata = _ListMetadata()


class _Decoders:
    """Of one kind: an event, and a list, with the objects as they are on the wire."""

    def __init__(self, kind: type[KubeObject]) -> None:
        metadata = _SecretMetadata if kind is Secret else _Metadata
        wire = msgspec.defstruct(f"Wire{kind.__name__}", [("metadata", metadata)], bases=(kind,), frozen=True)
        event = msgspec.defstruct("WireEvent", [("type", str), ("object", wire)], frozen=True)
        fields = [("items", list[wire]), ("metadata", _ListMetadata)]  # type: ignore[valid-type]
        page = msgspec.defstruct("WirePage", fields, frozen=True)
        self.event: msgspec.json.Decoder[Any] = msgspec.json.Decoder(event)
        self.page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(page)
        self.object: msgspec.json.Decoder[Any] = msgspec.json.Decoder(wire)


@cache
def _decoders(kind: type[KubeObject]) -> _Decoders:
    return _Decoders(kind)


_ANY: Final = msgspec.json.Decoder(_Any)
_RAW_EVENT: Final = msgspec.json.Decoder(_RawEvent)
_RAW_PAGE: Final = msgspec.json.Decoder(_RawPage)
_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def event_of(kind: type[KubeObject], line: bytes) -> Event | None:
    """What one line of a watch says; None for a type of event that isn't known.

    Raises:
        GarbledError: the line is no event.
    """
    try:
        event = _decoders(kind).event.decode(line)
    except _MALFORMED:
        return _unusual_event(kind, line)
    if event.type in ("ADDED", "MODIFIED"):
        return _found(kind, event.object) or _unusual_event(kind, line)
    return _unusual_event(kind, line)


def page_of(kind: type[KubeObject], body: bytes) -> Page:
    """One page of a list.

    Raises:
        GarbledError: the body is no list. An empty object is none: every list has a version.
    """
    page = _page_of(kind, body)
    if not page.version:
        raise GarbledError("an answer that is no list")
    return page


def _page_of(kind: type[KubeObject], body: bytes) -> Page:
    try:
        page = _decoders(kind).page.decode(body)
        found = [_found(kind, each) for each in page.items]
    except _MALFORMED:
        return _unusual_page(kind, body)
    items = tuple(each for each in found if each)
    complete = len(items) == len(found)
    return (
        Page(items, page.metadata.resource_version, page.metadata.continue_) if complete else _unusual_page(kind, body)
    )


def failure_of(body: bytes) -> Failure | None:
    """The Status that an answer to a refused request holds, if it does."""
    try:
        status = _ANY.decode(body)
    except _MALFORMED:
        return None
    return Failure(status.code, status.reason, status.message) if status.code else None


def _found(kind: type[KubeObject], wire: Any) -> Found | None:
    """None if the name can't be one."""
    metadata = wire.metadata
    key = Key(metadata.namespace if kind.namespaced else "", metadata.name)
    if not is_name(kind, key):
        return None
    fields = (getattr(wire, name) for name in kind.__struct_fields__ if name != "metadata")
    return Found(key, metadata.resource_version, kind(_plain(key, metadata), *fields))


def _plain(key: Key, metadata: _Metadata | _SecretMetadata) -> Metadata:
    if isinstance(metadata, _SecretMetadata):
        return Metadata(key.name, key.namespace)
    annotations = metadata.annotations
    if annotations and LAST_APPLIED in annotations:
        annotations = {name: text for name, text in annotations.items() if name != LAST_APPLIED}
    return Metadata(
        key.name, key.namespace, metadata.uid, metadata.creation_timestamp, annotations or None, metadata.labels
    )


def _unusual_event(kind: type[KubeObject], line: bytes) -> Event | None:
    try:
        event = _RAW_EVENT.decode(line)
        if event.type in ("ADDED", "MODIFIED"):
            return _unusual(kind, event.object)
        about = _ANY.decode(event.object)
    except _MALFORMED as error:
        raise GarbledError(f"a line that is no event of a watch ({type(error).__name__})") from None
    metadata = about.metadata
    if event.type == "DELETED":
        return Gone(Key(metadata.namespace, metadata.name), metadata.resource_version)
    if event.type == "BOOKMARK":
        return Bookmark(metadata.resource_version, (metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true")
    return Failure(about.code, about.reason, about.message) if event.type == "ERROR" else None


def _unusual_page(kind: type[KubeObject], body: bytes) -> Page:
    try:
        page = _RAW_PAGE.decode(body)
    except _MALFORMED as error:
        raise GarbledError(f"an answer that is no list ({type(error).__name__})") from None
    items = tuple(_each(kind, page.items or ()))
    return Page(items, page.metadata.resource_version, page.metadata.continue_)


def _each(kind: type[KubeObject], items: Iterable[Raw]) -> Iterable[Found]:
    for item in items:
        try:
            found = _found(kind, _decoders(kind).object.decode(item))
        except _MALFORMED:
            found = None
        yield found or _unusual(kind, item)


def _unusual(kind: type[KubeObject], raw: Raw) -> Found:
    """An object that doesn't fit: perhaps with nulls, else with a problem."""
    key, version = _identity(raw)
    try:
        document = msgspec.json.decode(raw)
        what = decode({**document, "kind": kind.kind, "apiVersion": kind.api_version})
    except (*_MALFORMED, TypeError):
        what = None
    if not isinstance(what, Problem) and what is not None:
        return Found(what.key, version, what)
    return Found(key, version, _about(ObjectRef(kind.kind, *key), what))


def _identity(raw: Raw) -> tuple[Key, str]:
    try:
        metadata = _ANY.decode(raw).metadata
    except _MALFORMED:
        return Key("", ""), ""
    return Key(metadata.namespace, metadata.name), metadata.resource_version


def _about(reference: ObjectRef, problem: Problem | None) -> Problem:
    """The problem, naming the object as far as that has a name."""
    if problem is None:
        message, remedy = "The API server's object can't be decoded.", "Look at it with `kubectl get -o json`."
        return Problem(reference, Reason.INVALID_OBJECT, message, remedy)
    return replace(problem, object=reference)
