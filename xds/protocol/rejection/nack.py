"""What a proxy refused, and what its words tell of it."""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from xds.snapshot.resource import Resource, ResourceType

NAMED: Final = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})
"""The types of which Envoy applies the good resources of a response and names the bad ones. Of the others it refuses
the response as a whole, or a part of it that it doesn't tell.
"""

TRUNCATED: Final = "...(truncated)"
"""The end of words that Envoy cut at 4,096 bytes, so that names may be missing.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/config/utility.cc
"""

# `Error adding/updating cluster(s) NAME: why, NAME: why`, and for listeners one on each line. Source:
# https://github.com/envoyproxy/envoy/blob/main/source/common/upstream/cds_api_helper.cc
# https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/lds_api.cc
_NAMED_IN: Final = re.compile(r"(?:\(s\) |, |\n)([^\s,:]+): ")

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
_HEARD: Final = 65_536


@dataclass(slots=True)
class RejectedResource:
    """The proxy doesn't have what the fleet wants of a name.

    `version` is what it refused (None: it is spared that, as others refused it), `base` what it has instead (None:
    nothing), `apart` whether that differs from what is served now.
    """

    version: str | None
    base: Resource | None
    apart: bool


def named(type_: ResourceType, words: str, names: Set[str]) -> Set[str]:
    """Those of the names that the words blame; empty if they don't tell."""
    return names & set(_NAMED_IN.findall(words)) if type_ in NAMED else frozenset()


def unknown(resource: Resource) -> Resource:
    """Stands for what a proxy has of a name, where that is anyone's guess: a version that no resource has."""
    return Resource(resource.type, resource.name, b"", "")


def without_keys(words: str) -> str:
    """The words, cut where nobody reads on: they may quote whole resources, and so a private key."""
    return _PRIVATE_KEY.sub("(private key)", words[:_HEARD])
