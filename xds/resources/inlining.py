"""RouteConfigurations with their virtual hosts inside, for proxies that do not use VHDS.

Concatenated encodings of parts of a message are an encoding of the message, so virtual hosts are inlined as bytes:
https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

import itertools
from collections.abc import Iterable
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import RouteConfiguration

_VIRTUAL_HOSTS_TAG: Final = b"\x12"
"""Field 2, RouteConfiguration.virtual_hosts, with a length: https://protobuf.dev/programming-guides/encoding/"""


def inlined(configuration: bytes, virtual_hosts: Iterable[bytes]) -> bytes:
    """An encoded RouteConfiguration with the encoded virtual hosts in place of VHDS."""
    message = codec.upb(codec.decode(RouteConfiguration, configuration))
    message.ClearField("vhds")
    head = message.SerializeToString(deterministic=True)
    return b"".join((head, *itertools.chain.from_iterable(map(_as_field, virtual_hosts))))


def _as_field(virtual_host: bytes) -> tuple[bytes, bytes, bytes]:
    return _VIRTUAL_HOSTS_TAG, _varint(len(virtual_host)), virtual_host


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*digits, number))
