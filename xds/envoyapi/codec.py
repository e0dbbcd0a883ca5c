"""Bytes, Any and JSON of Envoy's messages.

Messages are built with envoy-data-plane's names and types, at the speed of protobuf's own library (upb): mypy sees
envoy-data-plane's dataclass, and the object at run time is upb's. Both have the constructor (keywords only) and fields
that are set. A message is built by its constructor and not changed afterwards. Questions that the dataclass cannot
answer (is a submessage set, which field of a oneof is) go through `upb`.

Nothing happens at import. `pool` loads the schema on first use.
"""

import typing

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message as UpbMessage

from xds.envoyapi.envoy_type import EnvoyType
from xds.envoyapi.pool import message_class, pool

if typing.TYPE_CHECKING:
    from betterproto2 import Message
    from envoy_data_plane.google.protobuf import Any

    M = typing.TypeVar("M", bound=Message)

TYPE_URL_PREFIX = "type.googleapis.com/"


def upb(msg: "Message") -> UpbMessage:
    """The same message with its type at run time, for HasField, WhichOneof, CopyFrom and so on."""
    return typing.cast("UpbMessage", msg)


def type_url(kind: "type[Message] | Message") -> str:
    """The name of the type in an Any and in the xDS protocol: type.googleapis.com/<full name>."""
    return TYPE_URL_PREFIX + str(typing.cast("typing.Any", kind).DESCRIPTOR.full_name)


def encode(msg: "Message") -> bytes:
    """Deterministic bytes: equal messages give equal bytes, also in another process with the same version of protobuf.

    Source: https://protobuf.dev/programming-guides/serialization-not-canonical/
    """
    return upb(msg).SerializeToString(deterministic=True)


@typing.overload
def decode(kind: "type[M]", data: bytes) -> "M": ...
@typing.overload
def decode(kind: str, data: bytes) -> "Message": ...
def decode(kind: "type[M] | str", data: bytes) -> "M | Message":
    """The message of a class or full name.

    Raises:
        google.protobuf.message.DecodeError: `data` is no such message.
        KeyError: no message has the name.
    """
    found: typing.Any = kind
    if isinstance(kind, str):
        found = message_class(kind)
    elif isinstance(kind, EnvoyType):
        found = kind.resolved
    return typing.cast("Message", found.FromString(data))


def pack(msg: "Message") -> "Any":
    """The message in an Any, its bytes deterministic."""
    packed = message_class("google.protobuf.Any")(type_url=type_url(msg), value=encode(msg))
    return typing.cast("Any", packed)


def to_dict(msg: "Message") -> dict[str, typing.Any]:
    """The message as in protobuf's JSON, Any included, with field names as in Envoy's documentation (snake_case).

    Fields are in the order of their numbers, the entries of maps in the order of their keys.

    Raises:
        TypeError: an Any holds a message of an unknown type.
    """
    fields = json_format.MessageToDict(upb(msg), preserving_proto_field_name=True, descriptor_pool=pool())
    return typing.cast("dict[str, typing.Any]", _ordered(fields, typing.cast("Descriptor", upb(msg).DESCRIPTOR)))


def _ordered(value: typing.Any, descriptor: Descriptor | None) -> typing.Any:
    """The value in plain dicts, with sorted maps.

    json_format makes an OrderedDict of an Any, which YAML's safe dumper rejects, and orders maps differently in each
    process.

    Args:
        value: A message, a list or a scalar, as json_format renders it.
        descriptor: Of the message; for a map, of its entries. None inside a Struct.
    """
    if isinstance(value, list):
        return [_ordered(item, descriptor) for item in value]
    if not isinstance(value, dict):
        return value
    if "@type" in value:
        descriptor = pool().FindMessageTypeByName(value["@type"].rpartition("/")[2])
    if descriptor is None or descriptor.full_name == "google.protobuf.Struct":
        return {key: _ordered(value[key], None) for key in sorted(value)}
    types = {field.name: field.message_type for field in descriptor.fields}
    if descriptor.GetOptions().map_entry:
        return {key: _ordered(value[key], types["value"]) for key in sorted(value)}
    return {key: _ordered(item, types.get(key)) for key, item in value.items()}
