"""Claims of ports: the entries of the operator's ConfigMaps, and the items of Services' annotations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.traffic.layer4 import PortKey
from xds.traffic.upstream import ProxyHeader


class Fault(NamedTuple):
    """The reason, message and remedy of the problem with a claim."""

    reason: Reason
    message: str
    remedy: str


class Rank(NamedTuple):
    """The sort key that decides between claims of one port.

    Attributes:
        is_of_service: False for a ConfigMap, so that ConfigMaps precede Services.
        created: When the Service was created; the same for all ConfigMaps.
        source: The ConfigMap or Service.
        position: Of a key, the length, so that `9016` precedes `09016`; of an item, the index in the annotation.
        text: The key of the ConfigMap; empty for an item.
    """

    is_of_service: bool
    created: datetime
    source: Key
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The meaning of a text that asks for a port.

    Attributes:
        port: None: the text names no port that can be claimed; `faults` then has the reason.
        service: None: the text names no Service; `faults` then has the reason.
        service_port: The number or the name as written; empty: the text names none.
        decodes_proxy: Whether connections begin with a PROXY protocol header.
        proxy_header: The version that is sent to the Service; None: no header is sent.
        faults: Of the text. An entry with a port and a Service is served nevertheless.
    """

    port: PortKey | None = None
    service: Key | None = None
    service_port: str = ""
    decodes_proxy: bool = False
    proxy_header: ProxyHeader | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """An entry with its place.

    Attributes:
        source: The ConfigMap or the Service.
        field: The key of the ConfigMap, or the annotation.
        text: As written: the value of the key, or the item.
        rank: Decides between claims of one port.
        entry: The meaning of the text.
        held: The port that the claim holds, whether or not its Service can be used: nobody gets a port because the
            Service of its owner is gone. None: the claim names no port, or one that nobody may claim.
    """

    source: ObjectRef
    field: FieldPath
    text: str
    rank: Rank
    entry: Entry
    held: PortKey | None


class ClaimState(StrEnum):
    """The outcome of a claim."""

    SERVED = "served"
    """The port is the claim's."""
    LOST = "lost"
    """Another claim has the port."""
    INVALID = "invalid"
    """The port is closed, and a problem of the source has the reason."""


@dataclass(frozen=True, slots=True)
class PortClaim:
    """A claim with its outcome.

    Attributes:
        source: The ConfigMap or the Service.
        field: The key of the ConfigMap, or the annotation.
        text: As written: the value of the key, or the item.
        port: None: the text names no port.
        service: None: the text names no Service.
        service_port: The number or the name as written; empty: the text names none.
        decodes_proxy: Whether connections begin with a PROXY protocol header.
        proxy_header: The version that is sent to the Service; None: no header is sent.
        state: The outcome.
        winner: For a lost claim, the source that has the port. Texts for the owner of a namespace don't name a winner
            of another namespace.
    """

    source: ObjectRef
    field: FieldPath
    text: str
    port: PortKey | None
    service: Key | None
    service_port: str
    decodes_proxy: bool
    proxy_header: ProxyHeader | None
    state: ClaimState
    winner: ObjectRef | None = None
