"""Envoy's messages: built with envoy-data-plane's names and types, at the speed of protobuf's own library (upb).

For mypy a message is envoy-data-plane's dataclass, at run time it is upb's. What holds for both: the constructor
(keywords only), reading fields that are set, and passing messages on. Messages are built by their constructor and not
changed afterwards. What the dataclass doesn't know (is a submessage set, which field of a oneof is) is asked through
`upb`.

Nothing happens at import; the descriptor pool, private to this module, is built on first use.
"""

import enum
import functools
import keyword
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message as UpbMessage

from xds.envoyapi import schema

if typing.TYPE_CHECKING:
    from betterproto2 import Message
    from envoy_data_plane.google.protobuf import Any

    M = typing.TypeVar("M", bound=Message)

TYPE_URL_PREFIX = "type.googleapis.com/"


def message(full_name: str) -> type[UpbMessage]:
    """A message's class in upb.

    Raises:
        KeyError: the message is not reachable from `schema.ROOTS`.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


def upb(msg: "Message") -> UpbMessage:
    """The same message, with the type it has at run time: HasField, WhichOneof, CopyFrom and so on."""
    return typing.cast("UpbMessage", msg)


def type_url(kind: "type[Message] | Message") -> str:
    """What names the type in an Any and in the xDS protocol: type.googleapis.com/<full name>."""
    return TYPE_URL_PREFIX + str(typing.cast("typing.Any", kind).DESCRIPTOR.full_name)


def encode(msg: "Message") -> bytes:
    """Deterministic: equal messages give equal bytes, also in another process.

    For one version of protobuf, that is:
    https://protobuf.dev/programming-guides/serialization-not-canonical/
    """
    return upb(msg).SerializeToString(deterministic=True)


@typing.overload
def decode(kind: "type[M]", data: bytes) -> "M": ...
@typing.overload
def decode(kind: str, data: bytes) -> "Message": ...
def decode(kind: "type[M] | str", data: bytes) -> "M | Message":
    """The message of a class or full name.

    Raises:
        google.protobuf.message.DecodeError: `data` isn't such a message.
        KeyError: no message of that name is known.
    """
    return typing.cast("Message", _class(kind).FromString(data))


def pack(msg: "Message") -> "Any":
    """The message in an Any, its bytes deterministic."""
    packed = message("google.protobuf.Any")(type_url=type_url(msg), value=encode(msg))
    return typing.cast("Any", packed)


def unpack(packed: "Any") -> "Message":
    """The message in an Any.

    Raises:
        google.protobuf.message.DecodeError: the value isn't of the type its URL names.
        KeyError: no message of that name is known.
    """
    return decode(packed.type_url.rpartition("/")[2], packed.value)


def to_dict(msg: "Message") -> dict[str, typing.Any]:
    """As in protobuf's JSON, Any included, with field names as in Envoy's documentation (snake_case).

    Fields are in the order of their numbers, the entries of maps in the order of their keys.

    Raises:
        TypeError: an Any holds a message that isn't known.
    """
    fields = json_format.MessageToDict(upb(msg), preserving_proto_field_name=True, descriptor_pool=_pool())
    return typing.cast("dict[str, typing.Any]", _ordered(fields, typing.cast("Descriptor", upb(msg).DESCRIPTOR)))


def _ordered(value: typing.Any, descriptor: Descriptor | None) -> typing.Any:
    """In plain dicts (json_format makes an OrderedDict of an Any, which YAML's safe dumper refuses), and with sorted
    maps, whose entries json_format gives in another order in each process.

    `descriptor` is that of the message; a map's is that of its entries; None stands for what is inside a Struct.
    """
    if isinstance(value, list):
        return [_ordered(item, descriptor) for item in value]
    if not isinstance(value, dict):
        return value
    if "@type" in value:
        descriptor = _pool().FindMessageTypeByName(value["@type"].rpartition("/")[2])
    if descriptor is None or descriptor.full_name == "google.protobuf.Struct":
        return {key: _ordered(value[key], None) for key in sorted(value)}
    types = {field.name: field.message_type for field in descriptor.fields}
    if descriptor.GetOptions().map_entry:
        return {key: _ordered(value[key], types["value"]) for key in sorted(value)}
    return {key: _ordered(item, types.get(key)) for key, item in value.items()}


@typing.overload
def from_dict(kind: "type[M]", fields: Mapping[str, typing.Any]) -> "M": ...
@typing.overload
def from_dict(kind: str, fields: Mapping[str, typing.Any]) -> "Message": ...
def from_dict(kind: "type[M] | str", fields: Mapping[str, typing.Any]) -> "M | Message":
    """The reverse of `to_dict`; accepts snake_case and lowerCamelCase.

    Raises:
        google.protobuf.json_format.ParseError: an unknown field or a wrong value; the text names it.
        KeyError: no message of that name is known.
    """
    parsed = json_format.ParseDict(dict(fields), _class(kind)(), descriptor_pool=_pool())
    return typing.cast("Message", parsed)


class EnvoyType:
    """A message or enum under its name in envoy-data-plane, or its full name; looked up when first used.

    Calling it builds a message, or finds an enum's member by number. Its attributes are those of upb's class, or of the
    IntEnum.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @functools.cached_property
    def _type(self) -> type:
        full_name = self._name if "." in self._name else _only(self._name)
        members = _schema().members.get(full_name)
        return message(full_name) if members is None else _int_enum(full_name, members)

    @functools.cached_property
    def _construct(self) -> "_Construct":
        return _constructor(self._type)

    def __call__(self, number: int | None = None, /, **fields: typing.Any) -> typing.Any:
        return self._construct(fields) if number is None else self._type(number)

    def __getattr__(self, name: str) -> typing.Any:
        # Anything may ask for __wrapped__ and the like; that is no use of the type.
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._type, name)
        setattr(self, name, value)
        return value

    def __getitem__(self, member: str) -> typing.Any:
        return self._type[member]  # type: ignore[index]  # an enum's

    def __iter__(self) -> typing.Iterator[typing.Any]:
        return iter(self._type)  # type: ignore[call-overload, no-any-return]  # an enum's

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._type)

    def __or__(self, other: typing.Any) -> typing.Any:
        return typing.Union[self, other]  # noqa: UP007  # annotations such as `Cluster | None` are evaluated

    __ror__ = __or__

    def __repr__(self) -> str:
        return f"<{self._name}>"


@functools.cache
def _schema() -> schema.Schema:
    return schema.load()


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in _schema().files:
        pool.AddSerializedFile(file)
    return pool


def _class(kind: typing.Any) -> type[UpbMessage]:
    if isinstance(kind, str):
        return message(kind)
    return kind._type if isinstance(kind, EnvoyType) else kind  # noqa: SLF001


def _only(name: str) -> str:
    full_names = _schema().names.get(name, [])
    if not full_names:
        raise LookupError(f"{name} is not reachable from xds.resources.schema.ROOTS")
    if len(full_names) > 1:
        raise LookupError(f"{name} could be {' or '.join(full_names)}")
    return full_names[0]


def _int_enum(full_name: str, members: dict[str, int]) -> type[enum.IntEnum]:
    functional = typing.cast("typing.Any", enum.IntEnum)
    return typing.cast("type[enum.IntEnum]", functional(full_name.rpartition(".")[2], members, module=__name__))


# The constructor: upb's own, but for the few fields whose Python type upb doesn't take.

_Fields = dict[str, typing.Any]
_Construct = Callable[[_Fields], UpbMessage]
_Converter = Callable[[typing.Any], typing.Any]


def _constructor(cls: type[UpbMessage]) -> _Construct:
    descriptor = typing.cast("Descriptor", cls.DESCRIPTOR)
    converters = {field.name: convert for field in descriptor.fields if (convert := _converter(field))}
    python_names = {f"{field.name}_": field.name for field in descriptor.fields if keyword.iskeyword(field.name)}
    return _converting(cls, converters, python_names) if converters or python_names else _direct(cls)


def _direct(cls: type[UpbMessage]) -> _Construct:
    def construct(fields: _Fields) -> UpbMessage:
        try:
            return cls(**fields)
        except _REFUSALS as error:
            raise _explained(cls, fields, error) from error

    return construct


def _converting(cls: type[UpbMessage], converters: dict[str, _Converter], python_names: dict[str, str]) -> _Construct:
    def construct(fields: _Fields) -> UpbMessage:
        if python_names:
            fields = {python_names.get(name, name): value for name, value in fields.items()}
        try:
            return cls(
                **{name: converters[name](value) if name in converters else value for name, value in fields.items()}
            )
        except _REFUSALS as error:
            raise _explained(cls, fields, error, converters) from error

    return construct


def _converter(field: FieldDescriptor) -> _Converter | None:
    """Timedelta, datetime, enum names and dicts are taken by upb itself; a plain value for a wrapper is not."""
    kind = field.message_type
    if kind is None:
        return _no_text if field.is_repeated else None
    if kind.GetOptions().map_entry:
        value = kind.fields_by_name["value"].message_type
        return _wrap_values if value is not None and _is_wrapper(value) else None
    if not _is_wrapper(kind):
        return None
    return _wrap_items if field.is_repeated else _wrap


def _is_wrapper(descriptor: Descriptor) -> bool:
    return descriptor.file.name == "google/protobuf/wrappers.proto"


def _wrap(value: typing.Any) -> typing.Any:
    return value if value is None or isinstance(value, UpbMessage) else {"value": value}


def _wrap_items(values: typing.Iterable[typing.Any] | None) -> list[typing.Any] | None:
    return None if values is None else [_wrap(value) for value in values]


def _wrap_values(values: Mapping[typing.Any, typing.Any] | None) -> dict[typing.Any, typing.Any] | None:
    return None if values is None else {key: _wrap(value) for key, value in values.items()}


def _no_text(values: typing.Any) -> typing.Any:
    """To upb a string is a list of one-letter strings."""
    if isinstance(values, str | bytes):
        raise TypeError(f"expected a list, got {type(values).__name__}")
    return values


# What upb and the converters raise for a value that doesn't fit.
_REFUSALS = (TypeError, ValueError, AttributeError, OverflowError)


def _explained(
    cls: type[UpbMessage],
    fields: _Fields,
    error: Exception,
    converters: Mapping[str, _Converter] = MappingProxyType({}),
) -> TypeError | ValueError:
    """Names the message and the field. upb's own error mostly doesn't, so it is asked for one field after the other."""
    kind = ValueError if isinstance(error, ValueError | OverflowError) else TypeError
    for name, value in fields.items():
        if name not in cls.DESCRIPTOR.fields_by_name:
            return TypeError(f"{cls.DESCRIPTOR.full_name} has no field {name!r}")
        try:
            cls(**{name: converters[name](value) if name in converters else value})
        except _REFUSALS as refusal:
            return kind(f"{cls.DESCRIPTOR.full_name}.{name}: {refusal}")
    return kind(f"{cls.DESCRIPTOR.full_name}: {error}")
