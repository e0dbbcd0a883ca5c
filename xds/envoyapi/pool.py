"""Message classes and enum members by name, made from the schema on first use."""

import functools

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message as UpbMessage

from xds.envoyapi import schema


@functools.cache
def loaded_schema() -> schema.Schema:
    return schema.load()


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """A private descriptor pool: the default one belongs to the process, and other libraries add files to it."""
    made = descriptor_pool.DescriptorPool()
    for file in loaded_schema().files:
        made.AddSerializedFile(file)
    return made


def message_class(full_name: str) -> type[UpbMessage]:
    """The upb class of a message.

    Raises:
        KeyError: no root in `schema.ROOTS` leads to the message.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


def full_name_of(name: str) -> str:
    """The full name of the only message or enum that envoy-data-plane calls `name`.

    Raises:
        LookupError: no root leads to such a type, or several packages have one.
    """
    full_names = loaded_schema().names.get(name, [])
    if not full_names:
        raise LookupError(f"{name} is not reachable from xds.envoyapi.schema.ROOTS")
    if len(full_names) > 1:
        raise LookupError(f"{name} could be {' or '.join(full_names)}")
    return full_names[0]
