"""The schema of Envoy's API as protobuf descriptors, read off the classes of envoy-data-plane.

Each field of those dataclasses carries its number, type, label and oneof, and the package's message pool knows each
message's full name; that is all a FileDescriptorProto says. Files are not the official ones: every group of types that
refer to each other is a file of its own, because with one file a package imports would be circular
(envoy.config.core.v3 and envoy.type.matcher.v3 need each other).
Two things of the official files are missing: options (they change neither bytes nor JSON), and the true place of an
enum, which envoy-data-plane doesn't keep and which neither bytes nor JSON show.

Everything here is slow (importing envoy_data_plane takes most of a second) and runs once for a version of that package:
`schema` keeps the result on disk.
"""

import dataclasses
import functools
import graphlib
import importlib
import keyword
import sys
import typing
from collections.abc import Iterable, Iterator

import betterproto2
from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from xds.envoyapi.schema import Schema

PACKAGE = "envoy_data_plane"

LABEL_OPTIONAL, LABEL_REPEATED = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED

_ENVOY_TYPES = (betterproto2.Message, betterproto2.Enum)

_WELL_KNOWN = {
    message.full_name: module.DESCRIPTOR.name
    for module in (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
    for message in (*module.DESCRIPTOR.message_types_by_name.values(), *module.DESCRIPTOR.enum_types_by_name.values())
}


def build(roots: Iterable[str]) -> Schema:
    """The schema of `roots` (full names of messages) and all that they lead to; imports envoy_data_plane."""
    types = _reachable(roots)
    protos = {name: _descriptor(name, t) for name, t in types.items()}
    names: dict[str, list[str]] = {}
    for name, t in sorted(types.items()):
        names.setdefault(t.__name__, []).append(name)
    for name in _WELL_KNOWN:
        names.setdefault(name.rpartition(".")[2], []).append(name)
    return Schema(
        files=[file.SerializeToString(deterministic=True) for file in (*_well_known_files(), *_files(protos))],
        names=names,
        members={name: _members(t) for name, t in types.items() if issubclass(t, betterproto2.Enum)},
    )


def _members(enum: type[betterproto2.Enum]) -> dict[str, int]:
    return {name: int(member) for name, member in enum.__members__.items()}


# The walk: from the roots to every class that their fields lead to.


def _reachable(roots: Iterable[str]) -> dict[str, type]:
    found: dict[str, type] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found or name in _WELL_KNOWN:
            continue
        found[name] = cls = _classes(_package(name))[name]
        if "." in name.removeprefix(_package(name) + "."):
            todo.append(name.rpartition(".")[0])
        if issubclass(cls, betterproto2.Message):
            todo += [_full_name(t) for t in _field_types(cls).values() if issubclass(t, _ENVOY_TYPES)]
    return found


def _package(full_name: str) -> str:
    """The package of a type: packages are in lower case, messages and enums are not."""
    return ".".join(part for part in full_name.split(".") if part[0].islower())


@functools.cache
def _classes(package: str) -> dict[str, type]:
    """The messages and enums of a protobuf package, by full name."""
    module = importlib.import_module(f"{PACKAGE}.{package}")
    return {_full_name(t): t for t in vars(module).values() if _is_declared_in(t, module.__name__)}


def _is_declared_in(t: object, module: str) -> bool:
    return isinstance(t, type) and t.__module__ == module and issubclass(t, _ENVOY_TYPES)


def _full_name(cls: type) -> str:
    if issubclass(cls, betterproto2.Enum):
        return _enum_name(cls)
    pool = importlib.import_module(f"{PACKAGE}.message_pool").default_message_pool
    return str(pool.type_to_url[cls]).rpartition("/")[2]


def _enum_name(cls: type[betterproto2.Enum]) -> str:
    """An enum is placed in the message whose name its own begins with; the package's pool has messages only."""
    outer = [m for m in _messages(cls.__module__) if _begins_with(cls.__name__, m.__name__)]
    if not outer:
        return f"{cls.__module__.removeprefix(PACKAGE + '.')}.{cls.__name__}"
    longest = max(outer, key=lambda m: len(m.__name__))
    return f"{_full_name(longest)}.{cls.__name__.removeprefix(longest.__name__)}"


def _begins_with(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) : len(prefix) + 1].isupper()


@functools.cache
def _messages(module: str) -> list[type[betterproto2.Message]]:
    declared = [t for t in vars(sys.modules[module]).values() if _is_declared_in(t, module)]
    return [t for t in declared if issubclass(t, betterproto2.Message)]


@functools.cache
def _field_types(cls: type) -> dict[str, type]:
    """What each field holds: a list's item, a map's value, and UInt32Value where Python has `int | None` for it."""
    hints = typing.get_type_hints(cls, vars(sys.modules[cls.__module__]), {})
    return {field.name: _held(_meta(field), hints[field.name]) for field in _fields(cls)}


def _held(meta: betterproto2.FieldMetadata, hint: typing.Any) -> type:
    holder = meta.map_meta[1] if meta.map_meta else meta
    if holder.unwrap:
        return holder.unwrap()
    args = typing.get_args(hint)
    return typing.cast("type", (args[1] if meta.map_meta else args[0]) if args else hint)


def _fields(cls: type) -> tuple[dataclasses.Field[typing.Any], ...]:
    return dataclasses.fields(cls)


def _meta(field: dataclasses.Field[typing.Any]) -> betterproto2.FieldMetadata:
    return betterproto2.FieldMetadata.get(field)


# One class, one descriptor.


def _descriptor(name: str, t: type) -> DescriptorProto | EnumDescriptorProto:
    return _enum(name, t) if issubclass(t, betterproto2.Enum) else _message(name, t)


def _message(name: str, cls: type) -> DescriptorProto:
    proto = DescriptorProto(name=name.rpartition(".")[2])
    groups = list(dict.fromkeys(meta.group for field in _fields(cls) if (meta := _meta(field)).group))
    for group in groups:
        proto.oneof_decl.add(name=group)
    for field in _fields(cls):
        meta, held = _meta(field), _field_types(cls)[field.name]
        descriptor = proto.field.add(name=_proto_field_name(field.name), number=meta.number)
        descriptor.label = LABEL_REPEATED if meta.repeated or meta.map_meta else LABEL_OPTIONAL
        if meta.map_meta:
            descriptor.type = FieldDescriptorProto.TYPE_MESSAGE
            descriptor.type_name = f".{name}.{_add_entry(proto, descriptor.name, meta.map_meta, held)}"
        else:
            _set_type(descriptor, meta, held)
        if meta.group:
            descriptor.oneof_index = groups.index(meta.group)
        elif meta.optional and meta.proto_type != betterproto2.TYPE_MESSAGE:
            _make_optional(proto, descriptor)
    return proto


def _add_entry(
    proto: DescriptorProto, field: str, metas: tuple[betterproto2.FieldMetadata, betterproto2.FieldMetadata], held: type
) -> str:
    """The message that a map's entries are on the wire: https://protobuf.dev/programming-guides/proto3/#backwards."""
    entry = proto.nested_type.add(name="".join(part.capitalize() for part in field.split("_")) + "Entry")
    entry.options.map_entry = True
    for name, meta in zip(("key", "value"), metas, strict=True):
        _set_type(entry.field.add(name=name, number=meta.number, label=LABEL_OPTIONAL), meta, held)
    return entry.name


def _make_optional(proto: DescriptorProto, field: FieldDescriptorProto) -> None:
    """A oneof of its own: https://github.com/protocolbuffers/protobuf/blob/main/docs/implementing_proto3_presence.md."""
    field.proto3_optional = True
    field.oneof_index = len(proto.oneof_decl)
    proto.oneof_decl.add(name=f"_{field.name}")


def _proto_field_name(python_name: str) -> str:
    """A field called like a Python keyword has a trailing underscore in Python."""
    stripped = python_name.removesuffix("_")
    return stripped if keyword.iskeyword(stripped) else python_name


def _set_type(field: FieldDescriptorProto, meta: betterproto2.FieldMetadata, held: type) -> None:
    field.type = FieldDescriptorProto.Type.Value(f"TYPE_{meta.proto_type.upper()}")
    if meta.proto_type in {betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM}:
        field.type_name = f".{_full_name(held)}"


def _enum(name: str, cls: type[betterproto2.Enum]) -> EnumDescriptorProto:
    proto = EnumDescriptorProto(name=name.rpartition(".")[2])
    for python_name, member in cls.__members__.items():
        is_alias = member.name != python_name
        proto.value.add(name=python_name if is_alias else member.proto_name or python_name, number=int(member))
        proto.options.allow_alias |= is_alias
    return proto


# Descriptors into files.


def _well_known_files() -> Iterator[FileDescriptorProto]:
    for module in (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        yield FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _files(protos: dict[str, DescriptorProto | EnumDescriptorProto]) -> Iterator[FileDescriptorProto]:
    """One file for each group of top-level types that refer to each other, each after those it imports."""
    tops = _nest(protos)
    uses = {top: _uses(proto, tops) for top, proto in tops.items()}
    file_of = {top: min(group).replace(".", "/") + ".proto" for top, group in _groups(uses).items()} | _WELL_KNOWN
    files: dict[str, FileDescriptorProto] = {}
    imports: dict[str, set[str]] = {}
    for top, proto in sorted(tops.items()):
        name = file_of[top]
        file = files.setdefault(name, FileDescriptorProto(name=name, package=_package(top), syntax="proto3"))
        (file.enum_type if isinstance(proto, EnumDescriptorProto) else file.message_type).append(proto)  # type: ignore[arg-type]
        imports.setdefault(name, set()).update({file_of[used] for used in uses[top]} - {name})
    in_order = {name: sorted(imports[name]) for name in imports}
    for name in graphlib.TopologicalSorter(in_order).static_order():
        if name in files:
            files[name].dependency.extend(in_order[name])
            yield files[name]


def _nest(protos: dict[str, DescriptorProto | EnumDescriptorProto]) -> dict[str, DescriptorProto | EnumDescriptorProto]:
    """Puts nested types into their outer ones, the deepest first, for adding copies; what is left is top-level."""
    tops = dict(protos)
    for name in sorted(protos, key=lambda name: (-name.count("."), name)):
        outer = protos.get(name.rpartition(".")[0])
        if isinstance(outer, DescriptorProto):
            proto = tops.pop(name)
            (outer.enum_type if isinstance(proto, EnumDescriptorProto) else outer.nested_type).append(proto)  # type: ignore[arg-type]
    return tops


def _uses(proto: DescriptorProto | EnumDescriptorProto, tops: typing.Container[str]) -> set[str]:
    if isinstance(proto, EnumDescriptorProto):
        return set()
    names = {field.type_name.removeprefix(".") for field in proto.field if field.type_name}
    uses = {_top(name, tops) for name in names}
    return uses.union(*(_uses(nested, tops) for nested in proto.nested_type))


def _top(name: str, tops: typing.Container[str]) -> str:
    while name not in tops and name not in _WELL_KNOWN:
        name = name.rpartition(".")[0]
    return name


def _groups(uses: dict[str, set[str]]) -> dict[str, set[str]]:
    """Each node's strongly connected component."""
    reach = {node: _closure(node, uses) for node in uses}
    return {node: {other for other in reach[node] if node in reach.get(other, ())} | {node} for node in uses}


def _closure(start: str, uses: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        more = uses.get(todo.pop(), set()) - seen
        seen |= more
        todo += more
    return seen
