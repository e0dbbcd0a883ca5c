"""Builds: the software of proxies by name and minor version, and the oldest Envoy that is served."""

from typing import Final, NamedTuple

from xds.protocol.messages import Node

SUPPORTED_ENVOYS: Final = ("1.40",)
"""The minor versions of Envoy with which all tests pass, oldest first; from 1.41 on, the newest two."""

OLDEST_ENVOY: Final = tuple(map(int, SUPPORTED_ENVOYS[0].split(".")))
"""The oldest minor version of Envoy that is served; newer ones than the supported ones are served without a promise.

Envoy 1.36 can't take VHDS over ADS; 1.37 and 1.38 leave `/pub/..;/adm` unnormalized, so that path rules are bypassed.
"""

BUILDS_LIMIT: Final = 32
"""Builds told apart. Proxies of further builds share one."""


class ProxyBuild(NamedTuple):
    """The software of a proxy, e.g. `envoy 1.40`. Proxies of one build accept and reject the same resources.

    Attributes:
        name: `user_agent_name`; empty: not set.
        version: Major and minor version; empty: not set.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip() or "unnamed software"


OTHER_BUILDS: Final = ProxyBuild("other builds", "")
"""Stands for the builds beyond the limit."""


def build_of(node: Node) -> ProxyBuild:
    name, _, version = node.user_agent.rpartition(" ")
    return ProxyBuild(name, ".".join(version.split(".")[:2]))


def too_old(node: Node) -> str:
    """The reason why a node's Envoy is not served; empty: served.

    A client that doesn't call itself Envoy, or whose version is no number, is served.
    """
    name, version = build_of(node)
    parts = version.split(".")
    if name != "envoy" or len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return ""
    major, minor = map(int, parts)
    if (major, minor) >= OLDEST_ENVOY:
        return ""
    oldest = ".".join(map(str, OLDEST_ENVOY))
    return f"Envoy {version} is not served; use {oldest} or a newer version, and upgrade proxies before this server"
