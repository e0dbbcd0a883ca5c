"""Constructors of messages: upb's own, plus conversion of the few Python values that upb does not take.

upb takes timedelta, datetime, enum names and dicts as they are. It rejects a plain value for a wrapper such as
UInt32Value, and takes a string for a list of one-letter strings.
"""

import keyword
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message as UpbMessage

Fields = dict[str, typing.Any]
Constructor = Callable[[Fields], UpbMessage]
_Converter = Callable[[typing.Any], typing.Any]

_CONSTRUCTOR_ERRORS = (TypeError, ValueError, AttributeError, OverflowError)
"""Raised by upb and the converters for a value that does not fit its field."""


def constructor(cls: type[UpbMessage]) -> Constructor:
    """A function that builds a message from its fields by name.

    A field called like a Python keyword takes a trailing underscore.
    """
    descriptor = typing.cast("Descriptor", cls.DESCRIPTOR)
    converters = {field.name: convert for field in descriptor.fields if (convert := _converter(field))}
    python_names = {f"{field.name}_": field.name for field in descriptor.fields if keyword.iskeyword(field.name)}
    return _converting(cls, converters, python_names) if converters or python_names else _direct(cls)


def _direct(cls: type[UpbMessage]) -> Constructor:
    def construct(fields: Fields) -> UpbMessage:
        try:
            return cls(**fields)
        except _CONSTRUCTOR_ERRORS as error:
            raise _explained(cls, fields, error) from error

    return construct


def _converting(cls: type[UpbMessage], converters: dict[str, _Converter], python_names: dict[str, str]) -> Constructor:
    def construct(fields: Fields) -> UpbMessage:
        if python_names:
            fields = {python_names.get(name, name): value for name, value in fields.items()}
        try:
            return cls(
                **{name: converters[name](value) if name in converters else value for name, value in fields.items()}
            )
        except _CONSTRUCTOR_ERRORS as error:
            raise _explained(cls, fields, error, converters) from error

    return construct


def _converter(field: FieldDescriptor) -> _Converter | None:
    """The conversion of a field's value; None if upb takes the value as it is."""
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
    if isinstance(values, str | bytes):
        raise TypeError(f"expected a list, got {type(values).__name__}")
    return values


def _explained(
    cls: type[UpbMessage],
    fields: Fields,
    error: Exception,
    converters: Mapping[str, _Converter] = MappingProxyType({}),
) -> TypeError | ValueError:
    """An error that names the message and the field.

    upb's own error mostly names neither, so the message is built again with one field at a time until one fails.
    """
    kind = ValueError if isinstance(error, ValueError | OverflowError) else TypeError
    for name, value in fields.items():
        if name not in cls.DESCRIPTOR.fields_by_name:
            return TypeError(f"{cls.DESCRIPTOR.full_name} has no field {name!r}")
        try:
            cls(**{name: converters[name](value) if name in converters else value})
        except _CONSTRUCTOR_ERRORS as cause:
            return kind(f"{cls.DESCRIPTOR.full_name}.{name}: {cause}")
    return kind(f"{cls.DESCRIPTOR.full_name}: {error}")
