"""Decoding: a document from YAML or JSON becomes a Kubernetes object, or a problem.

Names are checked by the API server's rules, and fields for their types; values are checked where a field is used. No
message repeats a field's value, which could be a private key.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import contextlib
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import msgspec

from xds.kube.kinds import KINDS_BY_NAME
from xds.kube.objects import TLS_KEYS, ConfigMap, KubeObject, Metadata, Secret, SecretData
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown

NOT_AN_OBJECT = ObjectRef("File", "", "")
"""A placeholder for the file in the problem of a document that names no object; the folder source replaces it."""

Document: TypeAlias = Mapping[Any, Any]

_KINDS_BY_LOWER_CASE = {name.lower(): kind for name, kind in KINDS_BY_NAME.items()}

# Groups that once held kinds of ours.
_FORMER_GROUPS = {"extensions"}

# https://kubernetes.io/docs/reference/using-api/deprecation-guide/
_REMOVED = {
    "extensions/v1beta1": " was removed in Kubernetes 1.22",
    "networking.k8s.io/v1beta1": " was removed in Kubernetes 1.22",
    "discovery.k8s.io/v1beta1": " was removed in Kubernetes 1.25",
}

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MAX_NAME, _MAX_LABEL = 253, 63


class _InvalidError(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def is_name(kind: type[KubeObject], key: Key) -> bool:
    """Whether Kubernetes allows the name and namespace for an object of the kind."""
    form, limit = _name_form(kind)
    if len(key.name) > limit or not form.fullmatch(key.name):
        return False
    return is_namespace(key.namespace) if kind.namespaced else not key.namespace


def is_namespace(name: str) -> bool:
    """Whether Kubernetes allows the name for a namespace."""
    return len(name) <= _MAX_LABEL and _LABEL.fullmatch(name) is not None


def _name_form(kind: type[KubeObject]) -> tuple[re.Pattern[str], int]:
    return (_LABEL, _MAX_LABEL) if kind.name_is_label else (_SUBDOMAIN, _MAX_NAME)


def flatten(document: object) -> Iterator[object]:
    """Yield the items of a `List` (or `IngressList` …), also of lists within lists; yield any other document itself.

    The API server leaves kind and apiVersion out of the items of a typed list, so items inherit both.
    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#collections
    """
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, dict) and _is_list(item):
            pending.extend(_typed(each, item) for each in reversed(item["items"]))
        else:
            yield item


def located_items(document: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield the items as `flatten` does, each with the path that leads to it."""
    pending: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, dict) and _is_list(item):
            inside = [((*path, "items", index), _typed(each, item)) for index, each in enumerate(item["items"])]
            pending.extend(reversed(inside))
        else:
            yield path, item


def _is_list(document: Document) -> bool:
    kind, items = document.get("kind"), document.get("items")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)


def _typed(item: object, around: Document) -> object:
    kind = str(around["kind"]).removesuffix("List")
    if not kind or not isinstance(item, dict) or "kind" in item:
        return item
    return {"kind": kind, "apiVersion": around.get("apiVersion"), **item}


def decode(document: object) -> KubeObject | Problem | None:
    """Return the object of the document, or a problem; None for an empty document and for other kinds.

    A problem names the object as far as the document does; else `NOT_AN_OBJECT`.
    """
    if document is None:
        return None
    try:
        return _decode(document)
    except _InvalidError as error:
        return error.problem


def _decode(document: object) -> KubeObject | None:
    if not isinstance(document, dict):
        raise _not_an_object("is not a mapping")
    name, api_version = document.get("kind"), document.get("apiVersion")
    if not isinstance(name, str) or not name:
        raise _not_an_object("has no kind")
    kind = KINDS_BY_NAME.get(name)
    if kind is None:
        meant = _KINDS_BY_LOWER_CASE.get(name.lower())
        if meant and api_version == meant.api_version:
            raise _not_an_object(f"has kind {name}, which is written {meant.kind}")
        return None
    if not isinstance(api_version, str) or not api_version:
        raise _not_an_object(f"has kind {name} and no apiVersion")
    if api_version == kind.api_version or api_version in kind.older_versions:
        return _convert(document, kind)
    # In other groups the same word means another kind: a Knative Service, for example.
    groups = _FORMER_GROUPS | {each.group() for each in KINDS_BY_NAME.values()}
    if api_version.rpartition("/")[0] not in groups:
        return None
    raise _unsupported(document, kind, api_version)


def _not_an_object(fault: str) -> _InvalidError:
    reason = Reason.NOT_AN_OBJECT
    return _InvalidError(Problem(NOT_AN_OBJECT, reason, f"The document {fault}.", reason.remedy))


def _unsupported(document: Document, kind: type[KubeObject], api_version: str) -> _InvalidError:
    message = f"apiVersion {shown(api_version)} of kind {kind.kind} is not supported."
    if removed := _REMOVED.get(api_version):
        message = f"{kind.kind} of apiVersion {api_version}{removed}."
    remedy = f"Use apiVersion: {kind.api_version}, and the fields it has."
    reference = _reference(document, kind)
    return _InvalidError(
        Problem(reference, Reason.UNSUPPORTED_API_VERSION, message, remedy, FieldPath.of("apiVersion"))
    )


def _reference(document: Document, kind: type[KubeObject]) -> ObjectRef:
    """Return the reference to the document's object.

    Raises:
        _InvalidError: the name or the namespace is not allowed.
    """
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    # Since Kubernetes 1.34 a Service's name may begin with a digit:
    # https://github.com/kubernetes/enhancements/issues/5311
    form, limit = _name_form(kind)
    name = _name(kind, metadata.get("name"), "name", form, limit)
    if not kind.namespaced:
        return ObjectRef(kind.kind, "", name)
    namespace = metadata.get("namespace")
    if namespace is None or namespace == "":
        namespace = "default"
    namespace = _name(kind, namespace, "namespace", _LABEL, _MAX_LABEL)
    return ObjectRef(kind.kind, namespace, name)


def _name(kind: type[KubeObject], name: object, part: str, form: re.Pattern[str], limit: int) -> str:
    if isinstance(name, str) and len(name) <= limit and form.fullmatch(name):
        return name
    field = FieldPath.of("metadata", part)
    remedy = f"Use a to z, 0 to 9, '-'{' and dots' if form is _SUBDOMAIN else ''}, at most {limit} characters."
    reference = ObjectRef(kind.kind, "", "")
    if name is None or name == "":
        message = f"{field} is missing."
    elif not isinstance(name, str):
        message, remedy = f"{field} must be a string, not {_word_of(name)}.", "Put it in quotes."
    elif len(name) > limit:
        message = f"{field} has {len(name)} characters, {limit} are allowed: {shown(name)}."
    else:
        message = f"{field} {shown(name)} is not a name that Kubernetes allows."
    raise _InvalidError(Problem(reference, Reason.INVALID_NAME, message, remedy, field))


def _convert(document: Document, kind: type[KubeObject]) -> KubeObject:
    reference = _reference(document, kind)
    metadata = document["metadata"]
    prepared = {**document, "metadata": {**metadata, "namespace": reference.namespace}}
    if kind is Secret:
        # Without annotations: kubectl's last-applied annotation repeats the data.
        data = SecretData.of(_secret_data(document, reference))
        return Secret(Metadata(reference.name, reference.namespace), data)
    if kind is ConfigMap:
        prepared.pop("fault", None)  # no field of Kubernetes
        if isinstance(values := prepared.get("data"), dict):
            prepared["data"] = {str(key) if type(key) is int else key: value for key, value in values.items()}
    try:
        converted = _converted(prepared, kind)
        return ConfigMap.of(converted.metadata, converted.data) if isinstance(converted, ConfigMap) else converted
    except msgspec.ValidationError as error:
        _raise_invalid(reference, error)
    except RecursionError:
        raise _invalid(reference, WHOLE_OBJECT, "is nested too deep") from None


def _converted(document: Document, kind: type[KubeObject]) -> KubeObject:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        if "got `null`" not in str(error):
            raise
    return msgspec.convert(_without_nulls(document), kind)


def _without_nulls(value: object) -> object:
    """Drop fields with null, which the API server takes for absent.

    Recursive; parsers limit the depth.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _secret_data(document: Document, reference: ObjectRef) -> dict[str, bytes]:
    """Return the values by key; `stringData` wins over `data`, as in the API server.

    Source: https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
    """
    found: dict[str, bytes] = {}
    for field in ("data", "stringData"):
        values = document.get(field) or {}
        if not isinstance(values, dict):
            raise _invalid(reference, FieldPath.of(field), f"expected a mapping, found {_word_of(values)}")
        for key in TLS_KEYS:
            if values.get(key) is not None:
                found[key] = _secret_value(values[key], field, key, reference)
        found |= _other_values(values, field)
    return found


def _other_values(values: Document, field: str) -> dict[str, bytes]:
    """The other values, without those that the API server would not accept. Their keys may be names of users."""
    texts = {key: value for key, value in values.items() if key not in TLS_KEYS}
    found: dict[str, bytes] = {}
    for key, value in texts.items():
        if isinstance(key, str) and isinstance(value, str):
            with contextlib.suppress(ValueError):
                found[key] = value.encode() if field == "stringData" else _decoded(value)
    return found


def _secret_value(value: object, field: str, key: str, reference: ObjectRef) -> bytes:
    path = FieldPath.of(field, MapKey(key))
    if not isinstance(value, str):
        raise _invalid(reference, path, f"expected a string, found {_word_of(value)}")
    if field == "stringData":
        return value.encode()
    try:
        return _decoded(value)
    except ValueError:
        raise _invalid(reference, path, "is not base64") from None


def _decoded(value: str) -> bytes:
    # Go's decoder skips line breaks: https://pkg.go.dev/encoding/base64#Encoding.Decode
    return b64decode(value.replace("\n", "").replace("\r", ""), validate=True)


# msgspec's words for types, and the words of people who write YAML.
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number with a fraction",
    "bool": "true or false",
    "null": "nothing",
    "object": "a mapping",
    "array": "a list",
    "datetime": "a time such as 2026-01-31T12:00:00Z",
    "date": "a date",
    "bytes": "base64",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_MISSING = re.compile(r"missing required field `([^`]+)`")


def _word_of(value: object) -> str:
    names = {dict: "object", list: "array", type(None): "null"}
    return _WORDS.get(names.get(type(value), type(value).__name__), "something else")


def _raise_invalid(reference: ObjectRef, error: msgspec.ValidationError) -> NoReturn:
    text = str(error)
    place = _PLACE.search(text)
    path = _field(place[1]) if place else WHOLE_OBJECT
    if missing := _MISSING.search(text):
        path = path.child(missing[1])
        raise _invalid(reference, path, "is missing") from None
    if "`key` in" in text:
        raise _invalid(reference, path, "every key must be a string: put it in quotes") from None
    raise _invalid(reference, path, _plain(text)) from None


def _field(place: str) -> FieldPath:
    """Convert a path from msgspec, in which `[...]` stands for any key of a map."""
    parts = _PART.findall(place)
    return FieldPath(tuple(int(index) if index else name for index, name in parts))


def _plain(text: str) -> str:
    expected = _EXPECTED.match(text)
    if "timezone" in text or "RFC3339" in text:
        return f"expected {_WORDS['datetime']}"
    if expected is None:
        return "is out of range" if "out of range" in text else "has the wrong form"
    wanted = expected[1].removesuffix(" | null")
    found = f", found {_WORDS.get(expected[2], expected[2])}" if expected[2] else ""
    return f"expected {_WORDS.get(wanted, wanted)}{found}"


def _invalid(reference: ObjectRef, field: FieldPath, fault: str) -> _InvalidError:
    quotes = " A value in quotes is a string." if "string" in fault or "whole number" in fault else ""
    explained = ".".join(filter(None, (reference.kind.lower(), field.names)))
    remedy = f"See `kubectl explain {explained}`.{quotes}"
    message = f"{field}: {fault}." if field else f"The object: {fault}."
    return _InvalidError(Problem(reference, Reason.INVALID_OBJECT, message, remedy, field))
