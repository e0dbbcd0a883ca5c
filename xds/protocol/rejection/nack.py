"""The message of a NACK: the resources that Envoy blames, and the text without secrets."""

import re
from collections.abc import Iterable, Set
from typing import Final

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

_SECRET_TEXT: Final = re.compile(rb"[\x21-\x7e]{12,}")
"""A secret value, or a line of one, in the encoded Secret."""

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
    end = len(text.removesuffix(TRUNCATED))
    for match in _SECRET_TEXT.finditer(secret.body):
        value = match.group().decode()
        if value in secret.name or secret.name in value:
            continue
        text = text.replace(value, REDACTED)
        end = len(text.removesuffix(TRUNCATED))
        cut = next((size for size in range(min(len(value), end), 7, -1) if text.endswith(value[:size], 0, end)), 0)
        text = text[: end - cut] + (REDACTED if cut else "") + text[end:]
    return text
