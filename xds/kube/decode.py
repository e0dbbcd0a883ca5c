"""One document (what YAML or JSON gave) → one Kubernetes object, or the problem with it.

What the API server would check about an object's name is checked here, and the types of its fields; what the fields
say is checked where they are used. No message ever holds a value of a field: it could be a private key.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import msgspec

from xds.kube.objects import KINDS_BY_NAME, KubeObject, Secret
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown

NOT_AN_OBJECT = ObjectRef("File", "", "")
"""Stands for the file in a problem of a document that names no object; who knows the file puts it in."""

Document: TypeAlias = Mapping[Any, Any]

# Groups that used to hold kinds of ours.
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


class _Refused(Exception):  # noqa: N818 -- not an error, a verdict
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def is_name(kind: type[KubeObject], key: Key) -> bool:
    """Whether an object of the kind can be called so."""
    form, limit = _name_form(kind)
    if len(key.name) > limit or not form.fullmatch(key.name):
        return False
    return is_namespace(key.namespace) if kind.namespaced else not key.namespace


def is_namespace(name: str) -> bool:
    """Whether a namespace can be called so."""
    return len(name) <= _MAX_LABEL and _LABEL.fullmatch(name) is not None


def _name_form(kind: type[KubeObject]) -> tuple[re.Pattern[str], int]:
    return (_LABEL, _MAX_LABEL) if kind.name_is_label else (_SUBDOMAIN, _MAX_NAME)


def flatten(document: object) -> Iterator[object]:
    """The items of a `List` (or `IngressList` …), lists within lists too; anything else is its own only item.

    The API server leaves kind and apiVersion out of the items of a typed list.
    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#collections
    """
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, dict) and _is_list(item):
            pending.extend(_typed(each, item) for each in reversed(item["items"]))
        else:
            yield item


def _is_list(document: Document) -> bool:
    kind, items = document.get("kind"), document.get("items")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)


def _typed(item: object, around: Document) -> object:
    kind = str(around["kind"]).removesuffix("List")
    if not kind or not isinstance(item, dict) or "kind" in item:
        return item
    return {"kind": kind, "apiVersion": around.get("apiVersion"), **item}


def decode(document: object) -> KubeObject | Problem | None:
    """The object that the document describes, or its problem; None for an empty document and for other kinds.

    A problem names the object as far as the document does, or is about `NOT_AN_OBJECT`.
    """
    if document is None:
        return None
    try:
        return _decode(document)
    except _Refused as refused:
        return refused.problem


def _decode(document: object) -> KubeObject | None:
    if not isinstance(document, dict):
        raise _not_an_object("is not a mapping")
    name, api_version = document.get("kind"), document.get("apiVersion")
    if not isinstance(name, str) or not name:
        raise _not_an_object("has no kind")
    kind = KINDS_BY_NAME.get(name)
    if kind is None:
        return None
    if not isinstance(api_version, str) or not api_version:
        raise _not_an_object(f"has kind {name} and no apiVersion")
    if api_version == kind.api_version:
        return _convert(document, kind)
    # Elsewhere the same word means something else: a Knative Service, say.
    groups = _FORMER_GROUPS | {each.group() for each in KINDS_BY_NAME.values()}
    if api_version.rpartition("/")[0] not in groups:
        return None
    raise _unsupported(document, kind, api_version)


def _not_an_object(what: str) -> _Refused:
    reason = Reason.NOT_AN_OBJECT
    return _Refused(Problem(NOT_AN_OBJECT, reason, f"The document {what}.", reason.remedy))


def _unsupported(document: Document, kind: type[KubeObject], api_version: str) -> _Refused:
    message = f"apiVersion {shown(api_version)} of kind {kind.kind} is not supported."
    if removed := _REMOVED.get(api_version):
        message = f"{kind.kind} of apiVersion {api_version}{removed}."
    remedy = f"Use apiVersion: {kind.api_version}, and the fields it has."
    reference = _reference(document, kind)
    return _Refused(Problem(reference, Reason.UNSUPPORTED_API_VERSION, message, remedy, FieldPath.of("apiVersion")))


def _reference(document: Document, type_: type[KubeObject]) -> ObjectRef:
    """Which object the document is.

    Raises:
        _Refused: its name or namespace can't be one.
    """
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    # A Service's name is a label of the cluster's DNS. That it begins with a digit is allowed since Kubernetes 1.34, by
    # https://github.com/kubernetes/enhancements/issues/5311.
    form, limit = _name_form(type_)
    name = _name(type_.kind, metadata.get("name"), "name", form, limit)
    if not type_.namespaced:
        return ObjectRef(type_.kind, "", name)
    namespace = metadata.get("namespace")
    if namespace is None or namespace == "":
        namespace = "default"
    namespace = _name(type_.kind, namespace, "namespace", _LABEL, _MAX_LABEL)
    return ObjectRef(type_.kind, namespace, name)


def _name(kind: str, name: object, what: str, form: re.Pattern[str], limit: int) -> str:
    if isinstance(name, str) and len(name) <= limit and form.fullmatch(name):
        return name
    field = FieldPath.of("metadata", what)
    remedy = f"Use a to z, 0 to 9, '-'{' and dots' if form is _SUBDOMAIN else ''}, at most {limit} characters."
    reference = ObjectRef(kind, "", "")
    if name is None or name == "":
        message = f"{field} is missing."
    elif not isinstance(name, str):
        message, remedy = f"{field} must be a string, not {_word_of(name)}.", "Put it in quotes."
    elif len(name) > limit:
        message = f"{field} has {len(name)} characters, {limit} are allowed: {shown(name)}."
    else:
        message = f"{field} {shown(name)} is not a name that Kubernetes allows."
    raise _Refused(Problem(reference, Reason.INVALID_NAME, message, remedy, field))


def _convert(document: Document, type_: type[KubeObject]) -> KubeObject:
    reference = _reference(document, type_)
    metadata = document["metadata"]
    prepared = {**document, "metadata": {**metadata, "namespace": reference.namespace}}
    if type_ is Secret:
        # Of the metadata only the name: kubectl's last-applied annotation repeats the data.
        prepared["metadata"] = {"name": reference.name, "namespace": reference.namespace}
        prepared["data"] = _secret_data(document, reference)
    try:
        return _converted(prepared, type_)
    except msgspec.ValidationError as error:
        _refuse(reference, error)
    except RecursionError:
        raise _invalid(reference, WHOLE_OBJECT, "is nested too deep") from None


def _converted(document: Document, type_: type[KubeObject]) -> KubeObject:
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        if "got `null`" not in str(error):
            raise
    return msgspec.convert(_without_nulls(document), type_)


def _without_nulls(value: object) -> object:
    """To the API server a field that is null is one that isn't there.

    Recursive: parsers limit the depth.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _secret_data(document: Document, reference: ObjectRef) -> dict[str, bytes]:
    """The two keys that matter, `stringData` over `data` as the API server merges them.

    Source: https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
    """
    found: dict[str, bytes] = {}
    for field in ("data", "stringData"):
        values = document.get(field) or {}
        if not isinstance(values, dict):
            raise _invalid(reference, FieldPath.of(field), f"expected a mapping, found {_word_of(values)}")
        for key in ("tls.crt", "tls.key"):
            if values.get(key) is not None:
                found[key] = _secret_value(values[key], field, key, reference)
    return found


def _secret_value(value: object, field: str, key: str, reference: ObjectRef) -> bytes:
    path = FieldPath.of(field, MapKey(key))
    if not isinstance(value, str):
        raise _invalid(reference, path, f"expected a string, found {_word_of(value)}")
    if field == "stringData":
        return value.encode()
    try:
        # Go's decoder skips line breaks: https://pkg.go.dev/encoding/base64#Encoding.Decode
        return b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        raise _invalid(reference, path, "is not base64") from None


# What msgspec calls things, and what people who write YAML do.
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


def _refuse(reference: ObjectRef, error: msgspec.ValidationError) -> NoReturn:
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
    """From a path as msgspec writes it, in which `[...]` stands for any key of a map."""
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


def _invalid(reference: ObjectRef, field: FieldPath, what: str) -> _Refused:
    quotes = " A value in quotes is a string." if "string" in what or "whole number" in what else ""
    remedy = f"See `kubectl explain {reference.kind.lower()}.{field.names}`.{quotes}"
    return _Refused(Problem(reference, Reason.INVALID_OBJECT, f"{field}: {what}.", remedy, field))
