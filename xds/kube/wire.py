"""Decoding of an API server's answers: the events of a watch and the pages of a list.

The fast path decodes a line straight into an object. A line that doesn't fit is decoded a second time, as a bookmark, a
Status, or an object with a `Problem`.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from xds.kube.decode import decode, is_name
from xds.kube.gateway_objects import GatewayMetadata, GatewayObject, Namespace
from xds.kube.objects import ConfigMap, KubeObject, Metadata, Secret, SecretData
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""A copy of the whole object; dropped, as nothing here needs the copy."""


class GarbledError(Exception):
    """The bytes are no answer of an API server."""


@dataclass(frozen=True, slots=True)
class Found:
    """The object exists.

    Attributes:
        key: Its name.
        version: Its resourceVersion.
        result: The object, or the problem that prevents decoding.
    """

    key: Key
    version: str
    result: KubeObject | Problem


@dataclass(frozen=True, slots=True)
class Gone:
    """The object was deleted; `version` is the resourceVersion of the deletion."""

    key: Key
    version: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The events up to a version are complete.

    Attributes:
        version: The resourceVersion to resume at.
        initial: Whether the bookmark ends a streamed list.
    """

    version: str
    initial: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A Status: the end of a watch, or the answer to a rejected request. `code` is the HTTP status."""

    code: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    Attributes:
        items: The objects.
        version: The resourceVersion of the whole list.
        next: The continue token of the next page; empty on the last page.
    """

    items: tuple[Found, ...]
    version: str
    next: str


Event: TypeAlias = Found | Gone | Bookmark | Failure


def version_number(version: str) -> int:
    """Return a resourceVersion as a number; 0 for a version that is none.

    Versions of a kind compare as numbers: a promise since Kubernetes 1.35, and before a property of etcd's revisions.
    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    return int(version) if version.isdecimal() else 0


def goes_back(before: str, after: str) -> bool:
    """Whether a later answer's version is older, as after etcd was restored from an older copy."""
    return 0 < version_number(after) < version_number(before)


class _Metadata(Metadata, frozen=True):
    resource_version: str = ""


class _GatewayMetadata(GatewayMetadata, frozen=True):
    resource_version: str = ""


class _SecretMetadata(Struct, frozen=True, rename="camel"):
    """Without annotations: one may repeat the data."""

    name: str
    namespace: str = ""
    resource_version: str = ""


class _AnyMetadata(Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Any(Struct, frozen=True):
    """The fields that identify an object, a bookmark or a Status."""

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
    """The decoders of a kind: for an event, for a page, and for an object alone."""

    def __init__(self, kind: type[KubeObject]) -> None:
        own: list[Any] = [("metadata", _GatewayMetadata if issubclass(kind, GatewayObject) else _Metadata)]
        if kind is Secret:
            own = [("metadata", _SecretMetadata), ("data", dict[str, bytes] | None, None)]
        wire = msgspec.defstruct(f"Wire{kind.__name__}", own, bases=(kind,), frozen=True)
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
    """Decode a line of a watch; None for an unknown type of event.

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
    """Decode a page of a list.

    Raises:
        GarbledError: the body is no list. Every list has a version, so an empty object is none.
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
    """Decode the Status in the answer to a rejected request; None for a body of another form."""
    try:
        status = _ANY.decode(body)
    except _MALFORMED:
        return None
    return Failure(status.code, status.reason, status.message) if status.code else None


def _found(kind: type[KubeObject], wire: Any) -> Found | None:
    """Return the object; None if Kubernetes doesn't allow the name."""
    metadata = wire.metadata
    key = Key(metadata.namespace if kind.namespaced else "", metadata.name)
    if not is_name(kind, key):
        return None
    if kind is ConfigMap:
        plain = Metadata(key.name, key.namespace, metadata.uid)
        return Found(key, metadata.resource_version, ConfigMap.of(plain, wire.data))
    if kind is Secret:
        secret = Secret(Metadata(key.name, key.namespace), SecretData.of(wire.data or {}))
        return Found(key, metadata.resource_version, secret)
    if kind is Namespace:  # without annotations, which change often and say nothing here
        return Found(key, metadata.resource_version, Namespace(Metadata(key.name, labels=metadata.labels)))
    fields = (getattr(wire, name) for name in kind.__struct_fields__ if name != "metadata")
    return Found(key, metadata.resource_version, kind(_plain(key, metadata), *fields))


def _plain(key: Key, metadata: _Metadata | _GatewayMetadata) -> Metadata:
    annotations = metadata.annotations
    if annotations and LAST_APPLIED in annotations:
        annotations = {name: text for name, text in annotations.items() if name != LAST_APPLIED}
    fields = (key.name, key.namespace, metadata.uid, metadata.creation_timestamp, annotations or None, metadata.labels)
    if isinstance(metadata, _GatewayMetadata):
        return GatewayMetadata(*fields, metadata.generation)
    return Metadata(*fields)


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
    """Decode an object that the fast path can't: with nulls, or with a problem."""
    key, version = _identity(raw)
    try:
        document = msgspec.json.decode(raw)
        result = decode({**document, "kind": kind.kind, "apiVersion": kind.api_version})
    except (*_MALFORMED, TypeError):
        result = None
    if not isinstance(result, Problem) and result is not None:
        return Found(result.key, version, result)
    return Found(key, version, _about(ObjectRef(kind.kind, *key), result))


def _identity(raw: Raw) -> tuple[Key, str]:
    try:
        metadata = _ANY.decode(raw).metadata
    except _MALFORMED:
        return Key("", ""), ""
    return Key(metadata.namespace, metadata.name), metadata.resource_version


def _about(reference: ObjectRef, problem: Problem | None) -> Problem:
    """Return the problem under the object's name."""
    if problem is None:
        message, remedy = "The API server's object can't be decoded.", "Look at it with `kubectl get -o json`."
        return Problem(reference, Reason.INVALID_OBJECT, message, remedy)
    return replace(problem, object=reference)
