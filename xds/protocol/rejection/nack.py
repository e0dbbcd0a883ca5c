"""The message of a NACK: the resources that Envoy blames, and the text without secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
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
"""The beginning of Envoy's reason where the machine and not the listener is at fault, for example a port in use. Other
proxies may accept the listener, and so may this proxy when the port is free.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/listener_impl.cc
"""

MESSAGE_LIMIT: Final = 4096
"""Characters kept of a message: it may quote whole resources."""

_SEARCHED_LIMIT: Final = 65_536
"""Characters searched for secrets."""

_LISTENERS: Final = "Error adding/updating listener(s) "

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

USERS: Final = "users"
"""The field of Envoy's filter, and the key for `xds authz`, with names of users and hashes of passwords."""

_REST: Final = r"""(?:[^"\\]|\\.)*(?:"|\\?$)"""
_USERS_FIELDS: Final = (
    re.compile(rf"""(\busers\s*:?\s*\{{\s*inline_string\s*:\s*)"{_REST}""", re.DOTALL),
    re.compile(rf"""(\bkey\s*:\s*"users"\s*value\s*:\s*)"{_REST}""", re.DOTALL),
    re.compile(rf"""("users"\s*:\s*(?:\{{\s*"inline_string"\s*:\s*)?)"{_REST}""", re.DOTALL),
    re.compile(rf"""()"(?:[^"\\]|\\.)*?users\\[0-9nx]{_REST}""", re.DOTALL),
)
"""Users in a message as text, as JSON, and as escaped bytes: up to the end of the quotes, or of a cut message."""


def blamed_names(type_: ResourceType, message: str, sent: Set[str]) -> Set[str]:
    """The sent names that the message blames; empty if Envoy names none.

    A listener whose reason is cut before it can be read is left out.
    """
    if type_ not in NAMED_TYPES:
        return frozenset()
    blamed = sent & set(_NAMED_IN.findall(message))
    if type_ is not ResourceType.LISTENER:
        return blamed
    reasons = listener_reasons(message, sent)
    return (blamed | reasons.keys()) - {name for name, reason in reasons.items() if _is_cut(reason)}


def listener_reasons(message: str, names: Set[str]) -> dict[str, str]:
    """The reason of each listener in a message. Envoy's message has a line for each rejected listener.

    A line that begins with none of the names belongs to the listener before.
    """
    reasons: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in message.removeprefix(_LISTENERS).split("\n"):
        name = _name_at_start(line, names)
        if name:
            lines = reasons.setdefault(name, [])
        lines.append(line.removeprefix(f"{name}: ") if name else line)
    return {name: "\n".join(of_name).rstrip() for name, of_name in reasons.items()}


def unbound_names(message: str, blamed: Set[str]) -> Mapping[str, str]:
    """The blamed listeners whose port the machine of the proxy doesn't give, each with Envoy's reason."""
    reasons = listener_reasons(message, blamed)
    if not reasons and len(blamed) == 1:
        reasons = dict.fromkeys(blamed, message)
    return {name: reason for name, reason in reasons.items() if reason.startswith(CANNOT_BIND)}


def _name_at_start(line: str, names: Set[str]) -> str:
    """The name that a line begins with, before a colon; empty without a name. Names may have colons inside."""
    end = line.find(": ")
    while end != -1:
        if line[:end] in names:
            return line[:end]
        end = line.find(": ", end + 1)
    return ""


def _is_cut(reason: str) -> bool:
    """Whether too little is left of a cut reason to know whether it is CANNOT_BIND."""
    return reason.endswith(TRUNCATED) and CANNOT_BIND.startswith(reason.removesuffix(TRUNCATED))


def printable(message: str, sent: Iterable[Resource]) -> str:
    """The message as logs and reports show it: shortened, and without secrets.

    Envoy's validation error quotes the message that it rejects, private keys included: /config_dump redacts keys,
    errors don't. So each line of a value in the sent Secrets is replaced, as is a line cut by Envoy at the end. In
    virtual hosts the users of routes with passwords are replaced, in their field and wherever else a line of them is.
    """
    text = _PRIVATE_KEY.sub("(private key)", message[:_SEARCHED_LIMIT])
    text = _without_users_fields(text)
    users: set[str] = set()
    for resource in sent:
        if resource.type is ResourceType.SECRET:
            text = _without(text, _lines(resource), resource.name)
        elif USERS.encode() in resource.body:
            users |= _users(resource)
    return _without(text, _longest_first(users), "")[:MESSAGE_LIMIT]


def _without_users_fields(text: str) -> str:
    end = TRUNCATED if text.endswith(TRUNCATED) else ""
    text = text.removesuffix(TRUNCATED)
    if USERS in text:
        for pattern in _USERS_FIELDS:
            text = pattern.sub(rf"\1{REDACTED}", text)
    return text + end


def _without(text: str, values: Iterable[str], name: str) -> str:
    """The text without some values, except those that are part of a name."""
    for value in values:
        if value[:_CUT_CHARACTERS] not in text or (name and value in name):
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
    return _longest_first(
        _quoted(line for value in values if value != secret.name.encode() for line in value.splitlines())
    )


def _users(resource: Resource) -> set[str]:
    """The lines with users in a virtual host or a RouteConfiguration, their names and their hashes."""
    try:
        content = codec.to_dict(codec.decode(resource.type.message, resource.body))
    except DecodeError:
        return set()
    lines = {line for text in _texts_of_users(content) for line in text.encode().split(b"\n") if b":" in line}
    return _quoted(part for line in lines for part in (line, line.partition(b":")[2]))


def _texts_of_users(value: Any) -> Iterator[str]:
    """The texts below each field or key USERS."""
    if isinstance(value, list):
        for each in value:
            yield from _texts_of_users(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each) if key == USERS else _texts_of_users(each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)


def _quoted(lines: Iterable[bytes]) -> set[str]:
    """The lines as they are, and as Envoy escapes them."""
    lines = set(lines)
    texts = {line.decode(errors="replace") for line in lines}
    return texts | {CEscape(line, as_utf8) for line in lines for as_utf8 in (False, True)}


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted((text for text in texts if len(text) >= SECRET_CHARACTERS_MIN), key=len, reverse=True)


def _values(message: Any) -> Iterator[bytes]:
    for field, value in message.ListFields():
        for each in value if field.is_repeated else (value,):
            if isinstance(each, str | bytes):
                yield each.encode() if isinstance(each, str) else each
            elif field.message_type is not None:
                yield from _values(each)
