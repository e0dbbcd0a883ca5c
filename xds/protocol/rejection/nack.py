"""The message of a NACK: the resources that Envoy blames, and the text without private keys."""

import re
from collections.abc import Set
from typing import Final

from xds.snapshot.resource import ResourceType

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
"""Characters searched for private keys."""

# `Error adding/updating cluster(s) NAME: why, NAME: why`; for listeners one on each line. Source:
# https://github.com/envoyproxy/envoy/blob/main/source/common/upstream/cds_api_helper.cc
# https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/lds_api.cc
_NAMED_IN: Final = re.compile(r"(?:\(s\) |, |\n)([^\s,:]+): ")

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)


def blamed_names(type_: ResourceType, message: str, sent: Set[str]) -> Set[str]:
    """The sent names that the message blames; empty if Envoy names none."""
    return sent & set(_NAMED_IN.findall(message)) if type_ in NAMED_TYPES else frozenset()


def printable(message: str) -> str:
    """The message as logs and reports show it: shortened, with any quoted private key replaced."""
    return _PRIVATE_KEY.sub("(private key)", message[:_SEARCHED_LIMIT])[:MESSAGE_LIMIT]
