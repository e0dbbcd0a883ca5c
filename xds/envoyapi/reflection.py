"""Reads envoy-data-plane's classes: full names, field types, and the types that a message leads to.

Each field of the dataclasses carries its number, type, label and oneof, and the package's message pool knows the full
name of each message. The place of an enum is not kept, so `_enum_name` derives a full name, which neither bytes nor
JSON show.
"""

import dataclasses
import functools
import importlib
import sys
import typing
from collections.abc import Iterable

import betterproto2
from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

PACKAGE = "envoy_data_plane"

WELL_KNOWN_FILES = (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)

WELL_KNOWN_TYPES = {
    message.full_name: module.DESCRIPTOR.name
    for module in WELL_KNOWN_FILES
    for message in (*module.DESCRIPTOR.message_types_by_name.values(), *module.DESCRIPTOR.enum_types_by_name.values())
}
"""protobuf's own messages and enums by full name, with the file of each."""

_TYPES = (betterproto2.Message, betterproto2.Enum)


def reachable(roots: Iterable[str]) -> dict[str, type]:
    """The roots and every message and enum that their fields lead to, by full name."""
    found: dict[str, type] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found or name in WELL_KNOWN_TYPES:
            continue
        found[name] = cls = _lacking().get(name) or _classes(package_of(name))[name]
        if "." in name.removeprefix(package_of(name) + "."):
            todo.append(name.rpartition(".")[0])
        if issubclass(cls, betterproto2.Message):
            todo += [full_name(held) for held in field_types(cls).values() if issubclass(held, _TYPES)]
    return found


def package_of(name: str) -> str:
    """The package in a full name: packages are in lower case, messages and enums are not."""
    return ".".join(part for part in name.split(".") if part[0].islower())


def full_name(cls: type) -> str:
    if issubclass(cls, betterproto2.Enum):
        return _enum_name(cls)
    pool = importlib.import_module(f"{PACKAGE}.message_pool").default_message_pool
    return str(pool.type_to_url[cls]).rpartition("/")[2]


def fields(cls: type) -> tuple[dataclasses.Field[typing.Any], ...]:
    return dataclasses.fields(cls)


def metadata(field: dataclasses.Field[typing.Any]) -> betterproto2.FieldMetadata:
    return betterproto2.FieldMetadata.get(field)


@functools.cache
def field_types(cls: type) -> dict[str, type]:
    """The type of each field's content: of a list's items, of a map's values, UInt32Value where Python has `int | None`
    for it.
    """
    hints = typing.get_type_hints(cls, vars(sys.modules[cls.__module__]), {})
    return {field.name: _content_type(metadata(field), hints[field.name]) for field in fields(cls)}


def _content_type(meta: betterproto2.FieldMetadata, hint: typing.Any) -> type:
    holder = meta.map_meta[1] if meta.map_meta else meta
    if holder.unwrap:
        return holder.unwrap()
    args = typing.get_args(hint)
    return typing.cast("type", (args[1] if meta.map_meta else args[0]) if args else hint)


@functools.cache
def _classes(package: str) -> dict[str, type]:
    """The messages and enums of a protobuf package, by full name."""
    module = importlib.import_module(f"{PACKAGE}.{package}")
    return {full_name(cls): cls for cls in vars(module).values() if _is_declared_in(cls, module.__name__)}


def _lacking() -> dict[str, type]:
    """The messages that envoy-data-plane lacks, by full name."""
    return dict(importlib.import_module("xds.envoyapi.lacking").CLASSES)


def _is_declared_in(value: object, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module and issubclass(value, _TYPES)


def _enum_name(cls: type[betterproto2.Enum]) -> str:
    """A full name in the message with the longest name that the enum's own name begins with."""
    outer = [message for message in _messages(cls.__module__) if _begins_with(cls.__name__, message.__name__)]
    if not outer:
        return f"{cls.__module__.removeprefix(PACKAGE + '.')}.{cls.__name__}"
    longest = max(outer, key=lambda message: len(message.__name__))
    return f"{full_name(longest)}.{cls.__name__.removeprefix(longest.__name__)}"


def _begins_with(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) : len(prefix) + 1].isupper()


@functools.cache
def _messages(module: str) -> list[type[betterproto2.Message]]:
    declared = [value for value in vars(sys.modules[module]).values() if _is_declared_in(value, module)]
    return [cls for cls in declared if issubclass(cls, betterproto2.Message)]
