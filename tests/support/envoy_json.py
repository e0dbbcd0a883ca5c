"""Envoy's messages from JSON: the reverse of `codec.to_dict`."""

import typing
from collections.abc import Mapping

from google.protobuf import json_format

from xds.envoyapi.pool import message_class, pool

if typing.TYPE_CHECKING:
    from betterproto2 import Message


def from_dict(full_name: str, fields: Mapping[str, typing.Any]) -> "Message":
    """A message by its full name; field names in snake_case or lowerCamelCase.

    Raises:
        google.protobuf.json_format.ParseError: An unknown field or a wrong value; the text names the field.
        KeyError: No message has the name.
    """
    parsed = json_format.ParseDict(dict(fields), message_class(full_name)(), descriptor_pool=pool())
    return typing.cast("Message", parsed)
