"""The operator's choices for ports of layer 4."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.problems.problem import Key
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT, UDP_IDLE_TIMEOUT, PortKey, Transport


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

    def __str__(self) -> str:
        """The range as `--expose-ports` writes it, without the namespace."""
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return numbers if len(self.transports) > 1 else f"{numbers}/{self.transports[0]}"


def config_map_flag(transport: Transport) -> str:
    """The flag that names the ConfigMap of a protocol."""
    return f"--{transport}-services-configmap"


@dataclass(frozen=True, slots=True)
class Layer4Options:
    """The ConfigMaps of ports, and the ports that Services may claim.

    Attributes:
        config_maps: The ConfigMap of each protocol, with an entry for each port. A protocol without a flag is absent.
        exposed: The ports that annotations of Services may claim.
        reserved: Ports that nobody may claim: other listeners' and Envoy's own.
    """

    config_maps: Mapping[Transport, Key] = field(default_factory=dict)
    exposed: tuple[PortRange, ...] = ()
    reserved: frozenset[PortKey] = frozenset()

    def exposed_to(self, namespace: str) -> tuple[PortRange, ...]:
        """The ports that Services of a namespace may claim."""
        return tuple(each for each in self.exposed if each.namespace == namespace)


NO_LAYER4: Final = Layer4Options()


@dataclass(frozen=True, slots=True)
class StreamDefaults:
    """The treatment of connections and sessions where the annotations of the Service leave it open.

    Attributes:
        tcp_idle_timeout: Time without a byte after which a connection ends.
        udp_idle_timeout: Time without a datagram after which a session ends.
        connect_attempts: As in Layer4Policy.
    """

    tcp_idle_timeout: timedelta = TCP_IDLE_TIMEOUT
    udp_idle_timeout: timedelta = UDP_IDLE_TIMEOUT
    connect_attempts: int = 3

    def idle_timeout(self, transport: Transport) -> timedelta:
        return self.tcp_idle_timeout if transport is Transport.TCP else self.udp_idle_timeout


STREAM_DEFAULTS: Final = StreamDefaults()
