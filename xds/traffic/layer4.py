"""Layer 4: ports of TCP and UDP, whose bytes or datagrams go to a Service unchanged."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from xds.problems.problem import Key
from xds.traffic.backends import BackendKey
from xds.traffic.routes import Origin


class Transport(StrEnum):
    TCP = "tcp"
    UDP = "udp"


class PortKey(NamedTuple):
    """A port that proxies bind. TCP and UDP may have a port of the same number."""

    transport: Transport
    number: int

    def __str__(self) -> str:
        """The name of the listener, such as `tcp/9000`."""
        return f"{self.transport}/{self.number}"

    @classmethod
    def named(cls, name: str) -> "PortKey | None":
        """The port of a listener by its name; None for other listeners."""
        transport, _, number = name.partition("/")
        if transport not in tuple(Transport) or not number.isdecimal():
            return None
        return cls(Transport(transport), int(number))


class Share(NamedTuple):
    """A backend with its share of the connections, or of the sessions.

    Attributes:
        backend: None for an unusable backend: connections of the share fail.
        weight: Of the sum of all weights; at least 1.
    """

    backend: BackendKey | None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Layer4Policy:
    """The treatment of connections or sessions.

    Attributes:
        idle_timeout: Time without a byte, or a datagram, after which a connection or session ends.
        keeps_client: Whether all connections of a client's address go to one endpoint. Sessions of UDP always do.
        connect_attempts: Attempts to connect, each at another endpoint if there is any.
    """

    idle_timeout: timedelta
    keeps_client: bool = False
    connect_attempts: int = 3


@dataclass(frozen=True, slots=True)
class Layer4Route:
    """The backends of connections or datagrams.

    Attributes:
        shares: At least one.
        policy: The treatment.
        origin: The entry: its object and field.
        service: The Service that the origin names.
    """

    shares: tuple[Share, ...]
    policy: Layer4Policy
    origin: Origin
    service: Key

    @property
    def backends(self) -> tuple[BackendKey, ...]:
        return tuple(share.backend for share in self.shares if share.backend)


@dataclass(frozen=True, slots=True)
class PortListener:
    """A port with the route of all its connections or datagrams.

    Attributes:
        decodes_proxy: Whether each connection begins with a PROXY protocol header, which has the client's address.
    """

    key: PortKey
    route: Layer4Route
    decodes_proxy: bool = False


TCP_IDLE_TIMEOUT: Final = timedelta(hours=1)
"""As in Envoy. Long enough for idle connections in the pools of database clients."""

UDP_IDLE_TIMEOUT: Final = timedelta(seconds=60)
"""As in Envoy."""
