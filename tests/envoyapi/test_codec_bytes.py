"""The codec against betterproto2: a generated message of every type, encoded by envoy-data-plane's own encoder and read
by upb, equals the message that the codec builds from the same values.

Excludes: constructors' errors (test_codec), and the meaning to Envoy. Generated values leave out -0.0 (betterproto2
drops it as 0.0), NaN (unequal to itself), and durations that are negative or longer than a century (betterproto2
encodes a wrong fraction of a second).
"""

import dataclasses
import functools
import importlib
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import betterproto2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from xds.envoyapi import codec, schema
from xds.envoyapi.envoy_type import EnvoyType

# Shrinking a failure of this size takes minutes and shows little more than the field that differs.
GENERATE = settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

# Generated content, independent of both libraries: a message's full name, and its fields by Python name.


@dataclasses.dataclass(frozen=True)
class Tree:
    name: str
    fields: dict[str, Any]


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's, of how betterproto2 writes validators
    lacking = importlib.import_module("xds.envoyapi.lacking").CLASSES
    for root in {*schema.ROOTS} - lacking.keys():
        importlib.import_module(f"envoy_data_plane.{root.rpartition('.')[0]}")

default_message_pool = importlib.import_module("envoy_data_plane.message_pool").default_message_pool


def classes() -> dict[str, type[betterproto2.Message]]:
    return {
        name: cast("type[betterproto2.Message]", default_message_pool.url_to_type[codec.TYPE_URL_PREFIX + name])
        for names in schema.load().names.values()
        for name in names
        if codec.TYPE_URL_PREFIX + name in default_message_pool.url_to_type
    }


CLASSES = classes()

SIGNED_32, SIGNED_64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
UNSIGNED_32, UNSIGNED_64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int32": SIGNED_32,
    "sint32": SIGNED_32,
    "sfixed32": SIGNED_32,
    "int64": SIGNED_64,
    "sint64": SIGNED_64,
    "sfixed64": SIGNED_64,
    "uint32": UNSIGNED_32,
    "fixed32": UNSIGNED_32,
    "uint64": UNSIGNED_64,
    "fixed64": UNSIGNED_64,
    "float": st.floats(width=32, allow_nan=False).map(lambda value: value + 0.0),
    "double": st.floats(allow_nan=False).map(lambda value: value + 0.0),
    "string": st.text(max_size=8),
    "bytes": st.binary(max_size=8),
}

WRAPPED = {
    "BoolValue": SCALARS["bool"],
    "BytesValue": SCALARS["bytes"],
    "DoubleValue": SCALARS["double"],
    "FloatValue": SCALARS["float"],
    "Int32Value": SCALARS["int32"],
    "Int64Value": SCALARS["int64"],
    "StringValue": SCALARS["string"],
    "UInt32Value": SCALARS["uint32"],
    "UInt64Value": SCALARS["uint64"],
    "Duration": st.timedeltas(timedelta(0), timedelta(days=36_500)),
    "Timestamp": st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
}


@functools.cache
def field_types(name: str) -> dict[str, type]:
    return cast("dict[str, type]", betterproto(name).cls_by_field)


def full_name(cls: type) -> str:
    return str(default_message_pool.type_to_url[cls]).rpartition("/")[2]


def one(meta: betterproto2.FieldMetadata, held: type, depth: int) -> st.SearchStrategy[Any]:
    if meta.unwrap:
        return WRAPPED[meta.unwrap().__name__]
    if meta.proto_type == "message":
        return trees(full_name(held), depth - 1)
    if meta.proto_type == "enum":
        return st.sampled_from(list(held))  # type: ignore[call-overload]
    return SCALARS[meta.proto_type]


def values(name: str, field: str, depth: int, at_least: int = 0) -> st.SearchStrategy[Any]:
    meta = metas(name)[field]
    if meta.map_meta:
        key, value = (
            SCALARS[meta.map_meta[0].proto_type],
            one(meta.map_meta[1], field_types(name)[f"{field}.value"], depth),
        )
        return st.dictionaries(key, value, min_size=at_least, max_size=3)
    single = one(meta, field_types(name)[field], depth)
    return st.lists(single, min_size=at_least, max_size=3) if meta.repeated else single


def metas(name: str) -> dict[str, betterproto2.FieldMetadata]:
    return cast("dict[str, betterproto2.FieldMetadata]", betterproto(name).meta_by_field_name)


def betterproto(name: str) -> Any:
    return cast("Any", CLASSES[name])._betterproto


def holds_message(meta: betterproto2.FieldMetadata) -> bool:
    inner = meta.map_meta[1] if meta.map_meta else meta
    return inner.proto_type == "message" and not inner.unwrap


@st.composite
def trees(draw: st.DrawFn, name: str, depth: int) -> Tree:
    """A few fields of a message; at depth 0 only fields without messages."""
    possible = [field for field, meta in metas(name).items() if depth > 0 or not holds_message(meta)]
    if not possible:
        return Tree(name, {})
    fields = st.lists(st.sampled_from(possible), unique_by=lambda field: metas(name)[field].group or field, max_size=4)
    return Tree(name, {field: draw(values(name, field, depth)) for field in draw(fields)})


def full_trees(name: str) -> list[st.SearchStrategy[Tree]]:
    """Trees with all fields of a message, one tree for each field of the largest oneof."""
    groups: dict[str, list[str]] = {}
    for field, meta in metas(name).items():
        groups.setdefault(meta.group or field, []).append(field)
    turns = max(map(len, groups.values()), default=1)
    choices = [[fields[turn % len(fields)] for fields in groups.values()] for turn in range(turns)]
    return [
        st.fixed_dictionaries({field: values(name, field, 1, at_least=1) for field in choice}).map(
            functools.partial(Tree, name)
        )
        for choice in choices
    ]


def by_betterproto2(value: Any) -> Any:
    if isinstance(value, Tree):
        return CLASSES[value.name](**{name: by_betterproto2(field) for name, field in value.fields.items()})
    return mapped(by_betterproto2, value)


def by_codec(value: Any) -> Any:
    if isinstance(value, Tree):
        return EnvoyType(value.name)(**{name: by_codec(field) for name, field in value.fields.items()})
    return mapped(by_codec, value)


def mapped(build: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [build(item) for item in value]
    return {key: build(item) for key, item in value.items()} if isinstance(value, dict) else value


def assert_same(tree: Tree) -> None:
    theirs = codec.decode(tree.name, bytes(by_betterproto2(tree)))
    assert codec.encode(theirs) == codec.encode(by_codec(tree))
    assert not unknown_fields(theirs)


def unknown_fields(message: Any) -> list[Any]:
    stripped = type(message).FromString(message.SerializeToString())
    stripped.DiscardUnknownFields()
    return [] if stripped == message else [message]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of deprecated fields
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_field_of_every_type_is_encoded_like_betterproto2(name: str) -> None:
    for full in full_trees(name):
        run = settings(GENERATE, max_examples=3)(given(full)(assert_same))
        run()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@settings(GENERATE, max_examples=300)
@given(st.sampled_from(sorted(schema.ROOTS)).flatmap(lambda name: trees(name, depth=6)))
def test_deep_messages_are_encoded_like_betterproto2(tree: Tree) -> None:
    assert_same(tree)
