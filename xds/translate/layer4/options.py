"""The operator's choices for ports of layer 4."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xds.problems.problem import Key
from xds.traffic.layer4 import PortKey, Transport


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports that the Services of one namespace may claim.

    Attributes:
        first: The lowest number.
        last: The highest number, which is in the range.
        namespace: Of the Services.
        transports: The protocols.
    """

    first: int
    last: int
    namespace: str
    transports: tuple[Transport, ...] = (Transport.TCP, Transport.UDP)

    def __contains__(self, port: object) -> bool:
        return (
            isinstance(port, PortKey) and port.transport in self.transports and self.first <= port.number <= self.last
        )


@dataclass(frozen=True, slots=True)
class Layer4Options:
    """The choices.

    Attributes:
        config_maps: The ConfigMap of each protocol that has one, with the Service of each port.
        exposed: The ports that annotations of Services may claim.
        reserved: Ports that nobody may claim: those of other listeners, and Envoy's own.
    """

    config_maps: Mapping[Transport, Key] = field(default_factory=dict)
    exposed: tuple[PortRange, ...] = ()
    reserved: frozenset[PortKey] = frozenset()


NO_LAYER4: Final = Layer4Options()
