"""The message of a NACK: the resources that Envoy blames, and the text without secrets."""

import re
from collections.abc import Iterable, Iterator, Set
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.text_encoding import CEscape

from xds.envoyapi import codec
from xds.snapshot.resource import Resource, ResourceType

NAMED_TYPES: Final = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})
"""The types of which Envoy applies the good resources of a response and names the bad ones. For other types Envoy
rejects the whole response, or an unnamed part.
"""

TRUNCATED: Final = "...(truncated)"
"""The end of a message that Envoy cut at 4,096 bytes, so that names may be missing.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/config/utility.cc
"""

CANNOT_BIND: Final = "cannot bind"
"""Envoy's message where the machine and not the listener is at fault, for example a port in use. Other proxies may
accept the listener.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/listener_impl.cc
"""

MESSAGE_LIMIT: Final = 4096
"""Characters kept of a message: it may quote whole resources."""

_SEARCHED_LIMIT: Final = 65_536
"""Characters searched for secrets."""

# `Error adding/updating cluster(s) NAME: why, NAME: why`; for listeners one on each line. Source:
# https://github.com/envoyproxy/envoy/blob/main/source/common/upstream/cds_api_helper.cc
# https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/lds_api.cc
_NAMED_IN: Final = re.compile(r"(?:\(s\) |, |\n)([^\s,:]+): ")

SECRET_CHARACTERS_MIN: Final = 4
"""Characters of the shortest value, or line of one, that is replaced. A shorter one is in any text."""

_CUT_CHARACTERS: Final = 8
"""Characters of a value at the end of a cut message that are taken for the value."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)

REDACTED: Final = "[redacted]"


def blamed_names(type_: ResourceType, message: str, sent: Set[str]) -> Set[str]:
    """The sent names that the message blames; empty if Envoy names none."""
    return sent & set(_NAMED_IN.findall(message)) if type_ in NAMED_TYPES else frozenset()


def printable(message: str, sent: Iterable[Resource]) -> str:
    """The message as logs and reports show it: shortened, and without secrets.

    Envoy's validation error quotes the message that it rejects, private keys included: its /config_dump redacts them,
    its errors don't. So each line of a value in the sent Secrets is replaced, as is a line cut by Envoy at the end.
    """
    text = _PRIVATE_KEY.sub("(private key)", message[:_SEARCHED_LIMIT])
    for resource in sent:
        if resource.type is ResourceType.SECRET:
            text = _redacted(text, resource)
    return text[:MESSAGE_LIMIT]


def _redacted(text: str, secret: Resource) -> str:
    for value in _lines(secret):
        if value[:_CUT_CHARACTERS] not in text or value in secret.name:
            continue
        text = text.replace(value, REDACTED)
        end = len(text.removesuffix(TRUNCATED))
        sizes = range(min(len(value), end), _CUT_CHARACTERS - 1, -1)
        cut = next((size for size in sizes if text.endswith(value[:size], 0, end)), 0)
        if cut:
            text = text[: end - cut] + REDACTED + text[end:]
    return text


def _lines(secret: Resource) -> list[str]:
    """The lines of each value in a Secret except the name, as they are and as Envoy escapes them; the longest first."""
    try:
        values: Iterable[bytes] = _values(codec.upb(codec.decode(secret.type.message, secret.body)))
    except DecodeError:
        values = (secret.body,)
    lines = {line for value in values if value != secret.name.encode() for line in value.splitlines()}
    texts = {line.decode(errors="replace") for line in lines}
    texts |= {CEscape(line, as_utf8) for line in lines for as_utf8 in (False, True)}
    return sorted((text for text in texts if len(text) >= SECRET_CHARACTERS_MIN), key=len, reverse=True)


def _values(message: Any) -> Iterator[bytes]:
    for field, value in message.ListFields():
        for each in value if field.is_repeated else (value,):
            if isinstance(each, str | bytes):
                yield each.encode() if isinstance(each, str) else each
            elif field.message_type is not None:
                yield from _values(each)
