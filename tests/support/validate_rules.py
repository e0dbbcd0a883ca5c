"""Writes the `validate` rules of Envoy's messages as JSON: of the messages named as arguments, and of the messages in
their fields.

Runs with the wheel xds-protos in its path, whose package `xds` takes the place of ours: see `constraints`.
"""

import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message


def main() -> None:
    for file in distribution("xds-protos").files or ():
        if str(file).endswith("_pb2.py") and file.parts[0] in {"envoy", "xds", "validate"}:
            importlib.import_module(str(file).removesuffix(".py").replace("/", "."))
    found = {each.full_name: dict(_rules(each)) for each in _closure(sys.argv[1:])}
    json.dump({name: found[name] for name in sorted(found) if found[name]}, sys.stdout)


def _closure(names: Iterable[str]) -> Iterator[Descriptor]:
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name in seen or name.startswith("google."):
            continue
        seen.add(name)
        try:
            descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
        except KeyError:  # younger than the wheel, and checked by nobody but Envoy
            continue
        yield descriptor
        todo += [field.message_type.full_name for field in descriptor.fields if field.message_type]


def _rules(descriptor: Descriptor) -> Iterator[tuple[str, Any]]:
    """Rules by field, in the order of the numbers, then required oneofs."""
    extensions: Any = importlib.import_module("validate.validate_pb2")
    for field in sorted(descriptor.fields, key=lambda field: field.number):
        rules = _plain(field.GetOptions().Extensions[extensions.rules])
        if rules:
            yield field.name, rules
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[extensions.required]:
            yield f"oneof {oneof.name}", {"required": True}


def _plain(rules: Message) -> dict[str, Any]:
    """The rules as in the .proto file, without empty ones."""
    found = {field.name: _value(value) for field, value in rules.ListFields()}
    return {name: value for name, value in found.items() if value != {} and (value is not False or name == "strict")}


def _value(value: Any) -> Any:
    if isinstance(value, Duration):
        return value.ToJsonString()
    if isinstance(value, Message):
        named = _plain(value)
        if "well_known_regex" in named:
            enum: Any = value.DESCRIPTOR.fields_by_name["well_known_regex"].enum_type
            named["well_known_regex"] = enum.values_by_number[named["well_known_regex"]].name
        return named
    return value if isinstance(value, str | bytes | int | float) else [_value(each) for each in value]


if __name__ == "__main__":
    main()
