"""Facts about the process of a replica, for the debug API."""

import platform
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from xds.server.own_certificates import OwnCertificate

COMPONENTS: Final = (
    "xds-ingress",
    "grpcio",
    "protobuf",
    "envoy-data-plane",
    "cryptography",
    "kubernetes",
    "uvloop",
    "aiohttp",
)
"""Packages whose versions a bug report needs."""


@dataclass(frozen=True, slots=True)
class LeaderFacts:
    """The replica that writes statuses and Events.

    Attributes:
        elects: False with a folder as the source: no replica writes.
        leads: Whether this replica writes.
        holder: The holder of the Lease; empty if unknown, or if the Lease is free.
    """

    elects: bool = False
    leads: bool = False
    holder: str = ""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The process.

    Attributes:
        name: The name of the Pod, or of the host.
        id: Random: tells two replicas apart.
        started_at: Seconds since 1970.
        source: The API server, or the folder.
        waiting_for: Names the unread part of the source; empty after the first reading.
        is_current: Whether the known objects are as in the source.
        behind_since: By kind, the Unix time since which changes don't arrive; 0 if they do.
        leader: The leader as last seen.
        addresses: The published addresses, as far as this replica knows them.
        certificates: The control plane's own certificates.
        metrics: The figures, as /metrics shows them.
        log_lines: The last lines of the log, oldest first.
        flags: The flags of `serve`, by name.
    """

    name: str = "xds"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: float = field(default_factory=time.time)
    source: str = ""
    waiting_for: Callable[[], str] = str
    is_current: Callable[[], bool] = lambda: True
    behind_since: Callable[[], Mapping[str, float]] = dict
    leader: Callable[[], LeaderFacts] = LeaderFacts
    addresses: Callable[[], Sequence[str]] = tuple
    certificates: Callable[[], Sequence[OwnCertificate]] = tuple
    metrics: Callable[[], str] = str
    log_lines: Callable[[], Sequence[str]] = tuple
    flags: Mapping[str, str] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """The versions of Python and of packages, by name; without packages that are not installed."""
    found = {"python": platform.python_version()}
    for name in COMPONENTS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
