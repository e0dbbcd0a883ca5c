"""The schema of Envoy's API as protobuf descriptors, built from the classes of envoy-data-plane (see `reflection`).

The files differ from the official ones. Every group of mutually dependent types is a file, because files of whole
packages would import each other in circles: envoy.config.core.v3 and envoy.type.matcher.v3, for example.
Options are missing, and an enum can have another full name; neither changes bytes or JSON.

Building is slow (importing envoy_data_plane takes most of a second) and happens once for a version of the package:
`schema` keeps the result on disk.
"""

import graphlib
import keyword
import typing
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import betterproto2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from xds.envoyapi.reflection import (
    WELL_KNOWN_FILES,
    WELL_KNOWN_TYPES,
    field_types,
    fields,
    full_name,
    metadata,
    package_of,
    reachable,
)
from xds.envoyapi.schema import Schema

LABEL_OPTIONAL, LABEL_REPEATED = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED

_Proto: TypeAlias = DescriptorProto | EnumDescriptorProto


def build(roots: Iterable[str]) -> Schema:
    """The schema of the messages with the full names `roots` and of all types that they lead to.

    Imports envoy_data_plane.
    """
    types = reachable(roots)
    protos = {name: _descriptor(name, cls) for name, cls in types.items()}
    names: dict[str, list[str]] = {}
    for name, cls in sorted(types.items()):
        names.setdefault(cls.__name__, []).append(name)
    for name in WELL_KNOWN_TYPES:
        names.setdefault(name.rpartition(".")[2], []).append(name)
    return Schema(
        files=[file.SerializeToString(deterministic=True) for file in (*_well_known_files(), *_files(protos))],
        names=names,
        members={
            name: {member: int(value) for member, value in cls.__members__.items()}
            for name, cls in types.items()
            if issubclass(cls, betterproto2.Enum)
        },
    )


# One class, one descriptor.


def _descriptor(name: str, cls: type) -> _Proto:
    return _enum(name, cls) if issubclass(cls, betterproto2.Enum) else _message(name, cls)


def _message(name: str, cls: type) -> DescriptorProto:
    proto = DescriptorProto(name=name.rpartition(".")[2])
    groups = list(dict.fromkeys(meta.group for field in fields(cls) if (meta := metadata(field)).group))
    for group in groups:
        proto.oneof_decl.add(name=group)
    for field in fields(cls):
        meta, held = metadata(field), field_types(cls)[field.name]
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
    """Adds the message of a map's entries on the wire: https://protobuf.dev/programming-guides/proto3/#backwards."""
    entry = proto.nested_type.add(name="".join(part.capitalize() for part in field.split("_")) + "Entry")
    entry.options.map_entry = True
    for name, meta in zip(("key", "value"), metas, strict=True):
        _set_type(entry.field.add(name=name, number=meta.number, label=LABEL_OPTIONAL), meta, held)
    return entry.name


def _make_optional(proto: DescriptorProto, field: FieldDescriptorProto) -> None:
    """Puts the field into a oneof of its own.

    Source: https://github.com/protocolbuffers/protobuf/blob/main/docs/implementing_proto3_presence.md
    """
    field.proto3_optional = True
    field.oneof_index = len(proto.oneof_decl)
    proto.oneof_decl.add(name=f"_{field.name}")


def _proto_field_name(python_name: str) -> str:
    """The name without the underscore that a Python keyword takes."""
    stripped = python_name.removesuffix("_")
    return stripped if keyword.iskeyword(stripped) else python_name


def _set_type(field: FieldDescriptorProto, meta: betterproto2.FieldMetadata, held: type) -> None:
    field.type = FieldDescriptorProto.Type.Value(f"TYPE_{meta.proto_type.upper()}")
    if meta.proto_type in {betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM}:
        field.type_name = f".{full_name(held)}"


def _enum(name: str, cls: type[betterproto2.Enum]) -> EnumDescriptorProto:
    proto = EnumDescriptorProto(name=name.rpartition(".")[2])
    for python_name, member in cls.__members__.items():
        is_alias = member.name != python_name
        proto.value.add(name=python_name if is_alias else member.proto_name or python_name, number=int(member))
        proto.options.allow_alias |= is_alias
    return proto


# Descriptors into files.


def _well_known_files() -> Iterator[FileDescriptorProto]:
    for module in WELL_KNOWN_FILES:
        yield FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _files(protos: dict[str, _Proto]) -> Iterator[FileDescriptorProto]:
    """A file for each group of mutually dependent top-level types, imported files first."""
    top_level = _nest(protos)
    uses = {top: _uses(proto, top_level) for top, proto in top_level.items()}
    file_of = {top: min(group).replace(".", "/") + ".proto" for top, group in _groups(uses).items()} | WELL_KNOWN_TYPES
    files: dict[str, FileDescriptorProto] = {}
    imports: dict[str, set[str]] = {}
    for top, proto in sorted(top_level.items()):
        name = file_of[top]
        file = files.setdefault(name, FileDescriptorProto(name=name, package=package_of(top), syntax="proto3"))
        (file.enum_type if isinstance(proto, EnumDescriptorProto) else file.message_type).append(proto)  # type: ignore[arg-type]
        imports.setdefault(name, set()).update({file_of[used] for used in uses[top]} - {name})
    in_order = {name: sorted(imports[name]) for name in imports}
    for name in graphlib.TopologicalSorter(in_order).static_order():
        if name in files:
            files[name].dependency.extend(in_order[name])
            yield files[name]


def _nest(protos: dict[str, _Proto]) -> dict[str, _Proto]:
    """The top-level types, with nested types put into them: the deepest first, because adding a type copies it."""
    top_level = dict(protos)
    for name in sorted(protos, key=lambda name: (-name.count("."), name)):
        outer = protos.get(name.rpartition(".")[0])
        if isinstance(outer, DescriptorProto):
            proto = top_level.pop(name)
            (outer.enum_type if isinstance(proto, EnumDescriptorProto) else outer.nested_type).append(proto)  # type: ignore[arg-type]
    return top_level


def _uses(proto: _Proto, top_level: typing.Container[str]) -> set[str]:
    if isinstance(proto, EnumDescriptorProto):
        return set()
    names = {field.type_name.removeprefix(".") for field in proto.field if field.type_name}
    uses = {_top(name, top_level) for name in names}
    return uses.union(*(_uses(nested, top_level) for nested in proto.nested_type))


def _top(name: str, top_level: typing.Container[str]) -> str:
    while name not in top_level and name not in WELL_KNOWN_TYPES:
        name = name.rpartition(".")[0]
    return name


def _groups(uses: dict[str, set[str]]) -> dict[str, set[str]]:
    """The strongly connected component of each type: types that use each other, directly or indirectly."""
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
