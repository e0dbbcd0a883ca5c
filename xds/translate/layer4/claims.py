"""Claims of ports: the entries of the operator's ConfigMaps, and the items of Services' annotations."""

from dataclasses import dataclass
from enum import StrEnum

from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.traffic.layer4 import PortKey
from xds.traffic.upstream import ProxyHeader


class ClaimState(StrEnum):
    """What became of a claim."""

    SERVED = "served"
    """The port is the claim's."""
    LOST = "lost"
    """Another claim has the port."""
    INVALID = "invalid"
    """A problem of the source says why."""


@dataclass(frozen=True, slots=True)
class PortClaim:
    """An entry of a ConfigMap, or an item of a Service's annotation.

    Attributes:
        source: The ConfigMap or the Service.
        field: The key of the ConfigMap, or the annotation.
        text: As written: the value of the key, or the item.
        port: None: the text names no port.
        service: None: the text names no Service.
        service_port: The number or the name as written; empty: the text names none.
        decodes_proxy: Whether connections begin with a PROXY protocol header.
        proxy_header: Sent to the Service; None: none is.
        state: What became of the claim.
        winner: The source that has the port, of a lost claim. Texts for the owner of another namespace don't name it.
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
